"""Asking a server what its own types are (Part 3 section 5.8.3 and Part 5): once for each type."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from asyncua.ua import uaerrors

from protocols.opcua.binary import Malformed
from protocols.opcua.browser import Browser
from protocols.opcua.faults import ANSWERS
from protocols.opcua.stack import ua
from protocols.opcua.structures import Definition, Field, Form, TypeBook

_HIGHEST_BUILTIN: Final = 25
_VARIANT: Final = 24
_INT32: Final = 6
_ABSTRACT_NUMBERS: Final = (26, 27, 28)
_ENUMERATION: Final = 29
_FORMS: Final = {0: Form.PLAIN, 1: Form.OPTIONAL_FIELDS, 2: Form.UNION}


class Unexplained(Exception):
    """The server does not say what a type is made of."""


class TypeLearner:
    """Fills a ``TypeBook`` from the server of one session."""

    def __init__(self, session: Any, book: TypeBook) -> None:
        self._session = session
        self._browser = Browser(session)
        self._book = book
        self._fields: dict[str, Field] = {}

    async def explain(self, value: object) -> object:
        """Return a value with its structures as dicts, after asking for the types that are new."""
        for encoding in self._book.missing(value):
            await self._learn(encoding)
        try:
            return self._book.explained(value)
        except Malformed:
            return value  # it stays what it was, and is told as such

    async def names_of(self, data_types: Sequence[Any | None]) -> list[Mapping[int, str] | None]:
        """Return what the numbers of each type are called; None for types that are no enumerations."""
        found: list[Mapping[int, str] | None] = []
        for data_type in data_types:
            try:
                found.append(None if data_type is None else (await self.field_of(data_type)).names)
            except Unexplained:
                found.append(None)
            except ANSWERS:
                found.append(None)
        return found

    async def _learn(self, encoding: str) -> None:
        try:
            node = ua.NodeId.from_string(encoding)
            ((data_type, *_),) = await self._browser.related([node], ua.ObjectIds.HasEncoding, forward=False)
            type_id = (await self.field_of(data_type.node)).type_id
        except (Unexplained, uaerrors.UaError, ValueError) as error:
            self._book.unknowable[encoding] = str(error) or type(error).__name__
            return
        if type_id:
            self._book.by_encoding[encoding] = type_id
        else:
            self._book.unknowable[encoding] = "its type has no definition"

    async def field_of(self, data_type: Any) -> Field:
        """Return a field of this type, without its name.

        Raises:
            Unexplained: the server does not say what the type is made of.
        """
        key = str(data_type.to_string())
        if key not in self._fields:
            self._fields[key] = await self._resolved(data_type, key)
        return self._fields[key]

    async def _resolved(self, data_type: Any, key: str) -> Field:
        number = data_type.Identifier if data_type.NamespaceIndex == 0 else None
        if number in _ABSTRACT_NUMBERS:
            return Field(name="", builtin=_VARIANT)
        if number == _ENUMERATION:
            return Field(name="", builtin=_INT32, names={})
        if isinstance(number, int) and number <= _HIGHEST_BUILTIN:
            return Field(name="", builtin=number)
        definition = await self._definition(data_type)
        if isinstance(definition, ua.StructureDefinition):
            await self._structure(definition, key)
            return Field(name="", type_id=key)
        base = await self._base(data_type)
        if base.names is None:
            return base
        if isinstance(definition, ua.EnumDefinition):
            fields: list[Any] = definition.Fields
            names: Mapping[int, str] = {int(entry.Value): str(entry.Name) for entry in fields}
        else:
            names = await self._listed_names(data_type)
        return Field(name="", builtin=_INT32, names=names)

    async def _structure(self, definition: Any, key: str) -> None:
        form = _FORMS.get(int(definition.StructureType))
        if form is None:
            raise Unexplained("structures with subtyped values are not supported")
        self._fields[key] = Field(name="", type_id=key)  # a field of its own type does not begin again
        described: list[Any] = definition.Fields or []
        fields = [await self._named(field) for field in described]
        self._book.by_type[key] = Definition(form=form, fields=tuple(fields))

    async def _named(self, field: Any) -> Field:
        of_type = await self.field_of(field.DataType)
        rank = int(field.ValueRank)
        return Field(
            name=str(field.Name),
            builtin=of_type.builtin,
            type_id=of_type.type_id,
            names=of_type.names,
            is_array=rank >= 0,
            dimensions=max(rank, 1),
            is_optional=bool(field.IsOptional),
        )

    async def _base(self, data_type: Any) -> Field:
        (parents,) = await self._browser.related([data_type], ua.ObjectIds.HasSubtype, forward=False)
        if not parents:
            raise Unexplained(f"{data_type.to_string()} has no supertype")
        return await self.field_of(parents[0].node)

    async def _definition(self, data_type: Any) -> Any:
        (found,) = await self._session.read_attributes([data_type], ua.AttributeIds.DataTypeDefinition)
        return None if found.Value is None else found.Value.Value

    async def _listed_names(self, data_type: Any) -> Mapping[int, str]:
        """Return the names from the property EnumStrings or EnumValues, as servers before 1.04 have them."""
        (properties,) = await self._browser.related([data_type], ua.ObjectIds.HasProperty)
        if not properties:
            return {}
        values = await self._session.read_attributes([found.node for found in properties], ua.AttributeIds.Value)
        for value in values:
            variant: Any = value.Value
            names = _listed((variant.Value or []) if variant is not None and variant.is_array else [])
            if names:
                return names
        return {}


def _listed(entries: list[Any]) -> Mapping[int, str]:
    """Return the names in the value of EnumStrings or EnumValues; none for another property's."""
    if all(isinstance(entry, ua.LocalizedText) for entry in entries):
        return {number: str(entry.Text) for number, entry in enumerate(entries)}
    if all(isinstance(entry, ua.EnumValueType) for entry in entries):
        return {int(entry.Value): str(entry.DisplayName.Text) for entry in entries}
    return {}
