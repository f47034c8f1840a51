"""Passivation: an actor with nothing to do gives up its incarnation and keeps its address; mail brings it back."""

from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from actors.runtime import delivery, lifecycle, supervision
from actors.runtime.dead_letters import DeadReason
from actors.runtime.mailbox import ASLEEP
from actors.runtime.messages import START, Envelope
from actors.runtime.status import Status

if TYPE_CHECKING:
    from actors.runtime.cell import Cell


def request(cell: "Cell") -> None:
    """Let an actor take its leave when it is through with its present message; from now on its mail gathers."""
    if cell.status is not Status.OPEN or cell.parent is None:
        return
    idle = cell.mailbox is None
    supervision.hold(cell)
    cell.status = Status.PASSIVATING
    cell.more()
    if idle:
        take_leave(cell)


def take_leave(cell: "Cell") -> None:
    """Let the actor keep what it must, then release it. Nothing of it is at work, and nothing is taken meanwhile."""
    actor = cell.actor
    if actor is None or _is_needed(cell):
        _stay(cell)
        cell.dispatcher.settle(cell)
        return
    with cell.dispatcher.acting_as(cell):
        try:
            result: Any = actor.passivating(cell)
        except Exception as error:  # noqa: BLE001 - a hook may raise anything; what was not kept is not given up
            lifecycle.hook_failed(cell, error)
            _stay(cell)
            result = None
    if isinstance(result, CoroutineType):
        hook = cast("Coroutine[Any, Any, Any]", result)
        cell.dispatcher.wait_for(cell, None, _kept(cell, hook), _go_on)
    else:
        _go_on(cell)


def _is_needed(cell: "Cell") -> bool:
    """Say whether the incarnation has not even started, or holds what would end with it."""
    extras = cell.more()
    return delivery.begins(cell.mailbox) or bool(extras.children or extras.later or extras.stash)


async def _kept(cell: "Cell", hook: Coroutine[Any, Any, Any]) -> None:
    try:
        await hook
    except BaseException:
        _stay(cell)
        raise


def _stay(cell: "Cell") -> None:
    if cell.status is Status.PASSIVATING:
        supervision.unhold(cell, [])


def _go_on(cell: "Cell") -> None:
    if cell.status is Status.PASSIVATING:
        lifecycle.release(cell, _fall_asleep)
    else:
        cell.dispatcher.settle(cell)


def _fall_asleep(cell: "Cell") -> None:
    if cell.status is not Status.PASSIVATING:
        lifecycle.finish_if_over(cell)
        return
    lifecycle.retire(cell, DeadReason.STOPPED)
    lifecycle.disarm(cell)
    cell.meter.passivated += 1
    if len(cell.mailbox) > 0:  # a held mailbox is true even when empty
        supervision.unhold(cell, [Envelope(START, privileged=True)])
        cell.dispatcher.settle(cell)
    else:
        cell.mailbox, cell.status = ASLEEP, Status.PASSIVE
        _shed(cell)


def _shed(cell: "Cell") -> None:
    """Drop the extras of a passive actor, unless somebody watches, it watches, or its failures still count."""
    extras = cell.more()
    window_s = cell.meter.kind.supervision.window_s
    counts = extras.failures and extras.failures[-1] > cell.dispatcher.monotonic() - window_s
    if not (counts or extras.watchers or extras.watching):
        cell.extras = None
