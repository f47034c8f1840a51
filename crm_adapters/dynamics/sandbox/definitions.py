"""Metadata that clients read before they write: tables, their columns and choices, and their alternate keys."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from crm_adapters.dynamics.sandbox.addresses import Resource
from crm_adapters.dynamics.sandbox.errors import absent_key, refuse, unknown_resource
from crm_adapters.dynamics.sandbox.model import PRIVILEGES, Model
from crm_adapters.dynamics.sandbox.schema import Kind, Level, Table

USER_ID: Final = "00000000-0000-0000-0000-00000000a001"
"""The application user."""
_SPACE: Final = UUID("0b2a6b0e-6c57-4b7c-8c5c-6f0f2f1f7a11")
_BY_NAME: Final = re.compile(r"^\s*LogicalName eq '(?P<name>\w+)'\s*$")


def answer_definitions(model: Model, root: str, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query on ``EntityDefinitions`` finds.

    Raises:
        DataverseError: the query is none of those the sandbox knows, or the table does not exist.
    """
    context = {"@odata.context": f"{root}/$metadata#EntityDefinitions"}
    if not resource.is_single:
        return context | {"value": [_definition(table) for table in _matching(model, query)]}
    table = _named(model, resource)
    if not resource.rest:
        return context | _definition(table) | _expanded(model, table, query.get("$expand", ""))
    parts = _PARTS.get(resource.rest)
    if parts is None:
        raise unknown_resource(resource.rest)
    return context | {"value": parts(model, table)}


def answer_privileges(model: Model, resource: Resource) -> dict[str, Any]:
    """Return what ``RetrieveUserPrivileges`` tells of the application user.

    Raises:
        DataverseError: something else is asked of users.
    """
    if resource.rest.removesuffix("()") != "Microsoft.Dynamics.CRM.RetrieveUserPrivileges":
        raise unknown_resource(resource.rest or resource.name)
    granted = [
        {"PrivilegeName": name, "PrivilegeId": _metadata_id(name), "Depth": "Global"} for name in model.granted()
    ]
    return {"RolePrivileges": granted}


def add_definition(model: Model, resource: Resource, body: Mapping[str, Any]) -> None:
    """Add a column or an alternate key to a table.

    Raises:
        DataverseError: it cannot be added.
    """
    table = _named(model, resource)
    match resource.rest:
        case "Attributes":
            model.add_column(table, body)
        case "Keys":
            model.add_key(table, body)
        case _:
            raise unknown_resource(resource.rest)


def _expanded(model: Model, table: Table, expand: str) -> dict[str, Any]:
    """Return the expanded collections, whatever was selected of them."""
    names = {part.partition("(")[0] for part in re.split(r",(?![^(]*\))", expand) if part}
    return {name: _PARTS[name](model, table) for name in ("Attributes", "Keys") if name in names}


def _named(model: Model, resource: Resource) -> Table:
    name = resource.key.get("LogicalName", "")
    found = model.find(name) or next(
        (table for table in model.all() if _metadata_id(table.name) == resource.guid), None
    )
    if found is None:
        raise absent_key("entity", {"LogicalName": name or resource.guid})
    return found


def _matching(model: Model, query: Mapping[str, str]) -> list[Table]:
    text = query.get("$filter")
    if text is None:
        return model.all()
    match = _BY_NAME.match(text)
    if match is None:
        raise refuse(400, "BadProperty", f"This sandbox filters EntityDefinitions by LogicalName only: {text}")
    return [table for table in model.all() if table.name == match["name"].lower()]


def _definition(table: Table) -> dict[str, Any]:
    return {
        "MetadataId": _metadata_id(table.name),
        "LogicalName": table.name,
        "SchemaName": table.name,
        "EntitySetName": table.entity_set,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
        "ChangeTrackingEnabled": True,
        "Privileges": [_privilege(table, kind) for kind in PRIVILEGES],
    }


def _privilege(table: Table, kind: str) -> dict[str, Any]:
    name = f"prv{kind}{table.name}"
    return {"Name": name, "PrivilegeId": _metadata_id(name), "PrivilegeType": kind}


def _picklists(_model: Model, table: Table) -> list[dict[str, Any]]:
    choices = (column for column in table.columns.values() if column.kind is Kind.CHOICE)
    return [
        {
            "LogicalName": column.name,
            "MetadataId": _metadata_id(f"{table.name}.{column.name}"),
            "OptionSet": {"Options": [{"Value": value, "Label": _label(str(value))} for value in column.options]},
        }
        for column in choices
        if column.name not in {"statecode", "statuscode"}
    ]


def _attributes(_model: Model, table: Table) -> list[dict[str, Any]]:
    own = [(table.primary_id, "Uniqueidentifier", Level.SYSTEM)]
    own += [(column.name, _TYPES[column.kind], column.level) for column in table.columns.values()]
    lookups = {lookup.column: ("Lookup", lookup.level) for lookup in table.lookups.values()}
    own += [(name, *told) for name, told in lookups.items()]
    return [
        {
            "MetadataId": _metadata_id(f"{table.name}.{name}"),
            "LogicalName": name,
            "SchemaName": name,
            "AttributeType": kind,
            "RequiredLevel": {"Value": _LEVELS[level], "CanBeChanged": True},
        }
        for name, kind, level in own
    ]


def _keys(model: Model, table: Table) -> list[dict[str, Any]]:
    keys = [
        {
            "MetadataId": _metadata_id(f"{table.name} key {column}"),
            "LogicalName": f"{column}key",
            "SchemaName": f"{column}Key",
            "EntityLogicalName": table.name,
            "KeyAttributes": [column],
            "EntityKeyIndexStatus": model.key_status(table, column),
        }
        for column in table.keys
    ]
    model.build_indexes()  # who asks again finds them built
    return keys


def _label(text: str) -> dict[str, Any]:
    label = {"Label": text, "LanguageCode": 1033}
    return {"LocalizedLabels": [label], "UserLocalizedLabel": label}


def _metadata_id(name: str) -> str:
    return str(uuid5(_SPACE, name))


_TYPES: Final = {
    Kind.TEXT: "String",
    Kind.WHOLE: "Integer",
    Kind.MONEY: "Money",
    Kind.DECIMAL: "Decimal",
    Kind.FLAG: "Boolean",
    Kind.TIME: "DateTime",
    Kind.CHOICE: "Picklist",
}
_LEVELS: Final = {Level.NONE: "None", Level.APPLICATION: "ApplicationRequired", Level.SYSTEM: "SystemRequired"}
_PARTS: Final[dict[str, Callable[[Model, Table], list[dict[str, Any]]]]] = {
    "Attributes": _attributes,
    "Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata": _picklists,
    "Keys": _keys,
}
