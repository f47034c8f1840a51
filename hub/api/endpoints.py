"""Routes for owners' endpoints: where they want to be told what happens to their things."""

import secrets
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace
from yarl import URL

from actors.dialogue import CloseEndpoint, EnableEndpoint, OpenEndpoint, endpoint_address
from actors.model.base import Value
from actors.model.endpoints import Delivered, Endpoint, EndpointId, EndpointView, Topic
from actors.model.ids import OwnerId
from actors.model.readings import Principal
from actors.model.routes import operation
from hub.announcing.sender import BOTH_SIGN
from hub.api.context import Hub, OwnerName, answer, asker, body_of, check_owner, hub_of, scope_of
from hub.api.problems import Problem

_KIND: Final = "endpoint"


class NewEndpoint(Value, frozen=True, kw_only=True):
    """Where an owner wants to be told, and of what. An operator names the owner."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    topics: Annotated[tuple[Topic, ...], Meta(min_length=1)] = tuple(Topic)
    owner_id: OwnerName | None = None


@operation()
async def list_endpoints(request: web.Request) -> web.Response:
    """Return the asker's endpoints with how each is doing; never a secret."""
    rows = hub_of(request).journal.records(_KIND, scope_of(asker(request)))
    return answer([_shown(_view(row.body or b"")) for row in rows])


@operation(body=NewEndpoint, status=(201,))
async def register(request: web.Request) -> web.Response:
    """Register an endpoint; the answer holds the secret of its signatures, this once."""
    principal, hub = asker(request), hub_of(request)
    new = await body_of(request, NewEndpoint)
    owner_id = _owner(principal, new)
    url = _checked(hub, new.url)
    if len(list(hub.journal.records(_KIND, owner_id, limit=hub.most_endpoints))) >= hub.most_endpoints:
        told = f"{owner_id} has {hub.most_endpoints} endpoints already"
        raise Problem(409, "too_many_endpoints", told, "delete one with DELETE /api/v1/endpoints/{id}")
    endpoint = Endpoint(
        endpoint_id=EndpointId(f"ep_{secrets.token_hex(8)}"),
        owner_id=owner_id,
        url=url,
        topics=new.topics,
        registered_at=hub.clock.now(),
    )
    return answer(await _opened(hub, endpoint), status=201)


@operation()
async def show(request: web.Request) -> web.Response:
    """Return one endpoint: what waits, since when it fails and why, or why it is disabled."""
    return answer(_shown(_found(request)))


@operation()
async def close(request: web.Request) -> web.Response:
    """Delete an endpoint; what waited for it is dropped."""
    view, principal = _found(request), asker(request)
    await hub_of(request).engine.ask(_address(view), CloseEndpoint(by=principal.name))
    return answer({"endpoint_id": view.endpoint.endpoint_id, "state": "deleted"})


@operation()
async def enable(request: web.Request) -> web.Response:
    """Try an endpoint again, now, and tell it what waits."""
    view, principal = _found(request), asker(request)
    after = await hub_of(request).engine.ask(_address(view), EnableEndpoint(by=principal.name))
    return answer(_shown(after or view))


@operation()
async def test(request: web.Request) -> web.Response:
    """Send a test message now, once, and return what came of it."""
    outcome = await hub_of(request).sender.test(_found(request).endpoint)
    if isinstance(outcome, Delivered):
        return answer({"delivered": True, "detail": f"it answered {outcome.status}"})
    return answer({"delivered": False, "detail": outcome.reason})


@operation(status=(201,))
async def exchange_secret(request: web.Request) -> web.Response:
    """Make a new secret, shown this once; for a day the former one signs, too."""
    hub, former = hub_of(request), _found(request).endpoint
    until = hub.clock.now() + BOTH_SIGN
    endpoint = replace(former, generation=former.generation + 1, former_until=until)
    return answer(await _opened(hub, endpoint), status=201)


async def _opened(hub: Hub, endpoint: Endpoint) -> dict[str, Any]:
    view = await hub.engine.ask(endpoint_address(endpoint.endpoint_id), OpenEndpoint(endpoint=endpoint))
    return _shown(view) | {"secret": hub.sender.secret_of(endpoint)}


def _owner(principal: Principal, new: NewEndpoint) -> OwnerId:
    """Return whose endpoint it becomes.

    Raises:
        Problem: an operator names nobody, or an owner somebody else.
    """
    owner_id = new.owner_id or principal.owner_id
    if owner_id is None:
        raise Problem(422, "malformed", "owner_id: expected whose things it is told of", "name the owner")
    check_owner(principal, owner_id, f"owner {owner_id}")
    return owner_id


def _checked(hub: Hub, told: str) -> str:
    """Return an address as it is spoken to.

    Raises:
        Problem: it is none, or nothing may be sent there.
    """
    next_step = "name an https address of the public internet; the operator lists others in [webhooks] internal_hosts"
    try:
        url = str(URL(told).with_fragment(None))
    except ValueError:
        raise Problem(422, "unusable_url", "url: expected an absolute https URL", next_step) from None
    refused = hub.sender.why_not(url)
    if refused is not None:
        raise Problem(422, "unusable_url", f"url: {refused}", next_step)
    return url


def _found(request: web.Request) -> EndpointView:
    principal, endpoint_id = asker(request), request.match_info["endpoint_id"]
    body = hub_of(request).journal.record(_KIND, endpoint_id)
    what = f"endpoint {endpoint_id}"
    if body is None:
        raise Problem(404, "not_found", f"there is no {what}", "list them with GET /api/v1/endpoints")
    view = _view(body)
    check_owner(principal, view.endpoint.owner_id, what)
    return view


def _view(body: bytes) -> EndpointView:
    return msgspec.json.decode(body, type=EndpointView)


def _address(view: EndpointView) -> str:
    return endpoint_address(view.endpoint.endpoint_id)


def _shown(view: EndpointView) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(view, enc_hook=str)
    endpoint: dict[str, Any] = told.pop("endpoint")
    state = "disabled" if view.disabled else "failing" if view.failing_since is not None else "up"
    return {**endpoint, "state": state, **told}


ROUTES = (
    web.get("/api/v1/endpoints", list_endpoints),
    web.post("/api/v1/endpoints", register),
    web.get("/api/v1/endpoints/{endpoint_id}", show),
    web.delete("/api/v1/endpoints/{endpoint_id}", close),
    web.post("/api/v1/endpoints/{endpoint_id}/enable", enable),
    web.post("/api/v1/endpoints/{endpoint_id}/test", test),
    web.post("/api/v1/endpoints/{endpoint_id}/secret", exchange_secret),
)
