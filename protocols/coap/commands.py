"""Commands on their way to devices: a write is a PUT, an action a POST, in the form that the device understands."""

from collections.abc import Mapping
from typing import Final

import msgspec

from actors.model.commands import (
    Carried,
    CommandFailure,
    CommandOutcome,
    InvokeAction,
    NotCarried,
    TellOrder,
    ThingCommand,
    WriteProperty,
)
from actors.model.errors import LinkRefused, StoreDown
from actors.model.readings import Reported
from actors.ports import ConnectedThing
from protocols.coap.client import POST, PUT, DeviceClient, DeviceDown, FarEnd, Refusal
from protocols.coap.devices import Devices
from protocols.coap.lwm2m.objects import path_of, resource_at
from protocols.coap.lwm2m.values import TEXT, TLV, encode_resource, encode_text
from protocols.coap.roster import PROTOCOL
from protocols.recalling import Recalled, Recalls

ORDERS_OPTION: Final = "orders"
_JSON: Final = 50
_UNSUPPORTED_FORMAT: Final = 0x8F
_SERVER_ERROR: Final = 5


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How one command goes: method, path, and the bodies to try, the first that the device understands."""

    code: int
    path: str
    bodies: tuple[tuple[bytes, int | None], ...]


class NoWay(Exception):
    """There is no way to bring this command to this thing; the text says why."""


async def carry_out(
    thing: ConnectedThing,
    command: ThingCommand,
    *,
    again: bool,
    devices: Devices,
    client: DeviceClient,
    recalls: Recalls,
) -> CommandOutcome:
    """Bring a command to a thing and return how it acknowledged it; see ``ProtocolAdapter.carry_out``."""
    is_action = isinstance(command.body, InvokeAction)
    if again and is_action:
        detail = "the hub was restarted after it may have been sent, and doing it twice might be wrong"
        return NotCarried(code=CommandFailure.DOUBTFUL, detail=detail)
    try:
        way = way_to(thing, command, is_lwm2m=devices.is_lwm2m(thing.thing_id))
    except NoWay as why:
        return NotCarried(code=CommandFailure.UNSUPPORTED, detail=str(why))
    try:
        end = await recalls.wait(command.command_id, devices.reach(thing.thing_id))
    except Recalled as recalled:
        return recalled.outcome
    if end is None:
        detail = f"nobody knows where {thing.thing_id} is: it is not registered, and has no connection option 'uri'"
        return NotCarried(code=CommandFailure.UNREACHABLE, detail=detail)
    return await _sent(client, end, way)


def way_to(thing: ConnectedThing, command: ThingCommand, *, is_lwm2m: bool) -> Way:
    """Return how a command goes.

    Raises:
        NoWay: The profile or the device has none.
    """
    match command.body:
        case WriteProperty(name=name, value=value):
            return _write(_address(thing, name), value, is_lwm2m=is_lwm2m)
        case InvokeAction(name=name, arguments=arguments):
            return _action(_address(thing, name), arguments, is_lwm2m=is_lwm2m)
        case TellOrder(order=order):
            path = thing.options.get(ORDERS_OPTION)
            if path is None:
                raise NoWay(f"it has no connection option '{ORDERS_OPTION}'; it may observe /m/{thing.thing_id}/orders")
            return Way(code=PUT, path=path, bodies=((msgspec.json.encode(order), _JSON),))


def _address(thing: ConnectedThing, name: str) -> str:
    address = thing.profile.sources.get(PROTOCOL, {}).get(name, "")
    if not address.startswith("/"):
        raise NoWay(f"profile {thing.profile.name}: expected the path of {name} under [sources.coap], got none")
    return address


def _write(address: str, value: Reported, *, is_lwm2m: bool) -> Way:
    try:
        bodies: list[tuple[bytes, int | None]] = [(encode_text(value), TEXT)]
        path = path_of(address)
        known = None if path is None else resource_at(path)
        if known is not None and "W" not in known.operations:
            raise NoWay(f"{address} cannot be written, says the object's definition")
        if is_lwm2m and path is not None and path.resource is not None:
            bodies.append((encode_resource(path, value), TLV))
        else:
            bodies.append((msgspec.json.encode(value), _JSON))
    except ValueError as error:
        raise NoWay(f"{address}: {error}") from None
    return Way(code=PUT, path=address, bodies=tuple(bodies))


def _action(address: str, arguments: Mapping[str, Reported], *, is_lwm2m: bool) -> Way:
    if not is_lwm2m:
        body = (msgspec.json.encode(arguments), _JSON) if arguments else (b"", None)
        return Way(code=POST, path=address, bodies=(body,))
    path = path_of(address)
    known = None if path is None else resource_at(path)
    if known is not None and "E" not in known.operations:
        raise NoWay(f"{address} cannot be executed, says the object's definition")
    try:
        told = [f"{at}='{encode_text(value).decode()}'" for at, value in enumerate(arguments.values())]
    except ValueError as error:
        raise NoWay(f"{address}: {error}") from None
    if len(told) > 10 or any("'" in part[3:-1] for part in told):
        raise NoWay(f"{address}: expected up to 10 arguments without apostrophes (core TS 1.1.1 section 6.3.5)")
    return Way(code=POST, path=address, bodies=((",".join(told).encode(), TEXT if told else None),))


async def _sent(client: DeviceClient, end: FarEnd, way: Way) -> CommandOutcome:
    last = NotCarried(code=CommandFailure.UNSUPPORTED, detail="there is no form of it")
    for body, form in way.bodies:
        try:
            answer = await client.ask(end, way.code, way.path.strip("/").split("/"), payload=body, content_format=form)
        except Refusal as refusal:
            failed = CommandFailure.FAILED if refusal.code >> 5 == _SERVER_ERROR else CommandFailure.REJECTED
            last = NotCarried(code=failed, detail=f"the device answered {refusal}")
            if refusal.code == _UNSUPPORTED_FORMAT:
                continue
            return last
        except DeviceDown as down:
            code = CommandFailure.UNREACHABLE if down.never_left else CommandFailure.DOUBTFUL
            return NotCarried(code=code, detail=str(down))
        except (LinkRefused, StoreDown) as error:
            return NotCarried(code=CommandFailure.UNREACHABLE, detail=str(error))
        return Carried(detail=f"{answer.code >> 5}.{answer.code & 31:02d}")
    return last
