"""What the API checks in every record before any rule of an object: fields, types, picklists, references, keys."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, Final

from crm_adapters.salesforce.sandbox.errors import Refusal, bad_request
from crm_adapters.salesforce.sandbox.ids import long_id
from crm_adapters.salesforce.sandbox.schema import BY_PREFIX, Field, SObject, Type
from crm_adapters.salesforce.sandbox.store import Record, Store, timestamp

_ZONE: Final = re.compile(r"([+-]\d{2})(\d{2})$")


def checked(store: Store, kind: SObject, written: Record, *, inserting: bool) -> Record:
    """Return the values to store, by their canonical field names.

    Raises:
        Refusal: a field is unknown, may not be written, or holds what its type does not allow.
    """
    values: Record = {}
    for name, value in written.items():
        if name == "attributes":
            continue
        field, plain = _resolve(store, kind, name, value)
        _writable(kind, field, inserting=inserting)
        values[field.name] = _value(store, field, plain)
    return values


def completed(kind: SObject, values: Record) -> Record:
    """Return the values of a new record with the defaults of all fields filled in."""
    return {field.name: field.default for field in kind.fields.values()} | values


def require_fields(kind: SObject, record: Record) -> None:
    """Refuse a record that lacks a required field, naming all that are missing."""
    missing = [f.name for f in kind.fields.values() if f.required and record.get(f.name) in {None, ""}]
    if missing:
        raise bad_request("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)


def require_unique(store: Store, kind: SObject, values: Record, own_id: str | None) -> None:
    """Refuse a value that another record has in a unique field; the message names that record."""
    for field in kind.fields.values():
        value = values.get(field.name)
        if not field.unique or not value:
            continue
        others = [row for row in store.with_key(kind, field.name, value) if row["Id"] != own_id]
        if others:
            said = f"duplicate value found: {field.name} duplicates value on record with id: {others[0]['Id'][:15]}"
            raise bad_request("DUPLICATE_VALUE", said)


def _resolve(store: Store, kind: SObject, name: str, value: Any) -> tuple[Field, Any]:
    """Return the field that is meant, and its value; a parent may be named by its external id."""
    field = kind.field(name)
    if field is not None:
        return field, value
    parent = kind.parent(name)
    if parent is None or not isinstance(value, dict):
        raise bad_request("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
    return parent, _parent_by_key(store, parent, {str(k): v for k, v in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON keys are strings


def _parent_by_key(store: Store, parent: Field, named: Record) -> str:
    target = store.model.find(parent.refers[0])
    key = {name: value for name, value in named.items() if name != "attributes"}
    field = target.field(next(iter(key))) if target and len(key) == 1 else None
    if target is None or field is None or not field.external_id:
        raise bad_request("INVALID_FIELD", f"{parent.relationship} must be named by one external id field")
    found = store.with_key(target, field.name, str(key[next(iter(key))]))
    if len(found) != 1:
        said = (
            f"Foreign key external ID: {key[next(iter(key))]} not found for field {field.name} in entity {target.name}"
        )
        raise bad_request("INVALID_FIELD", said)
    return str(found[0]["Id"])


def _writable(kind: SObject, field: Field, *, inserting: bool) -> None:
    if field.createable if inserting else field.updateable:
        return
    said = f"Unable to create/update fields: {field.name}. It cannot be written on {kind.name}"
    raise bad_request("INVALID_FIELD_FOR_INSERT_UPDATE", said, field.name)


def _value(store: Store, field: Field, value: Any) -> Any:
    if value is None or value == "":
        return None
    check = _CHECKS.get(field.type)
    if check is not None:
        return check(field, value)
    return _reference(store, field, value)


def _wrong_type(field: Field, value: Any) -> Refusal:
    said = f"Cannot deserialize instance of {field.type} from value {value} in {field.name}"
    return bad_request("INVALID_TYPE_ON_FIELD_IN_RECORD", said, field.name)


def _string(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, value)
    if len(value) > field.length:
        said = f"{field.name}: data value too large: {value[:40]} (max length={field.length})"
        raise bad_request("STRING_TOO_LONG", said, field.name)
    return value


def _boolean(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(field, value)
    return value


def _number(field: Field, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _wrong_type(field, value) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise _wrong_type(field, value)
    if abs(number) >= 1e16:
        raise bad_request("NUMBER_OUTSIDE_VALID_RANGE", f"{field.name}: value outside of valid range", field.name)
    return number


def _whole(field: Field, value: Any) -> int:
    number = _number(field, value)
    if not number.is_integer():
        raise _wrong_type(field, value)
    return int(number)


def _date(field: Field, value: Any) -> str:
    try:
        return date.fromisoformat(_string(field, value)[:10]).isoformat()
    except ValueError:
        raise _wrong_type(field, value) from None


def _datetime(field: Field, value: Any) -> str:
    try:
        return timestamp(parse_datetime(_string(field, value)))
    except ValueError:
        raise _wrong_type(field, value) from None


def _time(field: Field, value: Any) -> str:
    try:
        moment = time.fromisoformat(_string(field, value).removesuffix("Z"))
    except ValueError:
        raise _wrong_type(field, value) from None
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _picked(field: Field, value: Any) -> str:
    label = _string(field, value)
    if label not in field.values:
        said = f"{field.name}: bad value for restricted picklist field: {label}"
        raise bad_request("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", said, field.name)
    return label


def _reference(store: Store, field: Field, value: Any) -> str:
    identifier = long_id(value) if isinstance(value, str) else None
    target = BY_PREFIX.get(identifier[:3]) if identifier else None
    if identifier is None or target is None or target.name not in field.refers:
        raise bad_request("MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", field.name)
    if store.was_deleted(identifier):
        raise bad_request("ENTITY_IS_DELETED", "entity is deleted")
    if store.get(target, identifier) is None:
        raise bad_request("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {value}", field.name)
    return identifier


_CHECKS: Final[dict[Type, Callable[[Field, Any], Any]]] = {
    Type.STRING: _string,
    Type.BOOLEAN: _boolean,
    Type.DOUBLE: _number,
    Type.INT: _whole,
    Type.DATE: _date,
    Type.DATETIME: _datetime,
    Type.TIME: _time,
    Type.PICKLIST: _picked,
}


def parse_datetime(written: str) -> datetime:
    """Return the moment that a date and time with a zone names.

    Raises:
        ValueError: it is not one.
    """
    moment = datetime.fromisoformat(_ZONE.sub(r"\1:\2", written.replace("Z", "+00:00")))
    if moment.tzinfo is None:
        raise ValueError(f"{written} names no time zone")
    return moment.astimezone(UTC)
