"""Commands back to things: writing a variable, calling a method, and what the server said to it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

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
from actors.model.errors import ConfigError
from actors.model.machine import ThingOrder
from actors.model.readings import Reported
from actors.ports import ConnectedThing
from protocols.opcua.addressing import PROTOCOL, ItemKey, NodeAddress, parse_address
from protocols.opcua.alarms import Condition
from protocols.opcua.coercion import DoesNotFit, variant_of
from protocols.opcua.connection import Connection, node_id
from protocols.opcua.learning import Unexplained
from protocols.opcua.stack import ua
from protocols.opcua.structures import Field
from protocols.opcua.values import Unreadable, reported
from protocols.opcua.wanted import ORDER_TOLD

_VARIABLE: Final = 2
_WRITABLE: Final = 0x02
_ACKNOWLEDGED_BEFORE: Final = ("BadConditionBranchAlreadyAcked", "BadConditionBranchAlreadyConfirmed")
_FAILED: Final = ("BadTimeout", "BadInternalError", "BadUnexpectedError", "BadDeviceFailure", "BadCommunicationError")


class CannotDo(Exception):
    """A command that is not carried out."""

    def __init__(self, code: CommandFailure, detail: str) -> None:
        super().__init__(detail)
        self.outcome = NotCarried(code=code, detail=detail)


class Target(Struct, frozen=True, kw_only=True):
    """What a command is about at the server: a variable with a value, or a method with arguments by name."""

    node: NodeAddress
    owner: NodeAddress | None = None
    """The object whose method it is; without it the one that the method belongs to."""
    value: Reported | None = None
    arguments: Mapping[str, Reported] = {}
    alarms: ItemKey | None = None
    """The property whose alarms the method, Acknowledge or Confirm, is called on."""
    is_repeatable: bool
    """Whether doing it twice is as good as doing it once."""


def target_of(thing: ConnectedThing, command: ThingCommand) -> Target:
    """Return what to write or to call.

    Raises:
        CannotDo: the profile names no node for it.
    """
    match command.body:
        case WriteProperty(name=name, value=value):
            node, _ = _nodes(thing, name)
            return Target(node=node, value=value, is_repeatable=True)
        case InvokeAction(name=name, arguments=arguments):
            node, owner = _nodes(thing, name)
            told_by = _behind_bar(thing, name).get("alarms")
            alarms = None if told_by is None else ItemKey(thing.thing_id, told_by)
            return Target(node=node, owner=owner, arguments=arguments, alarms=alarms, is_repeatable=alarms is not None)
        case TellOrder(order=order):
            node, owner = _nodes(thing, ORDER_TOLD)
            text = msgspec.json.encode(order).decode()
            return Target(node=node, owner=owner, value=text, arguments=_facts(order), is_repeatable=True)


async def carry_out(connection: Connection, target: Target) -> CommandOutcome:
    """Write or call, and return what the server said; raises what the connection raises when the path breaks."""
    namespaces = (await connection.facts()).namespaces
    try:
        node = _found(target.node, namespaces)
        asked = [ua.AttributeIds.NodeClass, ua.AttributeIds.DataType, ua.AttributeIds.ValueRank]
        node_class, data_type, rank = await connection.attributes_of(node, asked)
        if node_class is None:
            return NotCarried(code=CommandFailure.REJECTED, detail=f"{target.node}: the server has no such node")
        if int(node_class) == _VARIABLE:
            return await _write(connection, node, target, data_type, is_array=int(rank or -1) >= 0)
        owner = None if target.owner is None else _found(target.owner, namespaces)
        return await _call(connection, node, owner, target)
    except CannotDo as refused:
        return refused.outcome
    except (DoesNotFit, Unexplained) as error:
        return NotCarried(code=CommandFailure.REJECTED, detail=f"{target.node}: {error}")


async def acknowledge(connection: Connection, target: Target, conditions: Sequence[Condition]) -> CommandOutcome:
    """Call a method such as Acknowledge on each alarm that waits for it, with the argument ``comment``."""
    if not conditions:
        return NotCarried(code=CommandFailure.REJECTED, detail=f"{target.node}: no alarm waits to be acknowledged")
    namespaces = (await connection.facts()).namespaces
    method = node_id(target.node, namespaces)
    comment = ua.LocalizedText(str(target.arguments.get("comment", "")))
    for condition in conditions:
        arguments = [ua.Variant(condition.event_id, ua.VariantType.ByteString), ua.Variant(comment)]
        result = await connection.call(ua.NodeId.from_string(condition.node), method, arguments)
        if not result.StatusCode.is_good() and result.StatusCode.name not in _ACKNOWLEDGED_BEFORE:
            detail = f"{condition.name}: {result.StatusCode.name}"
            return NotCarried(code=CommandFailure.REJECTED, detail=detail)
    return Carried(detail=", ".join(condition.name for condition in conditions))


async def _write(
    connection: Connection, node: Any, target: Target, data_type: Any, *, is_array: bool
) -> CommandOutcome:
    if target.value is None:
        raise CannotDo(
            CommandFailure.REJECTED, f"{target.node}: expected a method, and the server has a variable there"
        )
    (access,) = await connection.attributes_of(node, [ua.AttributeIds.UserAccessLevel])
    if access is not None and not int(access) & _WRITABLE:
        raise CannotDo(CommandFailure.REJECTED, f"{target.node}: the server does not let this user write it")
    field = await connection.types.field_of(data_type)
    status = await connection.write(node, variant_of(target.value, field, is_array=is_array))
    return _judged(target, status)


async def _call(connection: Connection, method: Any, owner: Any | None, target: Target) -> CommandOutcome:
    if owner is None:
        (owners,) = await connection.related([method], ua.ObjectIds.HasComponent, forward=False)
        if not owners:
            detail = f"{target.node}: belongs to no object; write object= behind the bar"
            raise CannotDo(CommandFailure.REJECTED, detail)
        owner = owners[0].node
    expected, given_back = await _arguments(connection, method)
    result = await connection.call(owner, method, await _variants(connection, expected, target))
    outcome = _judged(target, result.StatusCode)
    if isinstance(outcome, NotCarried):
        judged: list[Any] = result.InputArgumentResults or []
        wrong = [str(each.name) for each in judged if not each.is_good()]
        return NotCarried(code=outcome.code, detail=", ".join([outcome.detail, *wrong]))
    return Carried(detail=outcome.detail, results=_results(given_back, result.OutputArguments or []))


async def _arguments(connection: Connection, method: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return the input and output arguments of a method; none where it does not tell."""
    (properties,) = await connection.related([method], ua.ObjectIds.HasProperty)
    by_name = {found.name: found.node for found in properties}
    told: list[Sequence[Any]] = []
    for name in ("InputArguments", "OutputArguments"):
        node = by_name.get(name)
        values = [None] if node is None else await connection.attributes_of(node, [ua.AttributeIds.Value])
        told.append(values[0] or [])
    return told[0], told[1]


