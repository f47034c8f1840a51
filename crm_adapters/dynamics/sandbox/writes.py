"""Creating and changing rows: requirements, states, nested rows, and the tables' own rules around them."""

from collections.abc import Mapping
from typing import Any

from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import refuse
from crm_adapters.dynamics.sandbox.payloads import PayloadReader, canonical
from crm_adapters.dynamics.sandbox.rules import NO_RULES, RULES
from crm_adapters.dynamics.sandbox.schema import Level, Table
from crm_adapters.dynamics.sandbox.tables import status_reasons


class Writer:
    """Writes rows inside the caller's transaction. ``strict`` enforces what only forms enforce on the platform."""

    def __init__(self, environment: Environment, references: Mapping[str, str], *, strict: bool) -> None:
        self._environment = environment
        self._reader = PayloadReader(environment, references)
        self._strict = strict

    def create(self, table: Table, body: Mapping[str, Any], key: Mapping[str, str]) -> Mapping[str, Any]:
        """Create a row with its nested rows; values of the body win over those of the ``key``.

        Raises:
            DataverseError: the platform or a rule refuses it.
        """
        payload = self._reader.read(table, body)
        if "statecode" in payload.values:
            raise refuse(400, "InvalidArgument", f"statecode cannot be set when a {table.name} is created")
        values: dict[str, Any] = {**_defaults(table), **_key_values(table, key), **payload.values}
        rules = RULES.get(table.name, NO_RULES)
        rules.before_create(self._environment, values)
        self._require(table, values)
        _check_status(table, values["statecode"], values["statuscode"])
        row = self._environment.insert(table, values)
        rules.after_create(self._environment, row)
        self._create_nested(table, row, payload.nested)
        return self._environment.get(table.name, str(row[table.primary_id]))

    def update(self, table: Table, row: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change a row.

        Raises:
            DataverseError: the platform or a rule refuses it.
        """
        payload = self._reader.read(table, body)
        if payload.nested:
            raise refuse(400, "BadPayload", "Deep updates are not supported in PUT or PATCH operations.")
        guid = str(row[table.primary_id])
        changes = payload.values
        self._complete_state(table, row, changes)
        rules = RULES.get(table.name, NO_RULES)
        rules.before_update(self._environment, row, changes)
        self._require(table, {**row, **changes})
        changed = self._environment.change(table.name, guid, changes)
        rules.after_update(self._environment, row, changed)
        return self._environment.get(table.name, guid)

    def delete(self, table: Table, row: Mapping[str, Any]) -> None:
        """Delete a row and its cascading children."""
        rules = RULES.get(table.name, NO_RULES)
        self._environment.delete(table, str(row[table.primary_id]))
        rules.after_delete(self._environment, row)

    def _create_nested(self, table: Table, row: Mapping[str, Any], nested: Mapping[str, list[dict[str, Any]]]) -> None:
        for navigation, bodies in nested.items():
            collection = table.collections[navigation]
            parent = {f"_{collection.column}_value": str(row[table.primary_id])}
            for body in bodies:
                self.create(self._environment.model.table(collection.table), body, parent)

    def _require(self, table: Table, values: Mapping[str, Any]) -> None:
        for column in table.columns.values():
            if self._is_required(column.level) and values.get(column.name) in {None, ""}:
                raise _missing(table, column.name)
        for lookup in table.lookups.values():
            if self._is_required(lookup.level) and values.get(lookup.value_name) is None:
                raise _missing(table, lookup.column)

    def _is_required(self, level: Level) -> bool:
        return level is Level.SYSTEM or (self._strict and level is Level.APPLICATION)

    def _complete_state(self, table: Table, row: Mapping[str, Any], changes: dict[str, Any]) -> None:
        if "statecode" in changes and "statuscode" not in changes:
            changes["statuscode"] = status_reasons(table.name)[changes["statecode"]][0]
        if "statuscode" in changes:
            _check_status(table, changes.get("statecode", row["statecode"]), changes["statuscode"])


def _defaults(table: Table) -> dict[str, Any]:
    values: dict[str, Any] = {
        column.name: column.default for column in table.columns.values() if column.default is not None
    }
    state, reasons = next(iter(status_reasons(table.name).items()))
    return {**values, "statecode": state, "statuscode": reasons[0]}


def _key_values(table: Table, key: Mapping[str, str]) -> dict[str, Any]:
    """Return what an address says about the row; ids and lookups are taken as they are."""
    return {
        name: canonical(table, table.columns[name], value) if name in table.columns else value
        for name, value in key.items()
    }


def _check_status(table: Table, state: int, reason: int) -> None:
    if reason not in status_reasons(table.name)[state]:
        raise refuse(400, "NotAllowed", f"{reason} is not a valid status code for state code {state} on {table.name}")


def _missing(table: Table, name: str) -> Exception:
    return refuse(400, "InvalidArgument", f"Required field '{name}' of '{table.name}' is missing")
