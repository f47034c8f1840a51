"""Timers of one actor, kept in memory: they end with its incarnation."""

from typing import TYPE_CHECKING, Any

from actors.runtime import delivery, passivation
from actors.runtime.messages import Envelope, ReceiveTimeout

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


class Timer:
    """One named timer of one actor."""

    __slots__ = ("cell", "due_s", "every_s", "live", "message", "name", "tick")

    def __init__(self, cell: "Cell", name: str, message: Any, *, due_s: float, every_s: float | None) -> None:
        self.cell = cell
        self.name = name
        self.due_s = due_s
        self.message = message
        self.every_s = every_s
        self.live = True
        self.tick = 0

    def fire(self) -> None:
        """Put the message into the mailbox."""
        delivery.put(self.cell, Envelope(self.message, self.cell, privileged=True, timer=self))

    def delivered(self) -> None:
        """Go on or end, now that the message left the mailbox: an actor that falls behind skips beats."""
        if self.every_s is None:
            (self.cell.more().timers or {}).pop(self.name, None)
            return
        now = self.cell.dispatcher.monotonic()
        self.due_s += self.every_s
        if self.due_s <= now:
            self.due_s = now + self.every_s
        self.cell.dispatcher.wheel.add(self, self.due_s - now)

    def cancel(self) -> None:
        """End it, also where its message already waits."""
        self.live = False
        self.cell.dispatcher.wheel.discard(self)


class IdleWatch:
    """Tells one actor ``ReceiveTimeout`` when nothing came for a while; asks once a period, not once a message."""

    __slots__ = ("after_s", "cell", "live", "tick")

    def __init__(self, cell: "Cell", after_s: float) -> None:
        self.cell = cell
        self.after_s = after_s
        self.live = True
        self.tick = 0
        cell.more().active_at_s = cell.dispatcher.monotonic()
        cell.dispatcher.wheel.add(self, after_s)

    def fire(self) -> None:
        """Judge whether the actor was idle, and come back when it can be next."""
        cell, dispatcher, wait_s = self.cell, self.cell.dispatcher, self.after_s
        if cell.mailbox is None:
            quiet_for_s = dispatcher.monotonic() - cell.more().active_at_s
            # Deadlines are whole ticks: what is due within half a tick is due.
            if quiet_for_s + dispatcher.tick_s / 2 < self.after_s:
                wait_s = self.after_s - quiet_for_s
            else:
                self._idle()
        if self.live:
            dispatcher.wheel.add(self, wait_s)

    def _idle(self) -> None:
        notice = ReceiveTimeout(after_s=self.after_s)
        delivery.put(self.cell, Envelope(notice, self.cell, privileged=True, timer=self))

    def delivered(self) -> None:
        """Go on: the next notice is on the wheel already."""

    def cancel(self) -> None:
        """End it, also where its notice already waits."""
        self.live = False
        self.cell.dispatcher.wheel.discard(self)


class LeaveWatch(IdleWatch):
    """Passivates one actor when nothing came for a while."""

    __slots__ = ()

    def _idle(self) -> None:
        passivation.request(self.cell)
