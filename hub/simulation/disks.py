"""The disks of all shards, looked at as one by those who judge."""

from collections.abc import Iterator, Mapping
from typing import Any

from actors.dialogue.placement import ShardMap
from actors.runtime.journal import DeadLetterRow, Loaded, OutboxRow, RecordRow, ReminderRow, TellRow, TurnRow
from actors.runtime.shards import is_gate
from hub.simulation.disk import Disk


class Disks:
    """One disk a shard."""

    def __init__(self, shards: int) -> None:
        self.all = tuple(Disk() for _ in range(shards))
        self.places = ShardMap(shards)

    def of(self, address: str) -> Disk:
        """Return the disk of an actor."""
        return self.all[self.places.shard_of(address)]

    def turns(self) -> Iterator[tuple[str, list[TurnRow]]]:
        """Yield every actor with its turns; gates, which stand in every shard, have a judge of their own."""
        for disk in self.all:
            yield from ((address, rows) for address, rows in disk.turns.items() if not is_gate(address))

    def tells(self) -> list[TellRow]:
        """Return the tells that nobody has consumed."""
        return [row for disk in self.all for row in disk.tells.values()]

    def outbox(self) -> list[OutboxRow]:
        """Return the work whose outcome nobody has consumed."""
        return [row for disk in self.all for row in disk.outbox.values()]

    def reminders(self) -> list[ReminderRow]:
        """Return the reminders that are set."""
        return [row for disk in self.all for row in disk.reminders.values()]

    def dead_letters(self) -> list[DeadLetterRow]:
        """Return what could not be processed."""
        return [row for disk in self.all for row in disk.dead_letters]

    def claims(self) -> Mapping[str, str]:
        """Return the names that are taken, and by whom."""
        return _merged([disk.claims for disk in self.all])

    def meters(self) -> Mapping[str, tuple[int, int]]:
        """Return the bounded counters with their caps."""
        return _merged([disk.meters for disk in self.all])

    def records_of(self, kind: str, owner: str | None = None) -> list[RecordRow]:
        """Return the read models of a kind, by key; of one owner where one is named."""
        rows = [row for disk in self.all for row in disk.records_of(kind, owner)]
        return sorted(rows, key=lambda row: row.key)

    def has_turn(self, address: str, message_id: str) -> bool:
        """Say whether this actor has consumed this message."""
        return self.of(address).has_turn(address, message_id)

    def load(self, address: str) -> Loaded:
        """Return what the state of one actor is folded from."""
        return self.of(address).load(address)


def _merged(parts: list[Any]) -> dict[str, Any]:
    """Return all entries; no name may stand in two shards, or it would bound nothing.

    Raises:
        AssertionError: one does.
    """
    merged: dict[str, Any] = {}
    for part in parts:
        assert not merged.keys() & part.keys(), f"in two shards: {merged.keys() & part.keys()}"  # noqa: S101 - a finding
        merged |= part
    return merged
