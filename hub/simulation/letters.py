"""Looks on while letters go from shard to shard: each must be taken once, in the order in which it was written."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from actors.dialogue.placement import ShardMap
from actors.runtime.cells import Kind
from actors.runtime.journal import Batch
from actors.runtime.shards import SHARD_RELAY, GateCore, is_gate
from actors.runtime.shards.letters import SealedLetter


class LetterWatch:
    """Follows the disks of all shards."""

    def __init__(self, shards: int) -> None:
        self._places = ShardMap(shards)
        self._gate = Kind(GateCore({}))
        self._written: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self._taken: Counter[tuple[int, int]] = Counter()
        self._upto: Counter[tuple[int, int]] = Counter()
        self._wrong: list[str] = []

    @property
    def letters(self) -> int:
        """How many were written."""
        return sum(map(len, self._written.values()))

    def written(self, shard: int, batch: Batch) -> None:
        """Follow one committed batch of a shard."""
        for work in batch.outbox_added:
            if work.relay == SHARD_RELAY:
                letter = msgspec.msgpack.decode(work.body, type=SealedLetter)
                self._written[shard, self._places.shard_of(letter.address)].append(work.outbox_id)
        for row in batch.turns:
            if is_gate(row.address):
                self._follow(int(row.address.partition("/")[2]), shard, self._gate.read_events(row))

    def _follow(self, sender: int, receiver: int, events: tuple[object, ...]) -> None:
        for event in events:
            upto, count = event.upto, event.count  # type: ignore[attr-defined] # a gate's only event
            if upto <= self._upto[sender, receiver]:
                self._wrong.append(f"shard {receiver} took letter {upto} of shard {sender} again or too late")
            self._upto[sender, receiver] = upto
            self._taken[sender, receiver] += count

    def faults(self) -> Iterator[str]:
        """Yield what was lost, doubled or overtaken, once everything has come to rest."""
        yield from self._wrong
        for (sender, receiver), numbers in self._written.items():
            if numbers != sorted(set(numbers)):
                yield f"numbers of letters from shard {sender} to {receiver} do not rise"
            if self._taken[sender, receiver] != len(numbers) or self._upto[sender, receiver] != numbers[-1]:
                taken = self._taken[sender, receiver]
                yield f"shard {receiver} took {taken} letters of shard {sender}, {len(numbers)} were written"
