"""Answers that come later than the handler's return."""

from typing import TYPE_CHECKING, Any, final

from actors.runtime import delivery
from actors.runtime.dead_letters import DeadReason
from actors.runtime.messages import Envelope

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


def give(cell: "Cell", envelope: Envelope, value: Any) -> None:
    """Answer a question; where nobody waits any more the answer becomes a dead letter."""
    if envelope.asked and envelope.reply is not None and not envelope.answer(value):
        cell.dispatcher.dead_letters.put(
            value,
            recipient=delivery.origin_of(envelope.sender),
            reason=DeadReason.LATE_ANSWER,
            origin=cell.path,
        )


@final
class LaterReply:
    """The right to answer one question, once. Its actor's restart or stop answers with an error."""

    __slots__ = ("_cell", "_envelope")

    def __init__(self, cell: "Cell", envelope: Envelope | None) -> None:
        self._cell = cell
        self._envelope = envelope

    def send(self, value: Any) -> None:
        """Answer."""
        envelope = self._take()
        if envelope is not None:
            give(self._cell, envelope, value)

    def fail(self, error: Exception) -> None:
        """Let the asker's ``ask`` raise ``ActorFailed``."""
        self._refuse(DeadReason.FAILED, error)

    def drop(self, reason: DeadReason) -> None:
        """Tell the asker that no answer will come."""
        self._refuse(reason, None)

    def _refuse(self, reason: DeadReason, error: Exception | None) -> None:
        envelope = self._take()
        if envelope is not None:
            envelope.refuse(delivery.refusal(self._cell.path, reason, error))

    def _take(self) -> Envelope | None:
        envelope, self._envelope = self._envelope, None
        if envelope is not None:
            later = self._cell.more().later
            if later is not None:
                later.pop(self, None)
        return envelope
