"""The first step of the ladder for trouble: the thing is told to help itself before anybody is called."""

from actors.dialogue import CommandEnded, SendCommand, device_address, order_address
from actors.model.commands import Carried, InvokeAction
from actors.model.ids import CommandId
from actors.model.needs import NeedKind
from actors.model.orders import OrderState
from actors.purchasing.sourcing import PurchasingSettings, source
from actors.purchasing.turn import Turn


def begin_fix(turn: Turn) -> bool:
    """Try the remote fix of a fault that has one; says whether there is one to wait for."""
    need = turn.order.need
    if need.kind is not NeedKind.SERVICE or not need.remote_fix:
        return False
    command = SendCommand(
        command_id=CommandId(f"{turn.key}.fix"),
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
    return True


def take_fix(turn: Turn, settings: PurchasingSettings, ended: CommandEnded) -> None:
    """Wait whether it helped, or call for service at once where it was not done."""
    if not _is_tried(turn) or ended.command.command_id != f"{turn.key}.fix":
        return
    if isinstance(ended.outcome, Carried):
        turn.remind("fix", turn.order.need.fix_settles_s)  # a fault that is gone closes the need before
        return
    give_up(turn, settings)


def give_up(turn: Turn, settings: PurchasingSettings) -> None:
    """The fault is still there: call for service."""
    if not _is_tried(turn):
        return
    turn.forget("fix")
    turn.note("remote_fix", f"{turn.order.need.remote_fix} did not help; service is called")
    source(turn, settings)


def _is_tried(turn: Turn) -> bool:
    """Say whether the fix is all that was tried so far."""
    data = turn.data
    is_asked = data.judging or data.asking or data.sourcing_rounds or data.blocked_by is not None
    return data.state is OrderState.DRAFTED and bool(turn.order.need.remote_fix) and not is_asked
