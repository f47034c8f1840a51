"""The engine: rows of declared tables, created, changed, searched and refused as the declaration says."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from actors.ports import Clock
from crm_adapters.rest.sandbox.vendors.conditions import Condition, fits, holds, rank
from crm_adapters.rest.sandbox.vendors.definitions import Column, TableDefinition, Type, Vendor
from crm_adapters.rest.sandbox.vendors.structure import Structure
from crm_adapters.sandboxing import Tables
from crm_adapters.sandboxing.tables import Row

SYSTEM: Final = frozenset({"id", "created", "changed"})


class Why(StrEnum):
    """Why a request is refused."""

    NO_TABLE = "no_table"
    NO_ROW = "no_row"
    NO_COLUMN = "no_column"
    MISSING = "missing"
    INVALID = "invalid"
    NO_TARGET = "no_target"
    DUPLICATE = "duplicate"
    STATE = "state"
    MALFORMED = "malformed"


class Refused(Exception):
    """The system does not do this; each wire tells it in its own words."""

    def __init__(self, why: Why, message: str, *, column: str = "", existing: str = "") -> None:
        super().__init__(message)
        self.why = why
        self.message = message
        self.column = column
        self.existing = existing


Test = Callable[[Row], bool]


class Store:
    """The tables of one system."""

    def __init__(
        self, vendor: Vendor, tables: Tables, clock: Clock, *, knows_everybody: bool, lacks: Sequence[str] = ()
    ) -> None:
        self._vendor = vendor
        self._tables = tables
        self._clock = clock
        self._knows_everybody = knows_everybody
        self._indexed = clock.now()
        self._structure = Structure(vendor, tables, lacks)
        self._columns = self._structure.columns

    def index(self) -> None:
        """Let the search know everything that is there now."""
        self._indexed = self._clock.now()

    def create(self, table: str, values: Mapping[str, Any]) -> Row:
        """Insert a row with its children; all of it or nothing.

        Raises:
            Refused: something in it is missing, unknown, wrong or there already.
        """
        with self._tables.transaction():
            return self._create(table, values)

    def update(self, table: str, row_id: str, values: Mapping[str, Any], *, by_system: bool = False) -> Row:
        """Change a row.

        Raises:
            Refused: there is no such row, or the change is not allowed.
        """
        row = self.get(table, row_id)
        checked = self._checked(table, values, by_system=by_system)
        with self._tables.transaction():
            self._check_unique(table, checked, own_id=row_id)
            return self._put(table, {**row, **checked})

    def delete(self, table: str, row_id: str) -> None:
        """Remove a row with its children.

        Raises:
            Refused: there is no such row.
        """
        row = self.get(table, row_id)
        lists = [column for column in self.columns(table).values() if column.type is Type.CHILDREN]
        with self._tables.transaction():
            for column in lists:
                for child in self.children(row, column):
                    self._tables.delete(column.target.partition(".")[0], str(child["id"]))
            self._tables.delete(table, row_id)

    def act(self, table: str, row_id: str, name: str) -> Row:
        """Do a step of the work flow.

        Raises:
            Refused: there is no such step, or not from where the row stands.
        """
        action, row = self.definition(table).actions.get(name), self.get(table, row_id)
        if action is None:
            raise Refused(Why.NO_TABLE, f"{table} has no method {name!r}")
        if row.get(action.column) not in action.origins:
            raise Refused(Why.STATE, f"{name} is not possible while {action.column} is {row.get(action.column)!r}")
        return self.update(table, row_id, {action.column: action.to}, by_system=True)

    def get(self, table: str, row_id: str) -> Row:
        """Return a row with its computed columns.

        Raises:
            Refused: there is none.
        """
        self.definition(table)
        row = self._tables.get(table, row_id)
        if row is None:
            raise Refused(Why.NO_ROW, f"{table} {row_id} does not exist")
        return self._computed(table, row)

    def search(self, table: str, test: Test, *, order: str = "id", at_once: bool = True) -> list[Row]:
        """Return the rows that pass a test, in order; ``at_once`` False leaves out what the index does not know yet."""
        self.definition(table)
        known_since = max(self._indexed, self._clock.now() - timedelta(seconds=self._vendor.search_lag_s))
        rows = [self._computed(table, row) for row in self._tables.all(table)]
        found = [row for row in rows if test(row) and (at_once or _moment(row["created"]) <= known_since)]
        name, _, direction = order.strip().partition(" ")
        return sorted(
            found, key=lambda row: rank(row.get(name)), reverse=direction.strip().lower() in {"desc", "descending"}
        )

    def matching(self, table: str, conditions: Sequence[Condition]) -> Test:
        """Return a test that all conditions hold.

        Raises:
            Refused: a column is not there.
        """
        for each in conditions:
            self.check_column(table, each.column.split(".")[0])
        self._welcome(table, conditions)
        return lambda row: all(holds(each, self.value(table, row, each.column)) for each in conditions)

    def value(self, table: str, row: Row, path: str) -> Any:
        """Return what a path leads to, through links."""
        name, _, rest = path.partition(".")
        value = row.get(name)
        if not rest:
            return value
        column = self._columns[table][name]
        target = None if value in (None, "") else self._tables.get(column.target, str(value))
        return None if target is None else self.value(column.target, self._computed(column.target, target), rest)

    def children(self, row: Row, column: Column) -> list[Row]:
        """Return the rows that belong to a row."""
        target, _, parent = column.target.rpartition(".")
        return [child for child in self._tables.all(target) if str(child.get(parent)) == str(row["id"])]

    def definition(self, table: str) -> TableDefinition:
        """Return the declaration of a table.

        Raises:
            Refused: there is no such table.
        """
        if table not in self._structure.tables:
            raise Refused(Why.NO_TABLE, f"{table!r} does not exist")
        return self._structure.tables[table]

    def add_column(self, table: str, name: str, words: str) -> None:
        """Add a column of ours, as an administrator does; ``words`` are those of the declaration.

        Raises:
            Refused: there is no such table, or it has the column.
        """
        if name in self.columns(table):
            raise Refused(Why.DUPLICATE, f"{table} has a field {name!r}", column=name)
        with self._tables.transaction():
            self._structure.add(table, name, words)

    def models(self) -> list[str]:
        """Return the names of all tables."""
        return list(self._structure.tables)

    def known_columns(self, table: str) -> Mapping[str, Column]:
        """Return a table's columns, none where there is no such table."""
        return self._columns.get(table, {})

    def may_be_named(self, table: str) -> bool:
        """Say whether the caller chooses the names of a table's rows."""
        return self.definition(table).ids.startswith("column ")

    def let_be_named(self, table: str) -> None:
        """Let the caller choose the names of a table's rows from now on."""
        with self._tables.transaction():
            self._structure.let_be_named(table)

    def columns(self, table: str) -> Mapping[str, Column]:
        """Return a table's columns."""
        self.definition(table)
        return self._columns[table]

    def check_column(self, table: str, name: str) -> None:
        """Refuse a column that is not there.

        Raises:
            Refused: it is not there.
        """
        if name not in self.columns(table) and name not in SYSTEM and name not in self.definition(table).sums:
            raise Refused(Why.NO_COLUMN, f"{table} has no field {name!r}", column=name)

    def _create(self, table: str, values: Mapping[str, Any]) -> Row:
        columns = self.columns(table)
        checked = self._checked(table, values, by_system=False)
        defaults = {name: column.default for name, column in columns.items() if column.default is not None}
        for name, column in columns.items():
            if column.required and checked.get(name) in (None, "", []) and name not in defaults:
                raise Refused(Why.MISSING, f"{table}: field {name!r} is required", column=name)
        self._check_unique(table, checked, own_id=None)
        kept = {name: value for name, value in checked.items() if columns[name].type is not Type.CHILDREN}
        row = {**defaults, **kept, **self._numbers(table, checked), "created": self._clock.now().isoformat()}
        row = dict(self._put(table, row))
        for name, column in columns.items():
            if column.type is Type.CHILDREN:
                self._create_children(row["id"], column, checked.get(name) or [])
        return self._computed(table, row)

    def _create_children(self, parent_id: Any, column: Column, children: Sequence[Mapping[str, Any]]) -> None:
        target, _, parent = column.target.rpartition(".")
        for child in children:
            self._create(target, {**child, parent: parent_id})

    def _numbers(self, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
        definition = self.definition(table)
        style, _, detail = definition.ids.partition(" ")
        count = self._tables.next_number(table)
        made: dict[str, Any] = {"integer": count, "digits": str(10_000_000 + count), "hex": f"{count:032x}"}
        made |= {"series": f"{detail}{count:05}", "column": values.get(detail)}
        numbers = {"id": made[style]}
        if style == "column" and self._tables.get(table, str(values[detail])) is not None:
            raise Refused(
                Why.DUPLICATE, f"{table} {values[detail]} exists", column=detail, existing=str(values[detail])
            )
        if definition.number is not None:
            column, _, prefix = definition.number.partition(" ")
            numbers[column] = f"{prefix}{count:07}"
        return numbers

    def _put(self, table: str, row: Row) -> Row:
        computed = self.definition(table).sums.keys()
        kept = {name: value for name, value in row.items() if name not in computed}
        kept["changed"] = self._clock.now().isoformat()
        self._tables.put(table, str(row["id"]), kept)
        return self._computed(table, kept)

    def _checked(self, table: str, values: Mapping[str, Any], *, by_system: bool) -> dict[str, Any]:
        columns = self.columns(table)
        for name in values:
            if name not in columns:
                raise Refused(Why.NO_COLUMN, f"{table} has no field {name!r}", column=name)
        return {
            name: self._fit(table, columns[name], value)
            for name, value in values.items()
            if by_system or not columns[name].readonly
        }

    def _fit(self, table: str, column: Column, value: Any) -> Any:
        if value is None or value == "" or column.type is Type.CHILDREN:
            return value
        if not fits(column, value, texts_only=self._vendor.texts_only):
            raise Refused(Why.INVALID, f"{table}: {value!r} is no value of field {column.name!r}", column=column.name)
        if column.type is Type.LINK and self._tables.get(column.target, str(value)) is None:
            raise Refused(Why.NO_TARGET, f"{column.target} {value} does not exist", column=column.name)
        return value

    def _check_unique(self, table: str, values: Mapping[str, Any], *, own_id: str | None) -> None:
        for name, column in self.columns(table).items():
            value = values.get(name)
            if not column.unique or value in (None, ""):
                continue
            for row in self._tables.all(table):
                if str(row["id"]) != own_id and str(row.get(name)).casefold() == str(value).casefold():
                    message = f"{table}: {value!r} in field {name!r} exists"
                    raise Refused(Why.DUPLICATE, message, column=name, existing=str(row["id"]))

    def _computed(self, table: str, row: Row) -> Row:
        sums: dict[str, Any] = {}
        for name, declared in self.definition(table).sums.items():
            first, second = declared.factors
            children = [each for each in self._tables.all(declared.children) if each.get(declared.parent) == row["id"]]
            total = sum(float(child.get(first) or 0) * float(child.get(second) or 0) for child in children)
            sums[name] = f"{total:.2f}" if self._vendor.texts_only else round(total, 2)
        return {**row, **sums}

    def _welcome(self, table: str, conditions: Sequence[Condition]) -> None:
        """Enter a customer that is asked for, where the sandbox knows everybody."""
        customer = self._vendor.customer
        asked = [each for each in conditions if each.column == customer.column and each.operator == "="]
        if table != customer.table or not self._knows_everybody or not asked:
            return
        account = str(asked[0].value)
        if not any(str(row.get(customer.column)) == account for row in self._tables.all(table)):
            self.create(table, filled(customer.values, {"account": account}))


def filled(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which ``{name}`` stands for what is given, with its type."""
    return {
        name: given[value.strip("{}")] if isinstance(value, str) and value.startswith("{") else value
        for name, value in values.items()
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
