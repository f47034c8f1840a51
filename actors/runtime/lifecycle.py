"""Birth, end, and who is told of it."""

from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, cast

from structlog import get_logger

from actors.runtime import delivery, stash
from actors.runtime.actor import Actor
from actors.runtime.dead_letters import DeadReason
from actors.runtime.mailbox import ASLEEP, CLOSED
from actors.runtime.messages import START, Envelope, StopReason, Terminated
from actors.runtime.status import Status

if TYPE_CHECKING:
    from actors.runtime.cell import Cell

log = get_logger(__name__)


class Then(Protocol):
    """What follows once the incarnation has released what it held."""

    def __call__(self, cell: "Cell", /) -> None:
        """Go on."""
        ...


def be_born(cell: "Cell") -> None:
    """Make the first incarnation; its maker's exception goes to whoever spawned it."""
    meter = cell.meter
    try:
        cell.actor = actor = meter.make(cell)
    except BaseException:
        stop_children(cell)
        _leave_family(cell)
        raise
    meter.live += 1
    if meter.wants_start(actor):
        delivery.put(cell, Envelope(START, privileged=True))
    if meter.has_clocks:
        arm(cell)


def enrol(cell: "Cell") -> None:
    """Let a new actor be passive until its first message."""
    cell.mailbox, cell.status = ASLEEP, Status.PASSIVE
    cell.meter.live += 1


def start(cell: "Cell") -> Any:
    """Begin an incarnation, which is made here when the actor was passive; return what its hook returns."""
    actor = cell.actor
    if actor is None:
        actor = cell.actor = cell.meter.make(cell)
        cell.meter.activated += 1
        arm(cell)
    return actor.started(cell)


def arm(cell: "Cell") -> None:
    """Set the clocks of silence that the kind wants."""
    kind = cell.meter.kind
    if kind.receive_timeout_s is not None:
        cell.set_receive_timeout(kind.receive_timeout_s)
    if kind.passivate_after_s is not None:
        cell.set_passivation(kind.passivate_after_s)


def disarm(cell: "Cell") -> None:
    """End the clocks of silence."""
    cell.set_receive_timeout(None)
    cell.set_passivation(None)


def stop(cell: "Cell", reason: StopReason = StopReason.STOPPED, detail: str = "") -> None:
    """Close the mailbox now; the actor ends after its present message, its running hook and its children."""
    if cell.status >= Status.STOPPING:
        return
    if cell.status is Status.RESTARTING:
        cell.dispatcher.restarting -= 1
    extras = cell.more()
    extras.ended, extras.detail = reason, detail
    close(cell, DeadReason.STOPPED)
    cell.status = Status.STOPPING
    retire(cell, DeadReason.STOPPED)
    finish_if_over(cell)


def close(cell: "Cell", reason: DeadReason) -> None:
    """Take no more messages; what waits goes to dead letters."""
    box = delivery.box_of(cell)
    letters = stash.take_all(cell)
    if box is not None and not isinstance(box, tuple):
        letters.extend(box)
    cell.mailbox = CLOSED
    for letter in letters:
        delivery.bury(cell, letter, reason)


def retire(cell: "Cell", reason: DeadReason) -> None:
    """End what belongs to the incarnation: timers, promised answers, the waiting handler and the children."""
    extras = cell.more()
    for name in tuple(extras.timers or ()):
        cell.cancel_timer(name)
    for reply in tuple(extras.later or ()):
        reply.drop(reason)
    stop_children(cell)
    if extras.turn is not None and cell.dispatcher.current is not cell:
        extras.turn.cancel()


def stop_children(cell: "Cell") -> None:
    """Stop all children; they report back when they are gone."""
    children = cell.extras.children if cell.extras is not None else None
    reason = StopReason.SYSTEM_STOPPED if cell.parent is None else StopReason.PARENT_STOPPED
    for child in tuple((children or {}).values()):
        stop(child, reason)


def finish_if_over(cell: "Cell") -> None:
    """End the last incarnation when nothing of it is under way any more (called again at the end of its turn)."""
    dispatcher = cell.dispatcher
    if cell.waits or (dispatcher.current is cell and cell is not dispatcher.door):
        return
    if cell.status is Status.STOPPING and not cell.more().children:
        release(cell, _finish)
    elif cell.status is Status.QUARANTINED:
        release(cell, _stay)


def _stay(_cell: "Cell") -> None:
    """Nothing follows: a quarantined actor waits for its pardon or its end."""


def release(cell: "Cell", then: Then) -> None:
    """Run the incarnation's ``stopped`` hook once, then go on; a failing hook is logged and changes nothing."""
    actor, cell.actor = cell.actor, None
    if actor is None or not _has_stopped_hook(actor):
        then(cell)
        return
    with cell.dispatcher.acting_as(cell):
        try:
            result: Any = actor.stopped(cell)
        except Exception as error:  # noqa: BLE001 - a hook may raise anything; the actor ends all the same
            hook_failed(cell, error)
            result = None
    if isinstance(result, CoroutineType):
        cell.dispatcher.wait_for(cell, None, cast("Coroutine[Any, Any, Any]", result), then)
    else:
        then(cell)


def _has_stopped_hook(actor: Actor[Any]) -> bool:
    made: type[Any] = type(actor)
    return made.stopped is not Actor[Any].stopped


def hook_failed(cell: "Cell", error: BaseException) -> None:
    """Say that a ``stopped`` hook raised."""
    cell.meter.failed += 1
    log.warning("actor_release_failed", actor=cell.path, error=repr(error))


def _finish(cell: "Cell") -> None:
    extras = cell.more()
    disarm(cell)
    cell.status = Status.STOPPED
    cell.meter.live -= 1
    tell_watchers(cell)
    for target in extras.watching or ():
        (target.more().watchers or {}).pop(cell, None)
    extras.watching = None
    _leave_family(cell)


def _leave_family(cell: "Cell") -> None:
    parent = cell.parent
    if parent is None:
        cell.dispatcher.root_is_gone()
        return
    (parent.more().children or {}).pop(cell.key, None)
    if parent.status is Status.STOPPING:
        finish_if_over(parent)


def tell_watchers(cell: "Cell") -> None:
    """Tell everyone who watches, once."""
    extras = cell.more()
    watchers, extras.watchers = extras.watchers, None
    for watcher in watchers or ():
        (watcher.more().watching or {}).pop(cell, None)
        if watcher.alive:
            _tell_end(watcher, cell)


def _tell_end(watcher: "Cell", cell: "Cell") -> None:
    extras = cell.more()
    notice = Terminated(ref=cell, reason=extras.ended or StopReason.STOPPED, detail=extras.detail)
    delivery.put(watcher, Envelope(notice, cell, privileged=True))


def watch(watcher: "Cell", target: "Cell") -> None:
    """Promise ``watcher`` one notice of the end of ``target``."""
    if not target.alive:
        _tell_end(watcher, target)
        return
    theirs, ours = target.more(), watcher.more()
    theirs.watchers = {} if theirs.watchers is None else theirs.watchers
    ours.watching = {} if ours.watching is None else ours.watching
    theirs.watchers[watcher] = None
    ours.watching[target] = None


def unwatch(watcher: "Cell", target: "Cell") -> None:
    """Take the promise back."""
    (target.more().watchers or {}).pop(watcher, None)
    (watcher.more().watching or {}).pop(target, None)
