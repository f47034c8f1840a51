"""The first step of the ladder for trouble: the thing is told to help itself before anybody is called."""

from typing import Final

from actors.dialogue import (
    AskPermission,
    CommandEnded,
    PermissionAnswered,
    SendCommand,
    device_address,
    order_address,
)
from actors.model.advice import Remedy, RemedyKind, RemedyOutcome, RemedyTried
from actors.model.commands import Carried, CommandFailure, InvokeAction
from actors.model.ids import CommandId
from actors.model.needs import NeedKind
from actors.model.orders import OrderState
from actors.purchasing import sourcing
from actors.purchasing.events import FixBegun, FixRecalled, PermissionAsked, StepTried
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.turn import Turn

_OF_FAULTS: Final = frozenset({NeedKind.SERVICE, NeedKind.PART})


def begin_fix(turn: Turn) -> bool:
    """Ask the owner's switches about the remote fix of a fault that has one; says whether there is one to wait for.

    A fix is tried once. One that was held back by a switch is asked about again.
    """
    need = turn.order.need
    if not _has_fix(turn):
        return False
    turn.happen(PermissionAsked())
    ask = AskPermission(
        key=turn.key, thing_id=need.thing_id, subject=need.subject, kind=need.kind, is_test=turn.order.is_test
    )
    turn.tell_owner(ask)
    return True


def fix_or_source(turn: Turn, settings: PurchasingSettings) -> None:
    """Take up an order that was blocked: by the fix that was held back, or where it left off."""
    if not begin_fix(turn):
        sourcing.source(turn, settings)


def take_permission(turn: Turn, settings: PurchasingSettings, answer: PermissionAnswered) -> None:
    """Take the owner's word on what may be done for the need: by the thing itself, else by the sellers."""
    if turn.data.state is not OrderState.DRAFTED or not turn.data.asking:
        return
    if _has_fix(turn):
        _take_switches(turn, settings, answer)
    else:
        sourcing.take_permission(turn, settings, answer)


def take_fix(turn: Turn, settings: PurchasingSettings, ended: CommandEnded) -> None:
    """Wait whether it helped, or call for service at once where it was not done."""
    if not turn.data.fixing or ended.command.command_id != _command_id(turn):
        return
    if isinstance(ended.outcome, Carried):
        turn.remind("fix", turn.order.need.fix_settles_s)  # a fault that is gone closes the need before
        return
    turn.forget("fix")
    if ended.outcome.code is CommandFailure.RECALLED:
        turn.happen(FixRecalled())
        fix_or_source(turn, settings)  # asks the switches again, which hold it back
        return
    turn.note("remote_fix", f"{turn.order.need.remote_fix} was not done: {ended.outcome.detail or ended.outcome.code}")
    sourcing.source(turn, settings)


def give_up(turn: Turn, settings: PurchasingSettings) -> None:
    """The fault is still there: call for service."""
    if not turn.data.fixing:
        return
    turn.forget("fix")
    fix = Remedy(kind=RemedyKind.FIX, name=turn.order.need.remote_fix)
    turn.happen(StepTried(tried=RemedyTried(remedy=fix, outcome=RemedyOutcome.DID_NOT_HELP)))
    turn.note("remote_fix", f"{turn.order.need.remote_fix} did not help; service is called")
    sourcing.source(turn, settings)


def _take_switches(turn: Turn, settings: PurchasingSettings, answer: PermissionAnswered) -> None:
    """Tell the thing to help itself, or stop because it is switched off.

    A fix costs nothing: what the mandate says about money is asked when service is called.
    """
    if answer.verdict not in sourcing.SWITCHED_OFF:
        _send(turn)
        return
    turn.note("remote_fix", f"{turn.order.need.remote_fix} is not tried while the thing is switched off")
    sourcing.take_permission(turn, settings, answer)


def _send(turn: Turn) -> None:
    need = turn.order.need
    turn.happen(FixBegun())
    command = SendCommand(
        command_id=_command_id(turn),
        thing_id=need.thing_id,
        owner_id=need.owner_id,
        correlation_id=need.correlation_id,
        body=InvokeAction(name=need.remote_fix),
        reason=f"{need.title}: tried before service is called",
        within_s=need.fix_within_s,
        reply_to=order_address(turn.key),
    )
    turn.tell(device_address(need.thing_id), command)
    turn.remind("fix", need.fix_within_s + need.fix_settles_s)


def _has_fix(turn: Turn) -> bool:
    """Say whether there is a fix that was not tried yet."""
    need = turn.order.need
    return need.kind in _OF_FAULTS and bool(need.remote_fix) and not turn.data.fix_tried


def _command_id(turn: Turn) -> CommandId:
    return CommandId(f"{turn.key}.fix{turn.data.recalls or ''}")
