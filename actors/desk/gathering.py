"""Outcomes of requests that end at nearly the same time are told together, so that they share a commit."""

import asyncio

from actors.desk.office import Office
from actors.desk.pace import Pace
from actors.dialogue import Message
from actors.runtime.journal import OutboxRow


class Gathering:
    """Holds outcomes, and the places of their requests, for at most ``within_s``."""

    def __init__(self, office: Office, pace: Pace, *, within_s: float) -> None:
        self._office = office
        self._pace = pace
        self._within_s = within_s
        self._ended: list[tuple[OutboxRow, Message]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, row: OutboxRow, message: Message, *, more: bool) -> None:
        """Take an outcome whose request holds a place; ``more``: others are under way that may end now as well."""
        self._ended.append((row, message))
        if not more:
            self.tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._within_s, self.tell)

    def tell(self) -> None:
        """Tell all that is held, and let others go in their places."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended, self._ended = self._ended, []
        for row, message in ended:
            self._office.complete(row.outbox_id, row.address, message)
        for _ in ended:
            self._pace.release()
