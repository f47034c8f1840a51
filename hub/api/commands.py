"""Routes by which owners let their things do something: commands, writable properties and actions."""

import asyncio
import secrets
from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.dialogue import CommandKnown, CommandThing, device_address, thing_address
from actors.model.base import Value
from actors.model.commands import (
    COMMAND_ID_PATTERN,
    Carried,
    CommandOutcome,
    CommandView,
    InvokeAction,
    NotCarried,
    ThingCommand,
    WriteProperty,
)
from actors.model.ids import CommandId, CorrelationId
from actors.model.profiles import PropertyKind, PropertySpec, ThingProfile
from actors.model.readings import Reported
from actors.model.routes import operation
from actors.model.things import ThingRecord
from actors.thing.state import ThingState
from hub.api.context import answer, asker, body_of, hub_of, json_of, record_in_path
from hub.api.problems import Problem

_WAIT_S: Final = 10.0
_TYPES: Final[dict[PropertyKind, Any]] = {
    PropertyKind.NUMBER: float,
    PropertyKind.FLAG: bool,
    PropertyKind.TEXT: str,
    PropertyKind.NUMBERS: tuple[float, ...],
}


class NewCommand(Value, frozen=True, kw_only=True):
    """What a thing shall do, and until when. The same ``command_id`` is carried out once."""

    body: WriteProperty | InvokeAction
    reason: Annotated[str, Meta(max_length=300)] = ""
    within_s: Annotated[float, Meta(gt=0, le=86400)] = 60.0
    command_id: Annotated[CommandId, Meta(pattern=COMMAND_ID_PATTERN)] | None = None


@operation(body=NewCommand, reply=CommandView, status=(202,))
async def give(request: web.Request) -> web.Response:
    """Let a thing do something; the answer comes when the command is on disk, not when it is carried out."""
    new = await body_of(request, NewCommand)
    command, _ = await _given(request, new)
    return answer(_view(request, command), status=202)


@operation(reply=list[CommandView])
async def list_commands(request: web.Request) -> web.Response:
    """Return a thing's commands: those under way, and the last ones that ended."""
    record, journal = record_in_path(request), hub_of(request).journal
    prefix = f"{record.thing_id}/"
    rows = journal.records("command", record.owner_id, after=prefix, limit=200)
    views = [msgspec.json.decode(row.body, type=CommandView) for row in rows if row.body and row.key.startswith(prefix)]
    return answer(sorted(views, key=lambda view: view.command.issued_at, reverse=True))


@operation(reply=CommandView)
async def show_command(request: web.Request) -> web.Response:
    """Return one command, with its outcome once it has one."""
    record = record_in_path(request)
    command_id = request.match_info["command_id"]
    body = hub_of(request).journal.record("command", f"{record.thing_id}/{command_id}")
    if body is None:
        raise Problem(404, "not_found", f"{record.thing_id} has no command {command_id}", "list its commands")
    return answer(msgspec.json.decode(body, type=CommandView))


@operation(reply=Reported)
async def read_property(request: web.Request) -> web.Response:
    """Return the latest value of a property that the thing told."""
    record = record_in_path(request, or_itself=True)
    name = request.match_info["name"]
    state: ThingState = hub_of(request).engine.read(thing_address(record.thing_id))
    if name not in _profile(request, record).properties:
        raise Problem(404, "not_found", f"{record.profile} has no property {name}")
    latest = state.newest().get(name)
    if latest is None:
        raise Problem(404, "no_value", f"{record.thing_id} never told its {name}", "wait until it reports")
    return answer(latest.value)


@operation(body=Reported, status=(204, 202))
async def write_property(request: web.Request) -> web.Response:
    """Set a writable property: 204 when the thing acknowledged it, 202 while it has not."""
    value = await json_of(request)
    name = request.match_info["name"]
    new = _new({"type": "write", "name": name, "value": value})
    return await _carried(request, new)


@operation(body=dict[str, Reported], reply=dict[str, Reported], status=(200, 202))
async def invoke_action(request: web.Request) -> web.Response:
    """Let a thing do one of its profile's actions; 200 with its results, 202 while it has not acknowledged."""
    arguments = await json_of(request)
    name = request.match_info["name"]
    new = _new({"type": "invoke", "name": name, "arguments": arguments})
    return await _carried(request, new)


def _new(told: dict[str, Any]) -> NewCommand:
    try:
        return msgspec.convert({"body": told, "reason": "asked for through the API"}, NewCommand)
    except msgspec.ValidationError as error:
        raise Problem(422, "malformed", str(error), "see the thing's description") from error


