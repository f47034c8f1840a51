"""What only some actors have: children, watchers, timers, a stash, failures. Made when first needed."""

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.runtime.messages import StopReason

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.lane import Turn
    from actors.runtime.replies import LaterReply
    from actors.runtime.timers import IdleWatch, LeaveWatch, Timer


class Extras:
    """Rare belongings of a cell; each container is made when something goes into it."""

    __slots__ = (
        "active_at_s",
        "children",
        "detail",
        "ended",
        "failures",
        "idle_watch",
        "later",
        "leave_watch",
        "stash",
        "ticks",
        "timers",
        "turn",
        "watchers",
        "watching",
    )

    def __init__(self) -> None:
        self.active_at_s = 0.0
        self.ticks = 0
        """Messages of timers in the present turn."""
        self.children: dict[str | int, Cell] | None = None
        self.watchers: dict[Cell, None] | None = None
        self.watching: dict[Cell, None] | None = None
        self.timers: dict[str, Timer] | None = None
        self.later: dict[LaterReply, None] | None = None
        self.stash: list[Any] | None = None
        self.failures: deque[float] | None = None
        self.idle_watch: IdleWatch | None = None
        self.leave_watch: LeaveWatch | None = None
        self.turn: Turn | None = None
        """The ``async def`` handler or hook that is under way."""
        self.ended: StopReason | None = None
        self.detail = ""
