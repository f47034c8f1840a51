"""Runs parsed queries over the organisation, and hands out the result page by page."""

import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any, Final, assert_never

from msgspec import Struct

from crm_adapters.salesforce.sandbox.errors import bad_request
from crm_adapters.salesforce.sandbox.ids import long_id
from crm_adapters.salesforce.sandbox.organisation import attributes
from crm_adapters.salesforce.sandbox.schema import OBJECTS, Field, SObject, Type
from crm_adapters.salesforce.sandbox.soql import (
    Both,
    Condition,
    Either,
    Moment,
    Negated,
    Ordering,
    Query,
    Where,
    malformed,
    parse,
)
from crm_adapters.salesforce.sandbox.store import Record, Store, timestamp
from crm_adapters.salesforce.sandbox.validation import parse_datetime

DEFAULT_BATCH: Final = 2000
SMALLEST_BATCH: Final = 200
_KEPT_CURSORS: Final = 100
_NUMERIC: Final = frozenset({Type.DOUBLE, Type.INT})

Test = Callable[[Record], bool]
Read = Callable[[Record], Any]


class _Column(Struct, frozen=True, kw_only=True):
    """A field, perhaps of a parent, and how to read it from a record."""

    field: Field
    parent: Field | None
    read: Read


class _Cursor(Struct, frozen=True, kw_only=True):
    rows: list[dict[str, Any]]
    batch: int


