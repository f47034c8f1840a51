"""Ordering switched off after a restore: what the restored journal does not know may have been ordered already."""

from typing import Protocol

import msgspec

from actors.dialogue import AnyDeskJob, BookTime, CancelRecord, PlaceRequest, TakeTurn
from actors.runtime.journal import OutboxRow


class Relay(Protocol):
    """Takes work from the outbox."""

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take one piece of work."""
        ...


class OrderingOff:
    """Stands before a desk: reads pass, turns and writes stay in the outbox for the next start.

    Writes of the former process pass too: the desk does not send those again but has them looked up by key.
    """

    def __init__(self, desk: Relay) -> None:
        self._desk = desk
        self._decode = msgspec.msgpack.Decoder(AnyDeskJob).decode

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Pass what changes nothing at the CRM."""
        job = self._decode(row.body)
        if isinstance(job, TakeTurn | CancelRecord) or (isinstance(job, PlaceRequest | BookTime) and not recovered):
            return
        self._desk.work(row, recovered=recovered)
