"""Routes for comparing orders with the CRMs' records: have it done, how it went, and what differs."""

from typing import Any

import msgspec
from aiohttp import web

from actors.dialogue import Reconcile, connection_address
from actors.model.base import Value
from actors.model.findings import Finding, Reconciliation
from actors.model.readings import PrincipalKind
from actors.model.routes import operation
from hub.api.context import Hub, answer, asker, body_of, hub_of, scope_of
from hub.api.problems import Problem


class Comparison(Value, frozen=True, kw_only=True):
    """What is to be compared."""

    full: bool = False
    """All records of the CRM, not only what changed since the last time."""


@operation(reply=list[Finding])
async def list_findings(request: web.Request) -> web.Response:
    """Return what differs and waits for a person, oldest first: of the asker's orders, or all for the operator."""
    hub = hub_of(request)
    rows = hub.journal.records("finding", scope_of(asker(request)))
    found = [msgspec.json.decode(row.body or b"", type=Finding) for row in rows]
    found.sort(key=lambda finding: (finding.found_at is None, finding.found_at))
    return answer(found)


@operation(body=Comparison, status=(202,))
async def start(request: web.Request) -> web.Response:
    """Have a connection compared; 202 at once, how it went stands in the answer to GET."""
    principal = asker(request)
    if principal.kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "a comparison shows records of all owners; only the operator starts one")
    hub, name = hub_of(request), _connection(request)
    wanted = await body_of(request, Comparison)
    message = Reconcile(connection=name, by=principal.name, is_full=wanted.full)
    said = await hub.engine.ask(connection_address(name), message)
    return answer({"connection": name, "result": said, "reconciliation": _last(hub, name)}, status=202)


@operation()
async def show(request: web.Request) -> web.Response:
    """Return how the last comparison of a connection went, or is going."""
    asker(request)
    return answer(_last(hub_of(request), _connection(request)))


def _connection(request: web.Request) -> str:
    name = request.match_info["connection"]
    if name not in hub_of(request).hear:
        raise Problem(404, "not_found", f"there is no CRM connection {name}", "list them with GET /api/v1/connections")
    return name


def _last(hub: Hub, name: str) -> Any:
    body = hub.journal.record("reconciliation", name)
    return {} if body is None else msgspec.json.decode(body, type=Reconciliation)


ROUTES = (
    web.get("/api/v1/findings", list_findings),
    web.post("/api/v1/connections/{connection}/reconcile", start),
    web.get("/api/v1/connections/{connection}/reconciliation", show),
)