async def _variants(connection: Connection, expected: Sequence[Any], target: Target) -> list[Any]:
    """Return the arguments in the order that the method expects; names count without case and underscores."""
    given = {_plain(name): value for name, value in target.arguments.items()}
    variants: list[Any] = []
    for argument in expected:
        name = str(argument.Name)
        if _plain(name) not in given:
            known = ", ".join(str(each.Name) for each in expected)
            raise CannotDo(CommandFailure.REJECTED, f"{target.node}: argument {name} is missing; it takes {known}")
        field: Field = await connection.types.field_of(argument.DataType)
        try:
            variants.append(variant_of(given.pop(_plain(name)), field, is_array=int(argument.ValueRank) >= 0))
        except DoesNotFit as error:
            raise DoesNotFit(f"argument {name}: {error}") from None
    if given and not target.is_repeatable:  # an order has more facts than a method may want
        known = ", ".join(str(each.Name) for each in expected) or "none"
        raise CannotDo(CommandFailure.REJECTED, f"{target.node}: argument {min(given)} is unknown; it takes {known}")
    return variants


def _results(described: Sequence[Any], values: Sequence[Any]) -> dict[str, Reported]:
    found: dict[str, Reported] = {}
    for number, variant in enumerate(values):
        name = str(described[number].Name) if number < len(described) else f"output_{number + 1}"
        value: Any = variant.Value
        try:
            told = reported(str(value.Text or "") if isinstance(value, ua.LocalizedText) else value)
        except Unreadable:
            continue
        if told is not None:
            found[name] = told
    return found


def _judged(target: Target, status: Any) -> Carried | NotCarried:
    if status.is_good():
        return Carried(detail="" if status.value == 0 else str(status.name))
    if "Uncertain" in status.name:
        return Carried(detail=str(status.name))
    code = CommandFailure.FAILED if status.name in _FAILED else CommandFailure.REJECTED
    return NotCarried(code=code, detail=f"{target.node}: {status.name}")


def _nodes(thing: ConnectedThing, name: str) -> tuple[NodeAddress, NodeAddress | None]:
    text = thing.profile.sources.get(PROTOCOL, {}).get(name)
    if text is None:
        raise CannotDo(
            CommandFailure.UNSUPPORTED, f"profile {thing.profile.name}: sources.opcua names no node for {name}"
        )
    address = text.partition(" | ")[0]
    owner = _behind_bar(thing, name).get("object", "")
    options = {"thing_id": thing.thing_id, "serial": thing.serial, **thing.options}
    try:
        return parse_address(address.rstrip(), options), parse_address(owner, options) if owner else None
    except ConfigError as error:
        raise CannotDo(CommandFailure.UNSUPPORTED, str(error)) from None


def _behind_bar(thing: ConnectedThing, name: str) -> Mapping[str, str]:
    words = thing.profile.sources.get(PROTOCOL, {}).get(name, "").partition(" | ")[2].split()
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def _found(address: NodeAddress, namespaces: Sequence[str]) -> Any:
    node = node_id(address, namespaces)
    if node is None:
        raise CannotDo(CommandFailure.REJECTED, f"{address}: the server has no namespace {address.namespace}")
    return node


def _facts(order: ThingOrder) -> dict[str, Reported]:
    """Return what a method may want to know of an order, by the names of its fields."""
    told: dict[str, Any] = msgspec.to_builtins(order)
    return {name: value for name, value in told.items() if isinstance(value, bool | float | int | str)}


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()
