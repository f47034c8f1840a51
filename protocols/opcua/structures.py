"""Structures of a server's own types: their definitions, and values read by them (Part 6 section 5.2.6)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, cast

from msgspec import Struct

from protocols.opcua.binary import MOST_NESTED, Cursor, Flaw, Malformed
from protocols.opcua.variants import Structure, read_builtin

_MOST_ELEMENTS: Final = 100_000


class Form(StrEnum):
    """How the fields of a structure are laid out."""

    PLAIN = "plain"
    OPTIONAL_FIELDS = "optional_fields"
    UNION = "union"


class Field(Struct, frozen=True, kw_only=True):
    """One field. It is of a built-in type, or of the structure named by ``type_id``."""

    name: str
    builtin: int = 0
    type_id: str = ""
    names: Mapping[int, str] | None = None
    """What the numbers of an enumeration are called."""
    is_array: bool = False
    dimensions: int = 1
    is_optional: bool = False


class Definition(Struct, frozen=True, kw_only=True):
    """A structured type."""

    form: Form = Form.PLAIN
    fields: tuple[Field, ...]


class TypeBook:
    """The structured types of one server that are known so far."""

    def __init__(self) -> None:
        self.by_type: dict[str, Definition] = {}
        self.by_encoding: dict[str, str] = {}
        """Type by its binary encoding."""
        self.unknowable: dict[str, str] = {}
        """Encodings that the server does not explain, with the reason."""

    def missing(self, value: object) -> set[str]:
        """Return the encodings of structures in ``value`` that must be learned first."""
        match value:
            case Structure() if value.encoding not in self.by_encoding and value.encoding not in self.unknowable:
                return {value.encoding}
            case list():
                return {encoding for element in cast("list[object]", value) for encoding in self.missing(element)}
            case _:
                return set()

    def explained(self, value: object, depth: int = 0) -> object:
        """Return a value with its structures as dicts; those of unknown types stay as they are.

        Raises:
            Malformed: the bytes are not what the definition says.
        """
        if depth > MOST_NESTED:
            raise Malformed(Flaw.TOO_DEEP, f"structures are nested more than {MOST_NESTED} times")
        match value:
            case Structure() if value.encoding in self.by_encoding:
                return self._read(Cursor(value.body), self.by_encoding[value.encoding], depth)
            case list():
                return [self.explained(element, depth + 1) for element in cast("list[object]", value)]
            case other:
                return other

    def _read(self, cursor: Cursor, type_id: str, depth: int) -> object:
        definition = self.by_type[type_id]
        if depth > MOST_NESTED:
            raise Malformed(Flaw.TOO_DEEP, f"structures are nested more than {MOST_NESTED} times")
        match definition.form:
            case Form.PLAIN:
                return {field.name: self._field(cursor, field, depth) for field in definition.fields}
            case Form.UNION:
                return self._union(cursor, definition, depth)
            case Form.OPTIONAL_FIELDS:
                return self._with_optional_fields(cursor, definition, depth)

    def _union(self, cursor: Cursor, definition: Definition, depth: int) -> dict[str, object]:
        number = cursor.u32()
        if number == 0:
            return {}
        if number > len(definition.fields):
            raise Malformed(Flaw.BAD_LENGTH, f"a union of {len(definition.fields)} fields has no field {number}")
        field = definition.fields[number - 1]
        return {field.name: self._field(cursor, field, depth)}

    def _with_optional_fields(self, cursor: Cursor, definition: Definition, depth: int) -> dict[str, object]:
        mask = cursor.u32()
        found: dict[str, object] = {}
        for field in definition.fields:
            if field.is_optional:
                present, mask = mask & 1, mask >> 1
                if not present:
                    continue
            found[field.name] = self._field(cursor, field, depth)
        return found

    def _field(self, cursor: Cursor, field: Field, depth: int) -> object:
        if not field.is_array:
            return self._element(cursor, field, depth)
        number = cursor.count()
        if field.dimensions > 1:  # the first length is that of the list of dimensions
            number = _product([cursor.i32() for _ in range(number)])
        return [self._element(cursor, field, depth) for _ in range(number)]

    def _element(self, cursor: Cursor, field: Field, depth: int) -> object:
        if field.type_id:
            return self._read(cursor, field.type_id, depth + 1)
        value = read_builtin(cursor, field.builtin, depth + 1)
        if field.names and isinstance(value, int):
            return field.names.get(value, value)
        return self.explained(value, depth + 1)


def _product(sizes: list[int]) -> int:
    number = 1
    for size in sizes:
        number *= max(size, 0)
        if number > _MOST_ELEMENTS:
            raise Malformed(Flaw.BAD_LENGTH, f"an array of {number} elements is announced")
    return number if sizes else 0
