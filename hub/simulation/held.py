"""What a simulated CRM holds, and the log of changes that it tells."""

from typing import Final

from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.money import Money
from actors.model.outcomes import Changes, CrmRecord

_PAGE: Final = 5


class Held(Struct, kw_only=True):
    """One record of a CRM."""

    record: CrmRecord
    chain: str
    """The need that it meets: whatever its key is, there must never be two of one."""
    order_key: OrderKey
    visible_s: float
    is_ours: bool = True
    ordered: Money | None = None
    """What was ordered, whatever people make of it."""


class ChangeLog:
    """Which records changed, in order, in pages; each is told as it is when it is asked for."""

    def __init__(self) -> None:
        self._entries: list[Held] = []

    def add(self, held: Held) -> None:
        """Take down that a record changed."""
        self._entries.append(held)

    def since(self, cursor: str) -> Changes:
        """Return the next page behind a cursor."""
        begin = int(cursor or 0)
        page = self._entries[begin : begin + _PAGE]
        return Changes(records=tuple(held.record for held in page), cursor=str(begin + len(page)))
