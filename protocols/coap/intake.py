"""The resource layer: takes complete requests from whatever owns the socket and answers them, now or when stored."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import final

from actors.model.ids import OwnerId, ThingId
from actors.model.readings import Principal, Receipt, Stored
from actors.ports import ConnectedThing, ProtocolDeps
from protocols.coap.identity import PrincipalResolver, Sender
from protocols.coap.mapping import Arrival, device_message
from protocols.coap.replies import STORED, Rejected, Reply, ReplyCode, reply_to


@final
class Intake:
    """Turns arrivals into device messages and receipts into replies. Knows no socket and no CoAP library."""

    def __init__(
        self, deps: ProtocolDeps, resolver: PrincipalResolver, *, max_payload_bytes: int, retry_after_s: float
    ) -> None:
        self._deps = deps
        self._resolver = resolver
        self._max_payload_bytes = max_payload_bytes
        self._retry_after_s = retry_after_s
        self._counts = Counter(accepted=0, duplicates=0, refused=0, malformed=0)
        self._stored = 0
        """Accepted for the first time; beside the other counts, which cost more."""

    def take(self, arrival: Arrival, answer: Callable[[Reply], None]) -> None:
        """Hand in one request; ``answer`` is called exactly once, with 2.04 only after the message is stored."""
        try:
            principal, thing = self._resolver.resolve(arrival.sender, arrival.thing_id)
            self.check_size(len(arrival.payload))
            message = device_message(arrival, thing, self._deps.clock.now())
        except Rejected as rejected:
            answer(self.counted(rejected.reply))
            return
        self._deps.sink.accept(principal, message, partial(self._answer, answer))

    def _answer(self, answer: Callable[[Reply], None], receipt: Receipt) -> None:
        if isinstance(receipt, Stored) and not receipt.duplicate:  # nearly all are
            self._stored += 1
            answer(STORED)
        else:
            answer(self.counted(reply_to(receipt, default_retry_s=self._retry_after_s)))

    def admit(self, sender: Sender) -> None:
        """Say before a body is put together whether its sender may speak.

        Raises:
            Rejected: It may not.
        """
        self._resolver.admit(sender)

    def resolve(self, sender: Sender, thing_id: ThingId) -> tuple[Principal, ConnectedThing]:
        """Return the principal of a sender that speaks for this thing.

        Raises:
            Rejected: It is not that thing.
        """
        return self._resolver.resolve(sender, thing_id)

    def owners(self, sender: Sender) -> frozenset[OwnerId]:
        """Return the owners of the things that a sender may be.

        Raises:
            Rejected: It is none.
        """
        return self._resolver.owners(sender)

    def check_size(self, size: int) -> None:
        """Say whether a body of this size, complete or announced, is taken.

        Raises:
            Rejected: 4.13.
        """
        if size > self._max_payload_bytes:
            text = f"expected a payload of up to {self._max_payload_bytes} bytes, got {size}"
            raise Rejected(ReplyCode.TOO_LARGE, "too_large", text)

    def counted(self, reply: Reply) -> Reply:
        """Count a reply and return it."""
        if reply.code is ReplyCode.CHANGED:
            self._counts["accepted"] += 1
            self._counts["duplicates"] += reply.is_duplicate
        elif reply.reason == "malformed":
            self._counts["malformed"] += 1
        else:
            self._counts.update(("refused", f"refused_{reply.reason}"))
        return reply

    def counters(self) -> Mapping[str, int]:
        """Return accepted (``duplicates`` among them), malformed, refused, and ``refused_...`` by reason."""
        return {**self._counts, "accepted": self._counts["accepted"] + self._stored}
