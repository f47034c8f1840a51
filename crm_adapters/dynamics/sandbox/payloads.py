"""From a JSON body to values of a row: types, lengths, choices, binds, nested rows."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct

from crm_adapters.dynamics.sandbox.addresses import parse_resource, resolve
from crm_adapters.dynamics.sandbox.environment import Environment, written_time
from crm_adapters.dynamics.sandbox.errors import refuse, undeclared_property
from crm_adapters.dynamics.sandbox.schema import Column, Kind, Table

_BIND: Final = "@odata.bind"
_LARGEST_AMOUNT: Final = Decimal(922_337_203_685_477)


class Payload(Struct, frozen=True, kw_only=True):
    """A body as read: values of the row itself and nested rows by collection-valued navigation property."""

    values: dict[str, Any]
    nested: dict[str, list[dict[str, Any]]]


class PayloadReader:
    """Reads bodies against the tables; ``references`` are what ``$n`` stands for in a changeset."""

    def __init__(self, environment: Environment, references: Mapping[str, str]) -> None:
        self._environment = environment
        self._references = references

    def read(self, table: Table, body: Mapping[str, Any]) -> Payload:
        """Return what a body says about a row.

        Raises:
            DataverseError: 400 naming the property that cannot be used, 404 for a bind to nothing.
        """
        payload = Payload(values={}, nested={})
        for name, value in body.items():
            self._read_property(table, name, value, payload)
        return payload

    def _read_property(self, table: Table, name: str, value: Any, payload: Payload) -> None:
        if name.endswith(_BIND):
            payload.values.update(self._bound(table, name.removesuffix(_BIND), value))
        elif "@" in name:
            return
        elif name in table.collections and isinstance(value, list):
            payload.nested[name] = value
        elif name == table.primary_id:
            payload.values[name] = str(value).lower()
        elif name in table.columns:
            column = table.columns[name]
            if not column.read_only:
                payload.values[name] = canonical(table, column, value)
        else:
            raise undeclared_property(name)

    def _bound(self, table: Table, navigation: str, address: Any) -> dict[str, Any]:
        lookup = table.lookups.get(navigation)
        if lookup is None:
            raise undeclared_property(navigation)
        if address is None:
            return {lookup.value_name: None}
        return {lookup.value_name: self.target_id(lookup.target, str(address))}

    def target_id(self, target: str, address: str) -> str:
        """Return the id of the row that a bind names; it must be one of ``target``.

        Raises:
            DataverseError: the address names another table or no row.
        """
        resource = parse_resource(resolve(address, self._references))
        table = self._environment.model.of_set(resource.name)
        if table is None or table.name != target or not resource.is_single:
            raise refuse(400, "BadPayload", f"A '{target}' cannot be bound to '{address}'.")
        if resource.guid:
            return str(self._environment.get(target, resource.guid)[table.primary_id])
        return str(self._environment.need(self._environment.model.table(target), resource.key)[table.primary_id])


def canonical(table: Table, column: Column, value: Any) -> Any:
    """Return a column's value in the form rows hold it.

    Raises:
        DataverseError: 400 when the value is not one of the column's kind.
    """
    if value is None:
        return None
    try:
        return _canonical(table, column, value)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise refuse(
            400,
            "BadPayload",
            f"Cannot convert the literal '{value}' to the expected type of '{column.name}' ({column.kind.value}).",
        ) from error


def _canonical(table: Table, column: Column, value: Any) -> Any:
    match column.kind:
        case Kind.TEXT:
            return _text(table, column, value)
        case Kind.WHOLE:
            return _whole(value)
        case Kind.CHOICE:
            return _choice(table, column, value)
        case Kind.MONEY | Kind.DECIMAL:
            return _decimal(value)
        case Kind.FLAG:
            return _of(bool, value)
        case Kind.TIME:
            return _time(_of(str, value))


def _text(table: Table, column: Column, value: Any) -> str:
    text = str(_of(str, value))
    if len(text) > column.max_length:
        raise refuse(
            400,
            "TooLong",
            f"A validation error occurred.  The length of the '{column.name}' attribute of the '{table.name}' entity "
            f"exceeded the maximum allowed length of '{column.max_length}'.",
        )
    return text


def _choice(table: Table, column: Column, value: Any) -> int:
    number = _whole(value)
    if number not in column.options:
        accepted = ",".join(str(option) for option in column.options)
        raise refuse(
            400,
            "OutOfRange",
            f"A validation error occurred.  The value {number} of '{column.name}' on record of type '{table.name}' "
            f"is outside the valid range. Accepted Values: {accepted}",
        )
    return number


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(str(value))
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _decimal(value: Any) -> str:
    if isinstance(value, (bool, str)):  # Edm.Decimal is a JSON number unless IEEE754Compatible is asked for
        raise TypeError
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) > _LARGEST_AMOUNT:
        raise ValueError
    return str(number)


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _time(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return written_time(moment)
