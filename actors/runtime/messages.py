"""What the runtime itself tells actors, and the envelopes messages travel in."""

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from actors.runtime.errors import ActorError, AskTimeout
from actors.runtime.ref import ActorRef

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.timers import IdleWatch, Timer


class StopReason(StrEnum):
    """Why an actor is gone."""

    STOPPED = "stopped"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    PARENT_STOPPED = "parent_stopped"
    SYSTEM_STOPPED = "system_stopped"


class Terminated(Struct, frozen=True, kw_only=True):
    """A watched actor is gone. Comes once for each ``watch``, also when the actor was gone already."""

    ref: ActorRef[Any]
    reason: StopReason
    detail: str = ""


class ReceiveTimeout(Struct, frozen=True, kw_only=True):
    """Nothing came for ``after_s`` seconds. Timers and this notice itself do not count as something."""

    after_s: float


START: Final = object()
"""In an envelope: call the ``started`` hook."""


INLINE: Final = object()
"""In place of the present letter: a question that runs inline, for which no envelope was needed so far."""


def is_tick(letter: Any) -> bool:
    """Say whether this came from the actor's own timer, which does not count as activity."""
    return letter.__class__ is Envelope and letter.timer is not None


class Envelope(Struct, eq=False):
    """A message with what only some messages need. A tell from outside travels bare."""

    message: Any
    sender: "Cell | None" = None
    asked: bool = False
    privileged: bool = False
    reply: "asyncio.Future[Any] | None" = None
    kept: bool = False
    """Stashed, or to be answered later: the handler's return value is no answer."""
    timer: "Timer | IdleWatch | None" = None
    tick: int = 0
    asked_of: "Cell | None" = None

    def future(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[Any]":
        """Return what the asker waits for, made at first use."""
        if self.reply is None:
            self.reply = loop.create_future()
        return self.reply

    def answer(self, value: Any) -> bool:
        """Give the asker an answer; False when nobody waits for it."""
        if self.reply is None or self.reply.done():
            return False
        self.reply.set_result(value)
        return True

    def refuse(self, error: ActorError) -> bool:
        """Give the asker an error; False when nobody waits for it."""
        if self.reply is None or self.reply.done():
            return False
        self.reply.set_exception(error)
        return True

    def expired(self) -> bool:
        """Say whether the asker no longer waits."""
        return self.reply is not None and self.reply.done()

    def fire(self) -> None:
        """End the wait for an answer (called by the timer wheel at the deadline)."""
        path = "" if self.asked_of is None else self.asked_of.path
        self.refuse(AskTimeout(path, "no answer before the deadline"))
