"""Rows for journals, and a commit that can be awaited."""

import asyncio
from typing import Any

from actors.runtime.journal import (
    Batch,
    DeadLetterRow,
    Journal,
    NoteRow,
    OutboxRow,
    RecordRow,
    ReminderRow,
    SnapshotRow,
    TellRow,
    TurnRow,
)


def turn(position: int, address: str = "thing/a", **changes: Any) -> TurnRow:
    """Return a turn; its message id is new unless told otherwise."""
    told = {"turn": position, "schema": 1, "message_id": f"b:{position}", "at": 1.5, "message": b"m", "events": b"e"}
    return TurnRow(**({"position": position, "address": address} | told | changes))


def snapshot(position: int, address: str = "thing/a", turn: int = 1) -> SnapshotRow:
    return SnapshotRow(address=address, position=position, turn=turn, schema=1, state=b"s")


def tell(tell_id: int) -> TellRow:
    return TellRow(tell_id=tell_id, address="thing/a", message=b"t")


def reminder(name: str, due: float = 9.5) -> ReminderRow:
    return ReminderRow(address="thing/a", name=name, due=due, message=b"r")


def work(outbox_id: int) -> OutboxRow:
    return OutboxRow(outbox_id=outbox_id, relay="desk", address="order/1", body=b"w", created_at=2.5)


def record(key: str, owner: str = "o", body: bytes | None = b"v") -> RecordRow:
    return RecordRow(kind="order", key=key, owner=owner, body=body)


def note(step: str) -> NoteRow:
    return NoteRow(correlation_id="chain", at=3.5, address="thing/a", step=step, body=b"n")


def dead_letter(reason: str) -> DeadLetterRow:
    return DeadLetterRow(at=4.5, address="thing/a", reason=reason, message=b"d")


async def outcome(journal: Journal, **parts: Any) -> Exception | None:
    """Commit a batch and return how that ended."""
    answer: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    journal.commit(Batch(**parts), answer.set_result)
    async with asyncio.timeout(30):
        return await answer


async def commit(journal: Journal, **parts: Any) -> None:
    """Commit a batch that must succeed."""
    error = await outcome(journal, **parts)
    if error is not None:
        raise error
