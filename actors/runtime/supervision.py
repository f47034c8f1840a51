"""What happens when a handler raises: resume, restart after a back-off, stop, escalate, quarantine."""

from collections import deque
from typing import TYPE_CHECKING, Any

from structlog import get_logger

from actors.runtime import delivery, lifecycle, stash
from actors.runtime.dead_letters import DeadReason
from actors.runtime.kinds import Directive
from actors.runtime.mailbox import SHORT, Held
from actors.runtime.messages import START, Envelope, StopReason
from actors.runtime.status import Status

if TYPE_CHECKING:
    from actors.runtime.cell import Cell

log = get_logger(__name__)


class Restart:
    """The back-off of one restart, on the wheel."""

    __slots__ = ("_cell", "tick")

    def __init__(self, cell: "Cell") -> None:
        self._cell = cell
        self.tick = 0

    def fire(self) -> None:
        """Make the next incarnation, once the former one's children and handler are through."""
        cell = self._cell
        if cell.status is not Status.RESTARTING:
            return
        # Queued still: escalated to while it had mail. A second entry would let two turns overlap.
        if cell.waits or cell.more().children or cell in cell.dispatcher.ready:
            cell.dispatcher.wheel.add(self, cell.dispatcher.tick_s)
        else:
            lifecycle.release(cell, _revive)


def fail(cell: "Cell", letter: Any, error: BaseException) -> None:
    """Drop the message that the handler choked on and do what the kind's supervision says."""
    cell.meter.failed += 1
    stash.forget_failed(cell, letter)
    if letter is not None:
        delivery.bury(cell, letter, DeadReason.FAILED, error)
    if cell.status is Status.PASSIVATING:
        unhold(cell, [])
    if cell.status is Status.OPEN:
        _obey(_directive(cell, error), cell, error, may_resume=_is_started(letter))


def _is_started(letter: Any) -> bool:
    return letter.__class__ is not Envelope or letter.message is not START


def _obey(directive: Directive, cell: "Cell", error: BaseException, *, may_resume: bool) -> None:
    match directive:
        case Directive.RESUME if may_resume:
            return
        case Directive.RESUME | Directive.RESTART:
            _restart(cell, error)
        case Directive.STOP:
            lifecycle.stop(cell, StopReason.FAILED, repr(error))
        case Directive.ESCALATE:
            _escalate(cell, error, may_resume=may_resume)


def _directive(cell: "Cell", error: BaseException) -> Directive:
    if not isinstance(error, Exception):  # CancelledError that nobody asked for
        return Directive.RESTART
    try:
        return cell.meter.kind.supervision.decide(error)
    except Exception as fault:  # noqa: BLE001 - a rule that raises gives no verdict: the safe one is to stop
        log.warning("supervision_rule_failed", actor=cell.path, error=repr(fault))
        return Directive.STOP


def _restart(cell: "Cell", error: BaseException) -> None:
    attempt = _count_failure(cell)
    supervision = cell.meter.kind.supervision
    if attempt > supervision.max_restarts:
        _quarantine(cell, error)
        return
    hold(cell)
    cell.status = Status.RESTARTING
    cell.dispatcher.restarting += 1
    lifecycle.retire(cell, DeadReason.FAILED)
    delay_s = supervision.delay_s(attempt, cell.dispatcher.chance)
    log.info("actor_failed", actor=cell.path, error=repr(error), attempt=attempt, restarts_in_s=round(delay_s, 3))
    cell.dispatcher.wheel.add(Restart(cell), delay_s)


def _count_failure(cell: "Cell") -> int:
    extras = cell.more()
    failures = extras.failures = deque() if extras.failures is None else extras.failures
    now = cell.dispatcher.monotonic()
    failures.append(now)
    while failures[0] <= now - cell.meter.kind.supervision.window_s:
        failures.popleft()
    return len(failures)


def hold(cell: "Cell") -> None:
    """Let the mailbox gather without being worked on."""
    box = delivery.box_of(cell)
    if not isinstance(box, (Held, tuple)):
        cell.mailbox = Held(box or ())


def unhold(cell: "Cell", first: list[Any]) -> None:
    """Open the mailbox again, with ``first`` at its head."""
    letters = [*first, *(cell.mailbox or ())]
    cell.mailbox = letters if len(letters) < SHORT else deque(letters)
    cell.status = Status.OPEN


def _revive(cell: "Cell") -> None:
    if cell.status is not Status.RESTARTING:
        lifecycle.finish_if_over(cell)
        return
    cell.dispatcher.restarting -= 1
    with cell.dispatcher.acting_as(cell):
        try:
            cell.actor = actor = cell.meter.make(cell)
        except Exception as error:  # noqa: BLE001 - a maker may raise anything; that is one more failure
            _failed_to_start(cell, error)
            return
    cell.meter.restarted += 1
    lifecycle.arm(cell)
    start = [Envelope(START, privileged=True)] if cell.meter.wants_start(actor) else []
    unhold(cell, start + stash.take_all(cell))
    cell.dispatcher.settle(cell)


def _failed_to_start(cell: "Cell", error: Exception) -> None:
    cell.status = Status.OPEN
    cell.meter.failed += 1
    _obey(_directive(cell, error), cell, error, may_resume=False)
    cell.dispatcher.settle(cell)


def _escalate(cell: "Cell", error: BaseException, *, may_resume: bool) -> None:
    parent = cell.parent
    if parent is None or parent.parent is None:
        lifecycle.stop(cell, StopReason.FAILED, repr(error))
        cell.dispatcher.give_up(cell, error)
        return
    hold(cell)
    fail(parent, None, error)
    if parent.status is Status.OPEN and cell.status is Status.OPEN:
        unhold(cell, [])
        _obey(Directive.RESUME, cell, error, may_resume=may_resume)


def _quarantine(cell: "Cell", error: BaseException) -> None:
    extras = cell.more()
    extras.ended, extras.detail = StopReason.QUARANTINED, repr(error)
    lifecycle.close(cell, DeadReason.QUARANTINED)
    cell.status = Status.QUARANTINED
    cell.meter.quarantined += 1
    log.warning("actor_quarantined", actor=cell.path, error=repr(error))
    lifecycle.retire(cell, DeadReason.QUARANTINED)
    lifecycle.tell_watchers(cell)
    lifecycle.finish_if_over(cell)


def pardon(cell: "Cell") -> bool:
    """Make a fresh incarnation of a quarantined actor; False when it is in none."""
    if cell.status is not Status.QUARANTINED:
        return False
    extras = cell.more()
    extras.failures, extras.ended, extras.detail = None, None, ""
    cell.mailbox = Held()
    cell.status = Status.RESTARTING
    cell.dispatcher.restarting += 1
    Restart(cell).fire()
    return True
