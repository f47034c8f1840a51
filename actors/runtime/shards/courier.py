"""The courier of a shard: carries its letters to the gates of the others, in order, until each is durable there."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from actors.runtime.cells import Done, NotTaken, Outcome
from actors.runtime.journal import OutboxRow
from actors.runtime.shards.letters import NumberedLetter, Parcel, SealedLetter, gate_address

log = structlog.get_logger(__name__)

_MOST_LETTERS: Final = 256
_RETRY_S: Final = 0.05
_LONGEST_RETRY_S: Final = 2.0


class Gatehouse(Protocol):
    """The receiving shard's engine."""

    def submit(self, address: str, message: Parcel, done: Done, message_id: str = "") -> None:
        """Hand in a parcel."""
        ...


class Courier:
    """A relay. On the way to each shard there is one parcel at a time; the next leaves when that is durable there.

    So letters cannot overtake each other, whatever is refused, lost or sent again. A letter leaves the outbox after it
    is durable behind the gate: a crash between both sends it again, and the gate knows its number.
    """

    def __init__(
        self,
        shard: int,
        shard_of: Callable[[str], int],
        gates: Sequence[Gatehouse],
        discard: Callable[[int], None],
    ) -> None:
        self._shard = shard
        self._shard_of = shard_of
        self._discard = discard
        self._ways = [_Way(shard, to, gate, self._delivered) for to, gate in enumerate(gates)]
        self._decode = msgspec.msgpack.Decoder(SealedLetter).decode
        self._carried = 0

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a letter; one that a former process carried already is known at the gate."""
        del recovered
        letter = self._decode(row.body)
        way = self._ways[self._shard_of(letter.address)]
        way.add(NumberedLetter(row.outbox_id, letter.address, letter.message, letter.schema))

    def stop(self) -> None:
        """Carry nothing any more; what is left stays in the outbox for the next start."""
        for way in self._ways:
            way.close()

    def counters(self) -> Mapping[str, int]:
        """Return how many letters were carried, and how many wait or are on their way."""
        return {"letters": self._carried, "letters_waiting": sum(len(way) for way in self._ways)}

    def _delivered(self, parcel: Parcel) -> None:
        self._carried += len(parcel.letters)
        for letter in parcel.letters:
            self._discard(letter.number)


class _Way:
    """The way from one shard to another."""

    def __init__(self, shard: int, to: int, gate: Gatehouse, delivered: Callable[[Parcel], None]) -> None:
        self._gate = gate
        self._address = gate_address(shard)
        self._log = log.bind(shard=shard, to_shard=to)
        self._delivered = delivered
        self._waiting: deque[NumberedLetter] = deque()
        self._parcel: Parcel | None = None
        self._refusals = 0
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting) + (len(self._parcel.letters) if self._parcel else 0)

    def add(self, letter: NumberedLetter) -> None:
        self._waiting.append(letter)
        if len(self) == 1:  # letters of the same batch travel together
            asyncio.get_running_loop().call_soon(self._send)

    def close(self) -> None:
        self._is_closed = True

    def _send(self) -> None:
        if self._is_closed or not len(self):
            return
        if self._parcel is None:
            count = min(len(self._waiting), _MOST_LETTERS)
            self._parcel = Parcel(tuple(self._waiting.popleft() for _ in range(count)))
        self._gate.submit(self._address, self._parcel, self._answered)

    def _answered(self, outcome: Outcome) -> None:
        if isinstance(outcome, NotTaken):
            self._try_later(outcome)
            return
        if self._refusals:
            self._log.info("letters_go_on", refusals=self._refusals)
            self._refusals = 0
        parcel, self._parcel = self._parcel, None
        assert parcel is not None  # noqa: S101 - only a parcel is ever answered
        self._delivered(parcel)
        self._send()

    def _try_later(self, outcome: NotTaken) -> None:
        """Send the same parcel again: the other shard cannot take it at the moment."""
        if not self._refusals:
            self._log.warning("letters_wait", letters=len(self), code=outcome.code, reason=outcome.detail)
        delay_s = min(_LONGEST_RETRY_S, _RETRY_S * 2.0 ** min(self._refusals, 10))
        self._refusals += 1
        if not self._is_closed:
            asyncio.get_running_loop().call_later(delay_s, self._send)
