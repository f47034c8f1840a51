"""Metadata that client libraries read before they write: names of tables, and their choices."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from crm_adapters.dynamics.sandbox.addresses import Resource
from crm_adapters.dynamics.sandbox.errors import absent_key, refuse, unknown_resource
from crm_adapters.dynamics.sandbox.schema import Kind, Table
from crm_adapters.dynamics.sandbox.tables import TABLES

_SPACE: Final = UUID("0b2a6b0e-6c57-4b7c-8c5c-6f0f2f1f7a11")
_BY_NAME: Final = re.compile(r"^\s*LogicalName eq '(?P<name>\w+)'\s*$")
_PICKLISTS: Final = "Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata"


def answer_definitions(root: str, resource: Resource, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query on ``EntityDefinitions`` finds.

    Raises:
        DataverseError: the query is none of those the sandbox knows, or the table does not exist.
    """
    context = {"@odata.context": f"{root}/$metadata#EntityDefinitions"}
    if not resource.key:
        return context | {"value": [_definition(table) for table in _matching(query)]}
    name = resource.key.get("LogicalName", "")
    if name not in TABLES:
        raise absent_key("entity", {"LogicalName": name})
    if not resource.rest:
        return context | _definition(TABLES[name])
    if resource.rest == _PICKLISTS:
        return context | {"value": _picklists(TABLES[name])}
    raise unknown_resource(resource.rest)


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


def _label(text: str) -> dict[str, Any]:
    label = {"Label": text, "LanguageCode": 1033}
    return {"LocalizedLabels": [label], "UserLocalizedLabel": label}


def _metadata_id(name: str) -> str:
    return str(uuid5(_SPACE, name))
