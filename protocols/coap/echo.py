"""Amplification held down (RFC 9175 section 2.4): whoever gets a much larger answer shows first that it is there.

A forged sender never sees the Echo value, so nobody can make the hub flood a third party. Asking in small blocks does
without: then no answer is much larger than its request.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes
from typing import Final, final

from protocols.coap.identity import Sender

FACTOR: Final = 3
"""What RFC 9175 section 2.4 calls a small amplification at most."""
_WINDOW_S: Final = 60.0
_KNOWN_S: Final = 247.0
_BYTES: Final = 8


@final
class EchoGate:
    """Makes Echo values, without keeping anything, and remembers within bounds who returned one."""

    def __init__(self, monotonic: Callable[[], float], *, most: int, is_on: bool = True) -> None:
        self._monotonic = monotonic
        self._most = most
        self._is_on = is_on
        self._key = token_bytes(32)
        self._reachable: OrderedDict[tuple[str, int], float] = OrderedDict()

    def challenge(self, sender: Sender, echo: bytes | None, *, asked: int, answered: int) -> bytes | None:
        """Return the Echo value to ask for before an answer of this size; nothing when the answer may leave.

        Who speaks in a security context has shown who it is.
        """
        if not self._is_on or sender.claims or answered <= FACTOR * asked:
            return None
        where, now = (sender.host, sender.port), self._monotonic()
        if self._reachable.get(where, 0.0) > now:
            return None
        if echo is not None and self._is_mine(echo, sender, now):
            self._remember(where, now + _KNOWN_S)
            return None
        return self._value(sender, int(now / _WINDOW_S))

    def _is_mine(self, echo: bytes, sender: Sender, now: float) -> bool:
        window = int(now / _WINDOW_S)
        return any(hmac.compare_digest(echo, self._value(sender, window - age)) for age in (0, 1))

    def _value(self, sender: Sender, window: int) -> bytes:
        said = f"{sender.host}\0{sender.port}\0{window}".encode()
        return hmac.new(self._key, said, sha256).digest()[:_BYTES]

    def _remember(self, where: tuple[str, int], until: float) -> None:
        self._reachable[where] = until
        self._reachable.move_to_end(where)
        if len(self._reachable) > self._most:
            self._reachable.popitem(last=False)
