"""The objects as one organisation has them: without what it lacks, with the fields that were added to it.

A field that was added through the API is hidden until a permission set that is assigned to the user shows it.
Source: Salesforce Tooling API guide, CustomField; object reference, FieldPermissions and PermissionSetAssignment.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import structs

from actors.model.errors import ConfigError
from crm_adapters.salesforce.sandbox.errors import Refusal, bad_request
from crm_adapters.salesforce.sandbox.schema import OBJECTS, Field, SObject, Type
from crm_adapters.sandboxing import Tables

ACTIVATE: Final = "ActivateOrder"
"""The user permission without which an order stays a draft."""
CUSTOMIZE: Final = "CustomizeApplication"
"""The user permission without which no field can be added."""
RIGHTS: Final = ("create", "update")
_ADDED: Final = "_fields"
_FULL_NAME: Final = re.compile(r"(?P<object>\w+)\.(?P<field>\w+__c)")
_TYPES: Final = {"Text": Type.STRING, "Number": Type.DOUBLE, "Currency": Type.DOUBLE, "Checkbox": Type.BOOLEAN}


class Model:
    """What one organisation is made of. ``lacks`` are words as in ``docs/sandboxes.md``."""

    def __init__(self, tables: Tables, lacks: Iterable[str] = ()) -> None:
        self._tables = tables
        self._objects = dict(OBJECTS)
        self.denied: set[str] = set()
        for word in lacks:
            self._take_away(word)
        for row in tables.all(_ADDED):
            self._add(str(row["object"]), _field_of(str(row["field"]), row["metadata"]), shown=bool(row["shown"]))
        self._indexed = {kind.name: _indexed(kind) for kind in self._objects.values()}

    def find(self, name: str) -> SObject | None:
        """Return the object of this name, however it is cased, with the fields that the user sees."""
        return self._objects.get(name.lower())

    def all(self) -> list[SObject]:
        """Return every object."""
        return list(self._objects.values())

    def indexed(self, name: str) -> tuple[str, ...]:
        """Return the fields of an object by which records are found."""
        return self._indexed.get(name, ())

    def require(self, right: str) -> None:
        """Refuse what the user may not do: ``Order:create``, or a user permission.

        Raises:
            Refusal: 403.
        """
        if right in self.denied:
            said = f"insufficient access rights on object: {right.partition(':')[0]}"
            raise Refusal(403, "INSUFFICIENT_ACCESS_OR_READONLY", said)

    def add_field(self, full_name: str, metadata: Mapping[str, Any]) -> None:
        """Add a custom field; nobody sees it yet.

        Raises:
            Refusal: the name or the type is none, or the object has such a field.
        """
        named = _FULL_NAME.fullmatch(full_name)
        kind = None if named is None else self.find(named["object"])
        if named is None or kind is None:
            raise bad_request("INVALID_CROSS_REFERENCE_KEY", f"{full_name}: no such entity", "FullName")
        if kind.field(named["field"]) is not None or self._row(kind.name, named["field"]) is not None:
            said = f"There is already a field named {named['field'].removesuffix('__c')} on {kind.name}."
            raise bad_request("DUPLICATE_DEVELOPER_NAME", said, "DeveloperName")
        field = _field_of(named["field"], metadata)
        row = {"object": kind.name, "field": field.name, "metadata": dict(metadata), "shown": False}
        self._tables.put(_ADDED, f"{kind.name}.{field.name}", row)

    def show_field(self, full_name: str) -> None:
        """Let the user see a field that was added."""
        name, _, field = full_name.partition(".")
        row = self._row(name, field)
        if row is None or row["shown"]:
            return
        self._tables.put(_ADDED, full_name, {**row, "shown": True})
        self._add(name, _field_of(field, row["metadata"]), shown=True)

    def exists(self, full_name: str) -> bool:
        """Say whether an object has a field, seen or not."""
        name, _, field = full_name.partition(".")
        kind = self.find(name)
        return kind is not None and (kind.field(field) is not None or self._row(name, field) is not None)

    def _row(self, name: str, field: str) -> Mapping[str, Any] | None:
        return self._tables.get(_ADDED, f"{name}.{field}")

    def _add(self, name: str, field: Field, *, shown: bool) -> None:
        kind = self._objects[name.lower()]
        if shown:
            self._objects[name.lower()] = structs.replace(kind, fields={**kind.fields, field.name.lower(): field})
            self._indexed = {each.name: _indexed(each) for each in self._objects.values()}

    def _take_away(self, word: str) -> None:
        if word in {ACTIVATE, CUSTOMIZE}:
            self.denied.add(word)
            return
        name, _, rest = word.partition(".")
        bare, _, right = name.partition(":")
        kind = self.find(bare)
        if kind is None or (right and right not in RIGHTS):
            raise _unknown(word)
        if right:
            self.denied.add(f"{kind.name}:{right}")
        elif rest:
            self._objects[kind.name.lower()] = _without(kind, rest, word)
        else:
            del self._objects[kind.name.lower()]


def _without(kind: SObject, rest: str, word: str) -> SObject:
    """Return the object without a field, a field's uniqueness, or a label of a picklist."""
    name, label, value = rest.partition("=")
    name, colon, _ = name.partition(":")
    field = kind.field(name)
    if field is None or (label and value not in field.values):
        raise _unknown(word)
    kept = {key: each for key, each in kind.fields.items() if key != name.lower()}
    if label:
        kept[name.lower()] = structs.replace(field, values=tuple(each for each in field.values if each != value))
    elif colon:
        kept[name.lower()] = structs.replace(field, unique=False, external_id=False)
    return structs.replace(kind, fields=kept)


def _unknown(word: str) -> ConfigError:
    return ConfigError(
        f"lacks {word!r}: expected Object, Object.Field, Object.Field:unique, Object.Field=Label,"
        f" Object:create, Object:update, {ACTIVATE} or {CUSTOMIZE}"
    )


def _field_of(name: str, metadata: Mapping[str, Any]) -> Field:
    kind = _TYPES.get(str(metadata.get("type")))
    if kind is None:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", f"{name}: type {metadata.get('type')!r} is not known here")
    return Field(
        name=name,
        type=kind,
        length=int(metadata.get("length") or 255),
        unique=bool(metadata.get("unique")),
        external_id=bool(metadata.get("externalId")),
    )


def _indexed(kind: SObject) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in kind.fields.values()
        if field.unique or field.external_id or field.type is Type.REFERENCE
    )
