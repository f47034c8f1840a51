"""Commands to a thing: sent once under an id, acknowledged or given a reason, and over at their deadline."""

from datetime import datetime, timedelta
from typing import Any, Final

from actors.device.state import MOST_REMEMBERED, CommandClosed, CommandIssued, DeviceEvent, DeviceState, Pending
from actors.dialogue import (
    THINGS_RELAY,
    CarryOut,
    CommandEnded,
    CommandKnown,
    CommandReported,
    CommandThing,
    DeviceDeadline,
    SendCommand,
)
from actors.model.commands import (
    Carried,
    CommandFailure,
    CommandOutcome,
    CommandView,
    InvokeAction,
    NotCarried,
    TellOrder,
    ThingCommand,
    WriteProperty,
)
from actors.model.ids import CommandId
from actors.runtime.turns import Effect, Emit, Forget, Note, Put, Remind, Remove, Tell

MOST_PENDING: Final = 32
Decided = tuple[tuple[DeviceEvent, ...], tuple[Effect, ...], Any]
_LATE: Final = "no acknowledgement until the deadline; it may have been carried out"


def issue(state: DeviceState, message: CommandThing | SendCommand, now: datetime) -> Decided:
    """Send a command; one whose id is known is not sent again."""
    command = message.command if isinstance(message, CommandThing) else _command(message, now)
    known = _known(state, command.command_id)
    if known is not None:
        return (), (), known
    reply_to = message.reply_to
    issued = CommandIssued(command=command, reply_to=reply_to)
    noted = Note(command.correlation_id, "command", _sentence(command), {"command": command})
    refused = _not_begun(state, command, now)
    if refused is not None:
        closed, effects = _close(state, Pending(command=command, reply_to=reply_to), refused, now)
        return (issued, closed), (noted, *effects), CommandKnown(command_id=command.command_id, outcome=refused)
    effects = (
        noted,
        Put("command", _key(command), command.owner_id, CommandView(command=command)),
        Remind(_reminder(command.command_id), command.deadline, DeviceDeadline(command_id=command.command_id)),
        Emit(THINGS_RELAY, CarryOut(command=command, by_itself=isinstance(message, SendCommand))),
    )
    return (issued,), effects, CommandKnown(command_id=command.command_id, deadline=command.deadline)


def report(state: DeviceState, message: CommandReported, now: datetime) -> Decided:
    """Take the relay's word; what comes after the deadline changes nothing any more."""
    return _end(state, message.command_id, message.outcome, now)


def expire(state: DeviceState, command_id: CommandId, now: datetime) -> Decided:
    """Give up waiting for a command's acknowledgement."""
    return _end(state, command_id, NotCarried(code=CommandFailure.LATE, detail=_LATE), now)


def _end(state: DeviceState, command_id: CommandId, outcome: CommandOutcome, now: datetime) -> Decided:
    pending = state.commands.get(command_id)
    if pending is None:
        return (), (), None
    closed, effects = _close(state, pending, outcome, now)
    return (closed,), (Forget(_reminder(command_id)), *effects), None


def _close(
    state: DeviceState, pending: Pending, outcome: CommandOutcome, now: datetime
) -> tuple[CommandClosed, tuple[Effect, ...]]:
    command = pending.command
    view = CommandView(command=command, outcome=outcome, ended_at=now)
    effects: tuple[Effect, ...] = (
        Put("command", _key(command), command.owner_id, view),
        Note(command.correlation_id, "command_ended", _end_sentence(command, outcome), {"outcome": outcome}),
    )
    if pending.reply_to:
        effects = (*effects, Tell(pending.reply_to, CommandEnded(command=command, outcome=outcome)))
    if len(state.ended) >= MOST_REMEMBERED:
        forgotten = state.ended[0].command_id
        effects = (*effects, Remove("command", f"{command.thing_id}/{forgotten}"))
    return CommandClosed(command_id=command.command_id, outcome=outcome, at=now), effects


def _known(state: DeviceState, command_id: CommandId) -> CommandKnown | None:
    pending = state.commands.get(command_id)
    if pending is not None:
        return CommandKnown(command_id=command_id, already=True, deadline=pending.command.deadline)
    for ended in state.ended:
        if ended.command_id == command_id:
            return CommandKnown(command_id=command_id, already=True, outcome=ended.outcome)
    return None


def _not_begun(state: DeviceState, command: ThingCommand, now: datetime) -> NotCarried | None:
    if command.deadline <= now:
        return NotCarried(code=CommandFailure.LATE, detail="its deadline was over before it could be sent")
    if len(state.commands) >= MOST_PENDING:
        detail = f"{len(state.commands)} commands wait for this thing already"
        return NotCarried(code=CommandFailure.TOO_MANY, detail=detail)
    return None


def _command(message: SendCommand, now: datetime) -> ThingCommand:
    return ThingCommand(
        command_id=message.command_id,
        thing_id=message.thing_id,
        owner_id=message.owner_id,
        correlation_id=message.correlation_id,
        body=message.body,
        reason=message.reason,
        issued_at=now,
        deadline=now + timedelta(seconds=message.within_s),
    )


def _key(command: ThingCommand) -> str:
    return f"{command.thing_id}/{command.command_id}"


def _reminder(command_id: CommandId) -> str:
    return f"command/{command_id}"


def _sentence(command: ThingCommand) -> str:
    match command.body:
        case WriteProperty(name=name, value=value):
            what = f"set {name} to {value}"
        case InvokeAction(name=name):
            what = f"do {name}"
        case TellOrder(order=order):
            what = f"know that its order for {order.subject} is {order.state}"
    return f"{command.thing_id} shall {what}: {command.reason}"


def _end_sentence(command: ThingCommand, outcome: CommandOutcome) -> str:
    if isinstance(outcome, Carried):
        return f"{command.thing_id} acknowledged it" + (f": {outcome.detail}" if outcome.detail else "")
    return f"{command.thing_id} did not acknowledge it ({outcome.code}): {outcome.detail}"
