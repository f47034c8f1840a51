"""Into the mailbox or to dead letters: the ways that are not the fast one."""

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.runtime.dead_letters import DeadReason
from actors.runtime.errors import (
    ActorError,
    ActorFailed,
    ActorQuarantined,
    ActorStopped,
    MailboxFull,
    SystemStopping,
)
from actors.runtime.kinds import Overflow
from actors.runtime.mailbox import ASLEEP, BUSY, CLOSED, SHORT, SINGLE, Box, body_of, make_room
from actors.runtime.messages import START, Envelope
from actors.runtime.status import Status

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


def box_of(cell: "Cell") -> Any:
    """Return the mailbox in a form to look into, a list or deque, or else what says why there is none."""
    box = cell.mailbox
    if box is SINGLE:
        box = cell.mailbox = [cell.first]
        cell.first = None
    elif box is BUSY:
        box = cell.mailbox = []
    return box


def put(cell: "Cell", letter: Any) -> bool:
    """Put something into the mailbox whatever its bound; False when the mailbox is closed."""
    box = box_of(cell)
    if box is None:
        cell.mailbox = [letter]
        cell.dispatcher.enqueue(cell)
        return True
    if box is ASLEEP:
        box = _wake(cell)
    elif box is CLOSED:
        return bury(cell, letter, closed_for(cell))
    if box.__class__ is list and len(box) >= SHORT:
        box = cell.mailbox = deque(box)
    box.append(letter)
    return True


def admit(cell: "Cell", letter: Any) -> bool:
    """Put something into the mailbox within its bound; False when the sender should know that it was refused."""
    if sent_to_closed_door(cell, letter):
        return bury(cell, letter, DeadReason.STOPPING)
    box = box_of(cell)
    if box is None or isinstance(box, tuple) or len(box) - begins(box) < cell.meter.kind.capacity:
        return put(cell, letter)
    return _overflow(cell, box, letter)


def begins(box: Box) -> bool:
    """Say whether the first letter is the start of an incarnation, which takes nobody's place."""
    return len(box) > 0 and box[0].__class__ is Envelope and box[0].message is START


def _wake(cell: "Cell") -> Box:
    """Open the mailbox of a passive actor; its next turn makes the incarnation, and what comes meanwhile waits."""
    box: Box = [Envelope(START, privileged=True)]
    cell.mailbox, cell.status = box, Status.OPEN
    cell.dispatcher.enqueue(cell)
    return box


def sent_to_closed_door(cell: "Cell", letter: Any) -> bool:
    """Say whether this came from outside while the system drains."""
    door = cell.dispatcher.door
    return door is not None and letter.__class__ is Envelope and letter.sender is door


def _overflow(cell: "Cell", box: Box, letter: Any) -> bool:
    kind = cell.meter.kind
    dropped = make_room(box, letter, kind)
    refused = dropped is letter
    if not refused:
        box.append(letter)
    coalesced = kind.overflow is Overflow.COALESCE and not refused
    bury(cell, dropped, DeadReason.COALESCED if coalesced else DeadReason.OVERFLOW)
    return not refused or kind.overflow is Overflow.DROP_NEWEST


def closed_for(cell: "Cell") -> DeadReason:
    """Return why a closed mailbox is closed."""
    return DeadReason.STOPPED if cell.in_quarantine is False else DeadReason.QUARANTINED


def bury(cell: "Cell", letter: Any, reason: DeadReason, error: BaseException | None = None) -> bool:
    """Make a dead letter of what ``cell`` does not handle and tell its asker; always False."""
    sender = None
    if letter.__class__ is Envelope:
        if letter.message is START or (letter.timer is not None and not letter.timer.live):
            return False
        sender = letter.sender
        if letter.reply is not None:
            letter.refuse(refusal(cell.path, reason, error))
    cell.dispatcher.dead_letters.put(
        body_of(letter),
        recipient=cell.path,
        reason=reason,
        origin=origin_of(sender),
        detail="" if error is None else repr(error),
    )
    return False


def origin_of(sender: "Cell | None") -> str:
    """Return the sender's path, or ``outside``."""
    return "outside" if sender is None or sender.parent is None else sender.path


def refusal(path: str, reason: DeadReason, error: BaseException | None) -> ActorError:
    """Return what an asker gets in place of an answer."""
    match reason:
        case DeadReason.FAILED:
            failed = ActorFailed(path, f"failed: {error!r}")
            failed.__cause__ = error
            return failed
        case DeadReason.OVERFLOW | DeadReason.COALESCED:
            return MailboxFull(path, "the mailbox is full")
        case DeadReason.QUARANTINED:
            return ActorQuarantined(path, "failed too often and is in quarantine")
        case DeadReason.STOPPING:
            return SystemStopping(path, "the system takes no more messages from outside")
        case _:
            return ActorStopped(path, "stopped before it answered")
