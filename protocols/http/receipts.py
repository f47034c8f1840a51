"""The hub's word on messages that were handed in, waited for within one time: a single timer serves all of them."""

import asyncio

from actors.model.readings import Receipt
from protocols.http.config import HttpConfig
from protocols.http.mapping import Rejected

Answer = asyncio.Future[Receipt | None]
"""The hub's word on a message; nothing once it was waited for too long."""


class Receipts:
    """Receipts that are waited for, each as long as all others."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._until: dict[Answer, float] = {}
        """In the order of their time."""
        self._timer: asyncio.TimerHandle | None = None

    async def of(self, answered: Answer) -> Receipt:
        """Return a receipt as soon as it is there.

        Raises:
            Rejected: it is not there in time.
        """
        loop = answered.get_loop()
        self._until[answered] = until = loop.time() + self._config.reply_within_s
        if self._timer is None:
            self._timer = loop.call_at(until, self._expire)
        try:
            receipt = await answered
        finally:
            del self._until[answered]
        if receipt is None:
            late = f"not stored within {self._config.reply_within_s:g} s; it may be stored later"
            headers = {"Retry-After": str(round(self._config.retry_after_s))}
            raise Rejected("not_stored_yet", late, headers)
        return receipt

    def close(self) -> None:
        """Look no more for those who wait too long."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        """Let go those whose time is over, and look again when that of the next one is."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for answered, until in self._until.items():
            if answered.done():
                continue  # its request goes on in a moment
            if until > loop.time():
                self._timer = loop.call_at(until, self._expire)
                break
            answered.set_result(None)
