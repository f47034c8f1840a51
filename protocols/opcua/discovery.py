"""What a server has: its machines with their variables and methods, found by browsing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from actors.model.profiles import PropertyKind
from protocols.opcua.addressing import STANDARD_NAMESPACE, NodeAddress
from protocols.opcua.browser import Reference
from protocols.opcua.connection import Connection, node_id
from protocols.opcua.learning import Unexplained
from protocols.opcua.stack import ua
from protocols.opcua.structures import Field

DI: Final = "http://opcfoundation.org/UA/DI/"
MACHINERY: Final = "http://opcfoundation.org/UA/Machinery/"
_MACHINES: Final = 1001
_DEVICE_SET: Final = 5001
_LIFETIME_TYPE: Final = 468
_HIERARCHICAL: Final = int(ua.ObjectIds.HierarchicalReferences)
_OBJECT, _VARIABLE, _METHOD = 1, 2, 4
_DEEPEST: Final = 6
_MOST_NODES: Final = 5000
_WRITABLE: Final = 0x02
_TEXTS: Final = (12, 13, 14, 19, 20, 21)
_NUMBERS: Final = (*range(2, 12), 24)
_FACTS: Final = (
    *("Manufacturer", "Model", "SerialNumber", "ProductInstanceUri", "SoftwareRevision", "HardwareRevision"),
    *("DeviceRevision", "DeviceClass", "DeviceManual", "RevisionCounter", "ManufacturerUri", "ProductCode"),
)


class Lifetime(Struct, frozen=True, kw_only=True):
    """A DI LifetimeVariable: how much life a part had when it was new, and when it is over."""

    start: float
    limit: float
    indication: str = ""


class FoundVariable(Struct, frozen=True, kw_only=True):
    """A variable that can be a property."""

    path: tuple[str, ...]
    node: NodeAddress
    title: str
    kind: PropertyKind
    unit: str = ""
    """As the server writes it."""
    low: float | None = None
    high: float | None = None
    is_writable: bool = False
    names: tuple[str, ...] = ()
    lifetime: Lifetime | None = None


class FoundMethod(Struct, frozen=True, kw_only=True):
    """A method that can be an action."""

    path: tuple[str, ...]
    node: NodeAddress
    title: str


class Machine(Struct, frozen=True, kw_only=True):
    """A machine, or what looks like one."""

    name: str
    node: NodeAddress
    facts: Mapping[str, str] = {}
    """Its identification by DI or Machinery: Manufacturer, Model, SerialNumber, ProductInstanceUri, ..."""
    variables: tuple[FoundVariable, ...] = ()
    methods: tuple[FoundMethod, ...] = ()


class _Spot(Struct, frozen=True, kw_only=True):
    path: tuple[str, ...]
    reference: Reference


class Discovery:
    """Looks around at one server."""

    def __init__(self, connection: Connection, namespaces: Sequence[str]) -> None:
        self._connection = connection
        self._namespaces = namespaces

    async def machines(self) -> list[Machine]:
        """Return the machines by name, without their variables: those of Machinery and DI, else what stands alone."""
        found: dict[Any, Reference] = {}
        for namespace, number in ((MACHINERY, _MACHINES), (DI, _DEVICE_SET)):
            if namespace in self._namespaces:
                node = ua.NodeId(number, self._namespaces.index(namespace))
                found |= {each.node: each for each in await self._children(node) if each.node_class == _OBJECT}
        own = {node: each for node, each in found.items() if self._is_own(node)}
        if not own:
            children = await self._children(ua.NodeId(ua.ObjectIds.ObjectsFolder))
            own = {each.node: each for each in children if each.node_class == _OBJECT and self._is_own(each.node)}
        return [await self._identified(each) for each in own.values()]

    async def whole(self, machine: Machine) -> Machine:
        """Return a machine with its variables and methods."""
        node = self._node(machine.node)
        spots = await self._walk(node)
        variables = [await self._variable(spot, spots) for spot in spots if spot.reference.node_class == _VARIABLE]
        return Machine(
            name=machine.name,
            node=machine.node,
            facts=machine.facts,
            variables=tuple(found for found in variables if found is not None),
            methods=tuple(
                FoundMethod(path=spot.path, node=self._address(spot.reference.node), title=spot.reference.title)
                for spot in spots
                if spot.reference.node_class == _METHOD
            ),
        )

    async def _identified(self, reference: Reference) -> Machine:
        children = await self._children(reference.node)
        for name in ("Identification", "Nameplate"):
            children += [each for child in children if child.name == name for each in await self._children(child.node)]
        nodes = {each.name: each.node for each in children if each.name in _FACTS and each.node_class == _VARIABLE}
        facts = {name: _text(await self._value(node)) for name, node in nodes.items()}
        return Machine(
            name=reference.name,
            node=self._address(reference.node),
            facts={name: fact for name, fact in facts.items() if fact},
        )

    async def _walk(self, root: Any) -> list[_Spot]:
        found: dict[Any, _Spot] = {}
        level = [_Spot(path=(), reference=child) for child in await self._children(root)]
        for _ in range(_DEEPEST):
            named = [_Spot(path=(*spot.path, spot.reference.name), reference=spot.reference) for spot in level]
            fresh = [spot for spot in named if spot.reference.node not in found]
            found |= {spot.reference.node: spot for spot in fresh[: max(0, _MOST_NODES - len(found))]}
            inner = [spot for spot in fresh if spot.reference.node_class in (_OBJECT, _VARIABLE)]
            if not inner:
                break
            children = await self._connection.related([spot.reference.node for spot in inner], _HIERARCHICAL)
            level = [
                _Spot(path=spot.path, reference=child)
                for spot, below in zip(inner, children, strict=True)
                for child in below
            ]
        return list(found.values())

    async def _variable(self, spot: _Spot, spots: Sequence[_Spot]) -> FoundVariable | None:
        reference = spot.reference
        parents = {each.path for each in spots if each.reference.node_class == _VARIABLE}
        if spot.path[:-1] in parents or spot.path[-2:-1] == ("Identification",) or reference.name in _FACTS:
            return None  # it describes another variable, or the machine
        asked = [ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.UserAccessLevel]
        data_type, rank, access = await self._connection.attributes_of(reference.node, asked)
        try:
            field = await self._connection.types.field_of(data_type)
        except Unexplained:
            return None
        kind = _kind(field, is_array=int(-1 if rank is None else rank) >= 0)
        if kind is None:
            return None
        about = {each.name: each.node for each in await self._children(reference.node)}
        unit, low, high = await self._scale(about)
        return FoundVariable(
            path=spot.path,
            node=self._address(reference.node),
            title=reference.title,
            kind=kind,
            unit=unit,
            low=low,
            high=high,
            is_writable=bool(int(access or 0) & _WRITABLE),
            names=tuple((field.names or {}).values()),
            lifetime=await self._lifetime(reference, about),
        )

    async def _scale(self, about: Mapping[str, Any]) -> tuple[str, float | None, float | None]:
        unit: Any = await self._value(about.get("EngineeringUnits"))
        span: Any = await self._value(about.get("EURange"))
        written = str(unit.DisplayName.Text or "") if isinstance(unit, ua.EUInformation) else ""
        if not isinstance(span, ua.Range) or not span.Low < span.High:
            return written, None, None
        return written, float(span.Low), float(span.High)

    async def _lifetime(self, reference: Reference, about: Mapping[str, Any]) -> Lifetime | None:
        is_lifetime = reference.type_id.Identifier == _LIFETIME_TYPE and self._is_di(reference.type_id)
        if not is_lifetime and not {"StartValue", "LimitValue"} <= about.keys():
            return None
        start, limit = [await self._value(about[name]) for name in ("StartValue", "LimitValue")]
        if not isinstance(start, int | float) or not isinstance(limit, int | float):
            return None
        indication = await self._value(about.get("Indication"))
        if isinstance(indication, ua.NodeId):  # a type of DI, such as NumberOfPartsIndicationType
            (indication,) = await self._connection.attributes_of(indication, [ua.AttributeIds.DisplayName])
        return Lifetime(start=float(start), limit=float(limit), indication=_text(indication))

    async def _children(self, node: Any) -> list[Reference]:
        (children,) = await self._connection.related([node], _HIERARCHICAL)
        return children

    async def _value(self, node: Any | None) -> Any:
        if node is None:
            return None
        (value,) = await self._connection.attributes_of(node, [ua.AttributeIds.Value])
        return value

    def _is_own(self, node: Any) -> bool:
        """Say whether a node is the maker's, and not the standard's."""
        return not self._uri(node).startswith(STANDARD_NAMESPACE)

    def _is_di(self, node: Any) -> bool:
        return self._uri(node) == DI

    def _uri(self, node: Any) -> str:
        index = int(node.NamespaceIndex)
        return self._namespaces[index] if 0 < index < len(self._namespaces) else STANDARD_NAMESPACE

    def _address(self, node: Any) -> NodeAddress:
        """Return a node by the URI of its namespace."""
        kind, _, identifier = str(ua.NodeId(node.Identifier, 0).to_string()).partition("=")
        return NodeAddress(namespace=self._uri(node), kind=kind, identifier=identifier)

    def _node(self, address: NodeAddress) -> Any:
        return node_id(address, self._namespaces)


def _kind(field: Field, *, is_array: bool) -> PropertyKind | None:
    if field.type_id:
        return None
    if is_array:
        return PropertyKind.NUMBERS if field.builtin in _NUMBERS else None
    if field.builtin == 1:
        return PropertyKind.FLAG
    if field.names or field.builtin in _TEXTS:
        return PropertyKind.TEXT
    return PropertyKind.NUMBER if field.builtin in _NUMBERS else None


def _text(value: Any) -> str:
    if isinstance(value, ua.LocalizedText):
        return str(value.Text or "")
    return "" if value is None else str(value)
