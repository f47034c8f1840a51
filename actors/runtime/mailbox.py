"""Mailboxes: a slot for a single letter, a list while short, a deque when long; bounded by the kind's policy."""

from collections import deque
from typing import Any, Final, final

from actors.runtime.kinds import Kind, Overflow
from actors.runtime.messages import Envelope

SHORT: Final = 32
"""Up to here a list is smaller and faster than a deque (64 bytes against 760)."""

# What stands in place of a mailbox. As long as ``SHORT``, so that one more letter never fits on the fast path.

SINGLE: Final = ("single",) * SHORT
"""One letter waits, in the cell's ``first``: most turns have no more, and a slot costs a quarter of a list."""

BUSY: Final = ("busy",) * SHORT
"""The actor is at work or its handler waits, and nothing else does."""

CLOSED: Final = ("closed",) * SHORT
"""The actor takes nothing."""

ASLEEP: Final = ("asleep",) * SHORT
"""The actor is passive, and what comes wakes it."""


@final
class Held(deque[Any]):
    """A mailbox that gathers while its actor restarts or takes its leave. True even when empty: it is not idle."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


Box = list[Any] | deque[Any]


def body_of(letter: Any) -> Any:
    """Return the message inside an envelope, or the bare message."""
    return letter.message if letter.__class__ is Envelope else letter


def make_room(box: Box, letter: Any, kind: Kind[Any]) -> Any:
    """Take out and return what the kind's policy drops in favour of ``letter``; ``letter`` itself when that is refused.

    Timers, answers and notices of the system are never dropped.
    """
    match kind.overflow:
        case Overflow.REJECT | Overflow.DROP_NEWEST:
            return letter
        case Overflow.DROP_OLDEST:
            place = _first_droppable(box)
        case Overflow.COALESCE:
            place = _first_alike(box, kind, body_of(letter))
    if place < 0:
        return letter
    dropped = box[place]
    del box[place]
    return dropped


def _droppable(letter: Any) -> bool:
    return letter.__class__ is not Envelope or not letter.privileged


def _first_droppable(box: Box) -> int:
    return next((place for place, letter in enumerate(box) if _droppable(letter)), -1)


def _first_alike(box: Box, kind: Kind[Any], message: Any) -> int:
    key = kind.coalesce_key(message)
    alike = (n for n, letter in enumerate(box) if _droppable(letter) and kind.coalesce_key(body_of(letter)) == key)
    return next(alike, -1)
