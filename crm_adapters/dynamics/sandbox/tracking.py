"""Change tracking: a tracked query ends in a delta link, which later tells what changed and what is gone.

Source: Microsoft Learn, "Use change tracking to synchronize data with external systems".
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import refuse
from crm_adapters.dynamics.sandbox.queries import next_link, render, run_query, select_of
from crm_adapters.dynamics.sandbox.schema import Table

PREFERENCE: Final = "odata.track-changes"
TOKEN: Final = "$deltatoken"  # noqa: S105 -- the name of a query option
LIFE_S: Final = 7 * 24 * 3600.0
_NOT_TRACKED: Final = ("$filter", "$orderby", "$expand", "$top")
_BEGUN: Final = "$begun"
"""Travels in the links of a tracked query: what changes while it is read page by page is told by the delta link."""


def tracked_page(
    environment: Environment, table: Table, query: Mapping[str, str], page_size: int, address: str
) -> dict[str, Any]:
    """Return one page of a tracked query with the link to what follows it.

    Raises:
        DataverseError: 400 for an option that cannot be tracked.
    """
    refused = [name for name in _NOT_TRACKED if name in query]
    if refused:
        raise refuse(400, "BadProperty", f"The {refused[0]} system query option is not supported with change tracking.")
    plain = {name: value for name, value in query.items() if name != _BEGUN}
    token = query.get(_BEGUN) or _token(environment)
    page = run_query(environment, table, environment.rows(table.name), plain, page_size)
    if page.next_token:
        return {"value": page.rows, "@odata.nextLink": next_link(address, {**plain, _BEGUN: token}, page.next_token)}
    return {"value": page.rows, "@odata.deltaLink": _link(address, plain, token)}


def delta_page(environment: Environment, table: Table, query: Mapping[str, str], address: str) -> dict[str, Any]:
    """Return what changed since a delta link was given, and the next one.

    Raises:
        DataverseError: 400 where the link has expired, or is none.
    """
    since = _version_of(environment, query[TOKEN])
    selected = select_of(table, query)
    rows = [render(table, row, selected) for row in environment.changed(table.name, since)]
    context = f"{address.rpartition('/')[0]}/$metadata#{table.entity_set}/$deletedEntity"
    gone = [
        {"@odata.context": context, "id": guid, "reason": "deleted"} for guid in environment.gone(table.name, since)
    ]
    return {"value": [*rows, *gone], "@odata.deltaLink": _link(address, query, _token(environment))}


def _token(environment: Environment) -> str:
    return f"{environment.version()}!{int(environment.moment().timestamp())}"


def _version_of(environment: Environment, token: str) -> int:
    version, _, given_at = token.partition("!")
    if not (version.isdecimal() and given_at.isdecimal()):
        raise refuse(400, "BadProperty", f"The delta token '{token}' is not valid.")
    if environment.moment().timestamp() - int(given_at) > LIFE_S:
        said = "Version stamp associated with the client has expired. Please perform a full sync."
        raise refuse(400, "ExpiredVersionStamp", said)
    return int(version)


def _link(address: str, query: Mapping[str, str], token: str) -> str:
    kept = {name: value for name, value in query.items() if name not in {TOKEN, "$skiptoken"}}
    options = (f"{name}={quote(value, safe='')}" for name, value in {**kept, TOKEN: token}.items())
    return f"{address}?{'&'.join(options)}"
