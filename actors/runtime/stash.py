"""Messages an actor put aside until it can handle them."""

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.runtime import delivery
from actors.runtime.errors import StashFull
from actors.runtime.mailbox import CLOSED
from actors.runtime.messages import Envelope

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


def put(cell: "Cell", letter: Any) -> None:
    """Put the present letter aside.

    Raises:
        StashFull: the kind allows no more.
    """
    extras = cell.more()
    stash = extras.stash = [] if extras.stash is None else extras.stash
    if len(stash) >= cell.meter.kind.stash_capacity:
        raise StashFull(cell.path, f"{len(stash)} messages are put aside already")
    stash.append(letter)
    if letter.__class__ is Envelope:
        letter.kept = True
        if letter.asked:
            letter.future(cell.dispatcher.loop)


def take_all(cell: "Cell") -> list[Any]:
    """Empty the stash and return what it held, oldest first."""
    extras = cell.extras
    if extras is None or extras.stash is None:
        return []
    letters, extras.stash = extras.stash, None
    return letters


def put_back(cell: "Cell") -> None:
    """Put the stash at the head of the mailbox, which is open: its actor is at work."""
    letters = take_all(cell)
    box = delivery.box_of(cell)
    if box is not CLOSED:
        cell.mailbox = deque([*letters, *box])


def forget_failed(cell: "Cell", letter: Any) -> None:
    """Take back what the handler stashed just before it failed: that message is a dead letter now."""
    extras = cell.extras
    if extras is not None and extras.stash and extras.stash[-1] is letter:
        extras.stash.pop()
