"""Definitions of tables as an environment tells them: columns, alternate keys, privileges."""

from collections.abc import Mapping

from msgspec import Struct

from actors.model.outcomes import Failure
from crm_adapters.dynamics.addresses import literal, with_options
from crm_adapters.dynamics.client import DataverseClient, Row, understood
from crm_adapters.dynamics.failures import WireAnswer

ACTIVE = "Active"


class Definition(Struct, frozen=True, kw_only=True):
    """One table: type of its columns by name, index status of its one-column keys, privilege ids by type."""

    columns: Mapping[str, str]
    keys: Mapping[str, str]
    privileges: Mapping[str, str]
    is_tracked: bool


async def definition_of(client: DataverseClient, table: str) -> Definition | Failure | None:
    """Return how a table is defined, None where there is none."""
    answer = await client.read(definition_path(table) + _OPTIONS)
    if not isinstance(answer, WireAnswer):
        return answer
    return None if answer.is_absent else understood(lambda: _definition(answer.body))


async def granted_privileges(client: DataverseClient) -> frozenset[str] | Failure:
    """Return the ids of the privileges that our application user's roles grant."""
    who = await client.read("WhoAmI")
    if not isinstance(who, WireAnswer):
        return who
    path = f"systemusers({who.body.get('UserId')})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges"
    answer = await client.read(path)
    if not isinstance(answer, WireAnswer):
        return answer
    return understood(lambda: frozenset(str(each["PrivilegeId"]) for each in answer.body["RolePrivileges"]))


def definition_path(table: str) -> str:
    """Return where a table is defined."""
    return f"EntityDefinitions(LogicalName={literal(table)})"


def _definition(row: Row) -> Definition:
    keys = {
        str(key["KeyAttributes"][0]): str(key["EntityKeyIndexStatus"])
        for key in row["Keys"]
        if len(key["KeyAttributes"]) == 1
    }
    return Definition(
        columns={str(column["LogicalName"]): str(column["AttributeType"]) for column in row["Attributes"]},
        keys=keys,
        privileges={str(each["PrivilegeType"]): str(each["PrivilegeId"]) for each in row["Privileges"]},
        is_tracked=bool(row["ChangeTrackingEnabled"]),
    )


_OPTIONS = with_options(
    "",
    select="LogicalName,ChangeTrackingEnabled,Privileges",
    expand="Attributes($select=LogicalName,AttributeType),Keys($select=KeyAttributes,EntityKeyIndexStatus)",
)