class QueryDesk:
    """Answers queries and keeps what was not yet fetched."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()
        self._numbers = count(1)

    def first(self, text: str, version: str, batch: int) -> dict[str, Any]:
        """Return the first page of a query's result.

        Raises:
            Refusal: the query is malformed or names what does not exist.
        """
        query = parse(text)
        kind = self._store.model.find(query.source)
        if kind is None:
            raise bad_request("INVALID_TYPE", f"sObject type '{query.source}' is not supported.")
        rows = _run(self._store, kind, query)
        if not query.fields:
            return {"totalSize": len(rows), "done": True, "records": []}
        columns = [_column(self._store, kind, name) for name in query.fields]
        shown = [_shown(kind, columns, row, version) for row in rows]
        name = f"01g{next(self._numbers):012d}"
        self._cursors[name] = _Cursor(rows=shown, batch=max(SMALLEST_BATCH, min(batch, DEFAULT_BATCH)))
        while len(self._cursors) > _KEPT_CURSORS:
            self._cursors.popitem(last=False)
        return self.page(f"{name}-0", version)

    def page(self, locator: str, version: str) -> dict[str, Any]:
        """Return the page that a locator names.

        Raises:
            Refusal: the locator is unknown or no longer kept.
        """
        name, _, offset_text = locator.partition("-")
        cursor = self._cursors.get(name)
        if cursor is None or not offset_text.isdigit():
            raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
        offset = int(offset_text)
        end = offset + cursor.batch
        done = end >= len(cursor.rows)
        page = {"totalSize": len(cursor.rows), "done": done, "records": cursor.rows[offset:end]}
        return page if done else page | {"nextRecordsUrl": f"/services/data/{version}/query/{name}-{end}"}


def _run(store: Store, kind: SObject, query: Query) -> list[Record]:
    matches = _test(store, kind, query.where) if query.where is not None else None
    candidates = _candidates(store, kind, query.where)
    rows = [row for row in candidates if matches is None or matches(row)]
    for ordering in reversed(query.order):
        read = _column(store, kind, ordering.field).read
        rows = _sorted(rows, read, ordering)
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]


def _sorted(rows: list[Record], read: Read, ordering: Ordering) -> list[Record]:
    present = [row for row in rows if read(row) is not None]
    absent = [row for row in rows if read(row) is None]
    present.sort(key=lambda row: _sortable(read(row)), reverse=ordering.descending)
    return present + absent if ordering.nulls_last else absent + present


def _candidates(store: Store, kind: SObject, where: Where | None) -> list[Record]:
    """Return the rows worth testing: by key where the condition compares a key for equality, as an index would."""
    parts = where.parts if isinstance(where, Both) else (where,)
    for part in parts:
        if not isinstance(part, Condition) or part.operator != "=" or not isinstance(part.value, str):
            continue
        field = kind.field(part.field)
        if field is not None and (field.unique or field.external_id):
            return store.with_key(kind, field.name, part.value)
    return store.rows(kind)


def _test(store: Store, kind: SObject, where: Where) -> Test:
    match where:
        case Both(parts=parts):
            tests = [_test(store, kind, part) for part in parts]
            return lambda row: all(test(row) for test in tests)
        case Either(parts=parts):
            tests = [_test(store, kind, part) for part in parts]
            return lambda row: any(test(row) for test in tests)
        case Negated(part=part):
            inner = _test(store, kind, part)
            return lambda row: not inner(row)
        case Condition():
            return _condition(store, kind, where)
        case _:
            assert_never(where)


def _condition(store: Store, kind: SObject, where: Condition) -> Test:
    column = _column(store, kind, where.field)
    read, field = column.read, column.field
    if where.operator in {"IN", "NOT IN"}:
        wanted = {_comparable(field, value) for value in where.value}
        inside = where.operator == "IN"
        return lambda row: (_stored(field, read(row)) in wanted) is inside
    if where.operator == "LIKE":
        pattern = _like(where.value)
        return lambda row: pattern.fullmatch(str(read(row) or "")) is not None
    value = _comparable(field, where.value)
    if where.operator == "=":
        return lambda row: _stored(field, read(row)) == value
    if where.operator == "!=":
        return lambda row: _stored(field, read(row)) != value
    return _inequality(field, read, where.operator, value)


def _inequality(field: Field, read: Read, operator: str, value: Any) -> Test:
    if value is None:
        raise malformed(f"operator {operator} does not compare with null")
    compare = _COMPARISONS[operator]

    def test(row: Record) -> bool:
        found = _stored(field, read(row))
        return found is not None and compare(found, value)

    return test


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def _column(store: Store, kind: SObject, name: str) -> _Column:
    head, dot, tail = name.partition(".")
    if dot and head.lower() == kind.name.lower():
        head, dot, tail = tail, "", ""
    if not dot:
        field = _known(kind, head)
        return _Column(field=field, parent=None, read=lambda row: row.get(field.name))
    reference = kind.parent(head)
    target = store.model.find(reference.refers[0]) if reference is not None else None
    if reference is None or target is None:
        raise bad_request("INVALID_FIELD", f"Didn't understand relationship '{head}' in field path")
    field = _known(target, tail)
    return _Column(field=field, parent=reference, read=_through(store, reference, target, field))


def _through(store: Store, reference: Field, target: SObject, field: Field) -> Read:
    def read(row: Record) -> Any:
        parent = store.get(target, str(row.get(reference.name)))
        return None if parent is None else parent.get(field.name)

    return read


def _known(kind: SObject, name: str) -> Field:
    field = kind.field(name)
    if field is None:
        raise bad_request("INVALID_FIELD", f"No such column '{name}' on entity '{kind.name}'.")
    return field


def _comparable(field: Field, value: Any) -> Any:
    """Return a literal as it is compared with a field's values; text is compared without regard to case."""
    if value is None:
        return None
    match field.type:
        case Type.DATETIME if isinstance(value, Moment) and "T" in value.text:
            return timestamp(parse_datetime(value.text))
        case Type.DATE if isinstance(value, Moment) and "T" not in value.text:
            return date.fromisoformat(value.text).isoformat()
        case Type.DOUBLE | Type.INT if isinstance(value, Decimal):
            return value
        case Type.BOOLEAN if isinstance(value, bool):
            return value
        case Type.ID | Type.REFERENCE if isinstance(value, str):
            return (long_id(value) or value).casefold()
        case Type.STRING | Type.PICKLIST | Type.TIME if isinstance(value, str):
            return value.casefold()
        case _:
            said = f"value of filter criterion for field '{field.name}' must be of type {field.type}"
            raise bad_request("INVALID_FIELD", f"{said} and written as its type demands")


def _stored(field: Field, value: Any) -> Any:
    if value is None or field.type in {Type.BOOLEAN, Type.DATE, Type.DATETIME}:
        return value
    return Decimal(str(value)) if field.type in _NUMERIC else str(value).casefold()


def _sortable(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _like(value: Any) -> re.Pattern[str]:
    if not isinstance(value, str):
        raise malformed("LIKE needs a text")
    pieces = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in value)
    return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)


def _shown(kind: SObject, columns: list[_Column], row: Record, version: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"attributes": attributes(kind, row["Id"], version)}
    for column in columns:
        if column.parent is None:
            shown[column.field.name] = column.read(row)
        else:
            name = str(column.parent.relationship)
            shown.setdefault(name, _parent_shown(column.parent, row, version))
            if shown[name] is not None:
                shown[name][column.field.name] = column.read(row)
    return shown


def _parent_shown(reference: Field, row: Record, version: str) -> dict[str, Any] | None:
    identifier = row.get(reference.name)
    if identifier is None:
        return None
    return {"attributes": attributes(OBJECTS[reference.refers[0].lower()], identifier, version)}
