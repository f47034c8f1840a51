"""Bound and unbound actions: closing orders and cases, several rows at once."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from crm_adapters.dynamics.sandbox.addresses import parse_resource
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import refuse, unknown_resource
from crm_adapters.dynamics.sandbox.schema import Table
from crm_adapters.dynamics.sandbox.tables import (
    ORDER_ACTIVE,
    ORDER_CANCELED,
    ORDER_FULFILLED,
    ORDER_SUBMITTED,
    status_reasons,
)
from crm_adapters.dynamics.sandbox.writes import Writer

Body = Mapping[str, Any]
_BOUND: Final = "Microsoft.Dynamics.CRM."
_DEFAULT_STATUS: Final = -1
_RESOLVED: Final = 1


def cancel_order(environment: Environment, writer: Writer, body: Body) -> None:
    """Carry out CancelSalesOrder."""
    _close_order(environment, writer, body, ORDER_CANCELED)


def fulfill_order(environment: Environment, writer: Writer, body: Body) -> None:
    """Carry out FulfillSalesOrder."""
    _close_order(environment, writer, body, ORDER_FULFILLED)


def close_case(environment: Environment, writer: Writer, body: Body) -> None:
    """Carry out CloseIncident."""
    resolution = writer.create(
        environment.model.table("incidentresolution"), _parameter(body, "IncidentResolution"), {}
    )
    case = environment.get("incident", str(resolution["_incidentid_value"]))
    if case["statecode"] != 0:
        raise refuse(400, "NotAllowed", "This case is already resolved or canceled.")
    reason = _status("incident", _RESOLVED, body)
    environment.change("incident", str(case["incidentid"]), {"statecode": _RESOLVED, "statuscode": reason})


ACTIONS: Final[dict[str, Callable[[Environment, Writer, Body], None]]] = {
    "CancelSalesOrder": cancel_order,
    "FulfillSalesOrder": fulfill_order,
    "CloseIncident": close_case,
}


def bulk_action(environment: Environment, writer: Writer, table: Table, name: str, body: Body) -> dict[str, Any]:
    """Carry out CreateMultiple, UpdateMultiple or UpsertMultiple on ``table``: all rows or none.

    Raises:
        DataverseError: a row is refused, or there is no such action.
    """
    targets = _targets(body)
    match name.removeprefix(_BOUND):
        case "CreateMultiple":
            return {"Ids": [writer.create(table, target, {})[table.primary_id] for target in targets]}
        case "UpdateMultiple":
            for target in targets:
                writer.update(table, environment.get(table.name, str(target.get(table.primary_id, ""))), target)
            return {}
        case "UpsertMultiple":
            return {"Results": [_upsert(environment, writer, table, target) for target in targets]}
        case _:
            raise unknown_resource(name)


def _upsert(environment: Environment, writer: Writer, table: Table, target: Body) -> dict[str, Any]:
    address = str(target.get("@odata.id", ""))
    resource = parse_resource(address) if address else parse_resource(f"{table.entity_set}({target[table.primary_id]})")
    if set(resource.key) & set(target):  # Microsoft's own client stumbled over it (PowerPlatform-DataverseClient 127)
        raise refuse(400, "Unexpected", "An unexpected error occurred: a key attribute is also in the payload.")
    row = environment.tables.get(table.name, resource.guid) if resource.guid else environment.find(table, resource.key)
    if row is not None:
        changed = writer.update(table, row, target)
        return {"RecordCreated": False, "Id": changed[table.primary_id]}
    made = writer.create(table, target, {table.primary_id: resource.guid} if resource.guid else resource.key)
    return {"RecordCreated": True, "Id": made[table.primary_id]}


def _close_order(environment: Environment, writer: Writer, body: Body, state: int) -> None:
    closing = writer.create(environment.model.table("orderclose"), _parameter(body, "OrderClose"), {})
    order = environment.get("salesorder", str(closing["_salesorderid_value"]))
    if order["statecode"] not in {ORDER_ACTIVE, ORDER_SUBMITTED}:
        raise refuse(400, "NotAllowed", "The order is already closed.")
    reason = _status("salesorder", state, body)
    environment.change("salesorder", str(order["salesorderid"]), {"statecode": state, "statuscode": reason})


def _targets(body: Body) -> list[dict[str, Any]]:
    try:
        return msgspec.convert(body.get("Targets"), list[dict[str, Any]])
    except msgspec.ValidationError as error:
        raise refuse(400, "InvalidArgument", f"The required field 'Targets' is missing or no list: {error}") from error


def _parameter(body: Body, name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise refuse(400, "InvalidArgument", f"The required field '{name}' is missing.")
    return cast("dict[str, Any]", value)


def _status(table: str, state: int, body: Body) -> int:
    reason = body.get("Status")
    if not isinstance(reason, int):
        raise refuse(400, "InvalidArgument", "The required field 'Status' is missing.")
    allowed = status_reasons(table)[state]
    if reason == _DEFAULT_STATUS:
        return allowed[0]
    if reason not in allowed:
        raise refuse(400, "NotAllowed", f"{reason} is not a valid status code for state code {state} on {table}")
    return reason
