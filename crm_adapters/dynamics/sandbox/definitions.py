"""Metadata that clients read before they write: tables, their columns and choices, and their alternate keys."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from crm_adapters.dynamics.sandbox.addresses import Resource
from crm_adapters.dynamics.sandbox.errors import absent_key, refuse, unknown_resource
from crm_adapters.dynamics.sandbox.schema import Kind, Level, Table
from crm_adapters.dynamics.sandbox.tables import TABLES

_SPACE: Final = UUID("0b2a6b0e-6c57-4b7c-8c5c-6f0f2f1f7a11")
_BY_NAME: Final = re.compile(r"^\s*LogicalName eq '(?P<name>\w+)'\s*$")


def answer_definitions(root: str, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query on ``EntityDefinitions`` finds.

    Raises:
        DataverseError: the query is none of those the sandbox knows, or the table does not exist.
    """
    context = {"@odata.context": f"{root}/$metadata#EntityDefinitions"}
    if not resource.is_single:
        return context | {"value": [_definition(table) for table in _matching(query)]}
    table = _named(resource)
    if not resource.rest:
        return context | _definition(table)
    parts = _PARTS.get(resource.rest)
    if parts is None:
        raise unknown_resource(resource.rest)
    return context | {"value": parts(table)}


def _named(resource: Resource) -> Table:
    name = resource.key.get("LogicalName", "")
    found = TABLES.get(name) or next(
        (table for table in TABLES.values() if _metadata_id(table.name) == resource.guid), None
    )
    if found is None:
        raise absent_key("entity", {"LogicalName": name or resource.guid})
    return found


def _matching(query: Mapping[str, str]) -> list[Table]:
    text = query.get("$filter")
    if text is None:
        return list(TABLES.values())
    match = _BY_NAME.match(text)
    if match is None:
        raise refuse(400, "BadProperty", f"This sandbox filters EntityDefinitions by LogicalName only: {text}")
    return [table for table in TABLES.values() if table.name == match["name"].lower()]


def _definition(table: Table) -> dict[str, Any]:
    return {
        "MetadataId": _metadata_id(table.name),
        "LogicalName": table.name,
        "SchemaName": table.name,
        "EntitySetName": table.entity_set,
        "PrimaryIdAttribute": table.primary_id,
        "PrimaryNameAttribute": table.primary_name,
    }


def _picklists(table: Table) -> list[dict[str, Any]]:
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


def _attributes(table: Table) -> list[dict[str, Any]]:
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


def _keys(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "MetadataId": _metadata_id(f"{table.name} key {column}"),
            "LogicalName": f"{column}key",
            "SchemaName": f"{column}Key",
            "EntityLogicalName": table.name,
            "KeyAttributes": [column],
            "EntityKeyIndexStatus": "Active",
        }
        for column in table.keys
    ]


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
_PARTS: Final[dict[str, Callable[[Table], list[dict[str, Any]]]]] = {
    "Attributes": _attributes,
    "Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata": _picklists,
    "Keys": _keys,
}
