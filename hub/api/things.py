"""Routes for things: register, list, look at, switch off and on, retire."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import RegisterThing, RetireThing, SwitchOn, owner_address, thing_address
from actors.model.base import Value
from actors.model.ids import ThingId
from actors.model.routes import operation
from actors.model.things import Connection, Place, Purpose, ShortText, ThingRecord
from actors.thing.levels import newest
from actors.thing.state import ThingState
from hub.api.context import (
    Hub,
    OwnerName,
    answer,
    asker,
    body_of,
    check_owner,
    hub_of,
    page_limit,
    record_in_path,
    scope_of,
)
from hub.api.problems import Problem
from hub.registry import new_token, token_hash
from hub.switching import Off

_TOKEN_PROTOCOLS = frozenset({"http"})


class NewThing(Value, frozen=True, kw_only=True):
    """What is told about a thing to register it."""

    thing_id: str
    owner_id: OwnerName
    profile: str
    serial: ShortText = ""
    place: Place = Place()
    connection: Connection
    shares: tuple[Purpose, ...] = ()
    is_test: bool = False


class Registration(Struct, frozen=True, kw_only=True):
    """A registered thing, with its bearer token this once."""

    thing_id: ThingId
    token: str | None


@operation(reply=list[dict[str, Any]], query={"limit": "how many a page", "after": "thing id"})
async def list_things(request: web.Request) -> web.Response:
    """Return the registered things of the asker by id, a page at a time; the header ``Link`` names the next one."""
    hub, limit, after = hub_of(request), page_limit(request), request.query.get("after", "")
    found = hub.registry.records(scope_of(asker(request)), after=after, limit=limit + 1)
    response = answer([_shown(hub, record) for record in found[:limit]])
    if len(found) > limit:
        following = urlencode({"after": found[limit - 1].thing_id, "limit": limit})
        response.headers["Link"] = f'<{request.path}?{following}>; rel="next"'
    return response


@operation(body=NewThing, reply=Registration, status=(201,))
async def register(request: web.Request) -> web.Response:
    """Register one thing; the answer holds its token where it signs in by one."""
    principal = asker(request)
    new = await body_of(request, NewThing)
    check_owner(principal, new.owner_id, f"owner {new.owner_id}")
    return answer(await registered(hub_of(request), new), status=201)


@operation(reply=dict[str, Any])
async def show(request: web.Request) -> web.Response:
    """Return one thing with its latest values, slots and needs."""
    hub, record = hub_of(request), record_in_path(request)
    state: ThingState = hub.engine.read(thing_address(record.thing_id))
    detail = {
        "latest": state.newest(),
        "slots": {name: _slot(newest(slot.levels)[1], slot.refills, slot.sku) for name, slot in state.slots.items()},
        "components": {
            name: {
                "cycle": part.cycle,
                "remaining_cycles": part.estimate,
                "questions": part.questions,
                "answers": part.answers,
            }
            for name, part in state.components.items()
        },
        "happened": state.happened,
        "needs": state.needs,
        "communities": state.communities,
        "messages": state.messages,
    }
    return answer(_shown(hub, record) | detail)


@operation()
async def retire(request: web.Request) -> web.Response:
    """Take a thing out of service for good."""
    record, principal = record_in_path(request), asker(request)
    await hub_of(request).engine.ask(thing_address(record.thing_id), RetireThing(by=principal.name))
    return answer({"thing_id": record.thing_id, "state": "retired"})


@operation(status=(200, 202))
async def switch_off(request: web.Request) -> web.Response:
    """Switch a thing off; the answer lists what had left before. 202: it holds, the journal takes no writes yet."""
    record, principal = record_in_path(request), asker(request)
    off = await hub_of(request).switches.off(record.owner_id, record.thing_id, principal.name)
    return switched_off(off, {"thing_id": record.thing_id})


@operation()
async def switch_on(request: web.Request) -> web.Response:
    """Let a thing order again."""
    record, principal = record_in_path(request), asker(request)
    await hub_of(request).engine.ask(
        owner_address(record.owner_id), SwitchOn(thing_id=record.thing_id, by=principal.name)
    )
    return answer({"thing_id": record.thing_id, "state": "on"})


def switched_off(off: Off, named: dict[str, str]) -> web.Response:
    """Return the answer to a switch: what had left before, and whether it is written.

    Raises:
        Problem: it holds, but nothing could be put on disk: a restart forgets it.
    """
    told = {**named, "state": "off", "written": off.is_written, "already_under_way": off.already_under_way}
    if off.is_written:
        return answer(told)
    next_step = "free disk space or repair the disk (the hub's log says which), and look at the thing again"
    if not off.is_kept:
        under_way = ", ".join(off.already_under_way) or "nothing"
        detail = (
            "it is off from now on, but nothing can be put on the hub's disk: it is written as soon as it can be, and a"
            f" restart of the hub before that forgets it; may have left: {under_way}"
        )
        raise Problem(503, "off_not_durable", detail, f"{next_step}; switch it off again after a restart")
    detail = (
        "it is off from now on, over a restart of the hub too, but the disk takes no writes of the journal: it is"
        " written there as soon as it does; already_under_way lists all that may have left"
    )
    return answer({**told, "detail": detail, "next_step": next_step}, status=202)


async def registered(hub: Hub, new: NewThing) -> Registration:
    """Register a thing; the message is on its way to the thing's actor before anything is waited for.

    Raises:
        Problem: it cannot be registered as it is told.
        AskFailed: the hub did not take it.
    """
    profile = hub.registry.profile_reference(new.profile)
    if profile is None:
        known = ", ".join(hub.registry.profile_names)
        raise Problem(422, "unknown_profile", f"profile: expected one of {known}, got {new.profile!r}")
    _check_protocol(hub, new.connection.protocol)
    former = hub.registry.record(ThingId(new.thing_id))
    if former is not None and former.owner_id != new.owner_id:
        raise Problem(409, "foreign_thing", f"{new.thing_id} belongs to another owner", "choose another thing id")
    if former is not None and former.retired_at is not None:
        raise Problem(409, "retired_thing", f"{new.thing_id} was retired for good", "register it under a new id")
    token = new_token() if new.connection.protocol in _TOKEN_PROTOCOLS else None
    record = _record_of(new, token)
    message = RegisterThing(record=record, profile=profile, communities=hub.registry.communities_of(new.profile))
    await hub.engine.ask(thing_address(record.thing_id), message)
    return Registration(thing_id=record.thing_id, token=token)


def _check_protocol(hub: Hub, protocol: str) -> None:
    if protocol not in hub.protocols:
        spoken = ", ".join(hub.protocols) or "none"
        detail = f"connection.protocol: expected one that is configured ({spoken}), got {protocol!r}"
        raise Problem(422, "unknown_protocol", detail, "correct it, or add the protocol to the configuration")


def _record_of(new: NewThing, token: str | None) -> ThingRecord:
    fields = {name: getattr(new, name) for name in NewThing.__struct_fields__}
    try:
        return msgspec.convert(
            msgspec.to_builtins(fields) | {"token_sha256": token_hash(token) if token else ""}, ThingRecord
        )
    except msgspec.ValidationError as error:
        raise Problem(422, "malformed", str(error)) from error


def _shown(hub: Hub, record: ThingRecord) -> dict[str, Any]:
    unwritten = hub.switches.unwritten(record.owner_id, record.thing_id)
    off_by = hub.switches.off_by(record.owner_id, record.thing_id)
    state = "retired" if record.retired_at else "off" if off_by else "on"
    public = replace(record, token_sha256="")
    shown: dict[str, Any] = msgspec.to_builtins(public)
    return shown | {"state": state, "off_by": off_by} | ({"off_is_written": False} if unwritten else {})


def _slot(level: float, refills: int, sku: str) -> dict[str, Any]:
    return {"level": level, "refills": refills, "sku": sku}


ROUTES = (
    web.get("/api/v1/things", list_things),
    web.post("/api/v1/things", register),
    web.get("/api/v1/things/{thing_id}", show),
    web.post("/api/v1/things/{thing_id}/retire", retire),
    web.post("/api/v1/things/{thing_id}/off", switch_off),
    web.post("/api/v1/things/{thing_id}/on", switch_on),
)