async def _carried(request: web.Request, new: NewCommand) -> web.Response:
    """Give a command and wait a little for its end."""
    command, known = await _given(request, new)
    outcome = known.outcome or await _outcome(request, command)
    where = f"/api/v1/things/{command.thing_id}/commands/{command.command_id}"
    match outcome:
        case None:
            response = answer({"command_id": command.command_id, "deadline": command.deadline}, status=202)
            response.headers["Location"] = where
            return response
        case Carried(results=results):
            return web.Response(status=204) if isinstance(command.body, WriteProperty) else answer(results)
        case NotCarried(code=code, detail=detail):
            raise Problem(409, code, detail, f"look at {where}; give another command when the reason is gone")


async def _outcome(request: web.Request, command: ThingCommand) -> CommandOutcome | None:
    """Return how a command ended, if that is soon."""
    watch, key = hub_of(request).watch, f"{command.thing_id}/{command.command_id}"
    ended: asyncio.Future[CommandOutcome] = watch.wait("command", key, _outcome_in)
    try:
        outcome = _view(request, command).outcome  # it may have ended before anybody watched
        if outcome is not None:
            return outcome
        async with asyncio.timeout(_WAIT_S):
            return await ended
    except TimeoutError:
        return None
    finally:
        ended.cancel()


def _outcome_in(body: bytes) -> CommandOutcome | None:
    return msgspec.json.decode(body, type=CommandView).outcome


async def _given(request: web.Request, new: NewCommand) -> tuple[ThingCommand, CommandKnown]:
    record, principal, hub = record_in_path(request), asker(request), hub_of(request)
    _check_body(new.body, _profile(request, record))
    now = hub.clock.now()
    command_id = new.command_id or CommandId(secrets.token_hex(12))
    command = ThingCommand(
        command_id=command_id,
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        correlation_id=CorrelationId(f"{record.thing_id}.command.{command_id}"),
        body=new.body,
        reason=new.reason or f"{principal.name} asked for it",
        issued_at=now,
        deadline=now + timedelta(seconds=new.within_s),
    )
    known = await hub.engine.ask(device_address(record.thing_id), CommandThing(command=command))
    return command, known


def _view(request: web.Request, command: ThingCommand) -> CommandView:
    body = hub_of(request).journal.record("command", f"{command.thing_id}/{command.command_id}")
    return CommandView(command=command) if body is None else msgspec.json.decode(body, type=CommandView)


def _profile(request: web.Request, record: ThingRecord) -> ThingProfile:
    thing = hub_of(request).registry.find(record.thing_id)
    if thing is None:
        raise Problem(409, "retired_thing", f"{record.thing_id} is retired, or its profile is gone")
    return thing.profile


def _check_body(body: WriteProperty | InvokeAction, profile: ThingProfile) -> None:
    """Refuse what the profile does not allow, before a thing hears of it."""
    if isinstance(body, WriteProperty):
        spec = profile.properties.get(body.name)
        if spec is None or not spec.writable:
            able = ", ".join(name for name, prop in profile.properties.items() if prop.writable) or "none"
            raise Problem(422, "not_writable", f"{body.name}: expected a writable property of {profile.name} ({able})")
        _check_value(body.name, body.value, spec)
        return
    action = profile.actions.get(body.name)
    if action is None:
        able = ", ".join(profile.actions) or "none"
        raise Problem(422, "unknown_action", f"{body.name}: expected an action of {profile.name} ({able})")
    for name, value in body.arguments.items():
        if name not in action.arguments:
            able = ", ".join(action.arguments) or "none"
            raise Problem(422, "unknown_argument", f"{body.name}.{name}: expected one of {able}")
        _check_value(f"{body.name}.{name}", value, action.arguments[name])


def _check_value(name: str, value: Reported, spec: PropertySpec) -> None:
    try:
        converted = msgspec.convert(value, _TYPES[spec.kind])
    except msgspec.ValidationError as error:
        raise Problem(422, "wrong_type", f"{name}: {error}") from error
    low = float("-inf") if spec.minimum is None else spec.minimum
    high = float("inf") if spec.maximum is None else spec.maximum
    if isinstance(converted, float) and not low <= converted <= high:
        raise Problem(422, "out_of_range", f"{name}: expected {low:g} to {high:g}, got {converted:g}")


ROUTES = (
    web.get("/api/v1/things/{thing_id}/commands", list_commands),
    web.post("/api/v1/things/{thing_id}/commands", give),
    web.get("/api/v1/things/{thing_id}/commands/{command_id}", show_command),
    web.get("/things/{thing_id}/properties/{name}", read_property),
    web.put("/things/{thing_id}/properties/{name}", write_property),
    web.post("/things/{thing_id}/actions/{name}", invoke_action),
)
