"""What the API's handlers share: the hub's parts, who asks, and how answers are written."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from actors.desk.health import DeskStatus
from actors.model.advice import Advice
from actors.model.ids import InstallationId, OwnerId, ThingId
from actors.model.machine import Declined
from actors.model.outcomes import HeardOutcome, Permanent
from actors.model.readings import Principal, PrincipalKind
from actors.model.things import ThingRecord
from actors.ports import Clock, ConnectedThing, LinkStatus, ThingForms, Webhook
from actors.runtime.contract import Engine
from hub.announcing.sender import EndpointSender
from hub.api.bodies import whole_body
from hub.api.problems import Problem
from hub.compute import Compute
from hub.exchange import Exchange
from hub.federation import Federation
from hub.record_watch import RecordWatch
from hub.registry import Registry
from hub.storage.whole import HubJournal
from hub.switching import Switches

_T = TypeVar("_T")
_PAGE = 1000
_Whatever: Any = Any
_MOST_A_PAGE = 10_000

OwnerName = Annotated[OwnerId, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")]
"""What an owner may be called."""


class Hub(Struct, frozen=True, kw_only=True):
    """The running parts that the API speaks for."""

    name: str
    engine: Engine
    journal: HubJournal
    registry: Registry
    clock: Clock
    communities: Sequence[str]
    protocols: Sequence[str]
    desks: Callable[[], Sequence[DeskStatus]]
    hear: Mapping[str, Callable[[Webhook], Awaitable[HeardOutcome]]]
    """By connection: who takes messages of its CRM."""
    doubt: Mapping[str, Callable[[Webhook], Permanent | None]]
    """By connection: who says why a message is not its CRM's."""
    links: Callable[[], Sequence[LinkStatus]]
    counters: Callable[[], Mapping[str, Mapping[str, int]]]
    seal: Callable[[bytes], str]
    forms: Callable[[str, ConnectedThing, str], ThingForms]
    """How a thing is reached by its protocol, for whom the hub is at this host."""
    switches: Switches
    sender: EndpointSender
    most_endpoints: int
    watch: RecordWatch
    compute: Compute
    federation: Federation
    exchange: Exchange
    installation: InstallationId
    advise: Callable[[ThingRecord, str], Awaitable[Advice | Declined]]
    """Ask a thing's peers for it."""
    spares: Callable[[ThingRecord, tuple[float, ...], str], Awaitable[Advice | Declined]]
    """Ask through a thing how many of a spare part its owner's fleet should keep."""


HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)


def hub_of(request: web.Request) -> Hub:
    """Return the hub behind this request."""
    return request.app[HUB]


def asker(request: web.Request) -> Principal:
    """Return who asks: an owner or the operator.

    Raises:
        Problem: no token, an unknown one, or one of a thing.
    """
    principal = _bearer(request)
    if principal is None:
        raise Problem(401, "unauthorized", "expected a valid bearer token", "send the token of owner.token")
    if principal.kind not in {PrincipalKind.OWNER, PrincipalKind.OPERATOR}:
        raise Problem(403, "forbidden", f"{principal.name} is a thing; owners and operators use this API")
    return principal


def record_in_path(request: web.Request, *, or_itself: bool = False, prefix: str = "") -> ThingRecord:
    """Return the thing that the path names, to its owner, an operator, or (``or_itself``) the thing.

    Raises:
        Problem: no token, no such thing, or somebody else's.
    """
    thing_id = ThingId(request.match_info["thing_id"].removeprefix(prefix))
    itself = or_itself and _bearer(request)
    if itself and itself.kind is PrincipalKind.THING and itself.thing_id == thing_id:
        owner_id = itself.owner_id
    else:
        owner_id = scope_of(asker(request))
    record = hub_of(request).registry.record(thing_id)
    if record is None or owner_id not in {None, record.owner_id}:
        raise Problem(404, "not_found", f"there is no thing {thing_id}", "list them with GET /api/v1/things")
    return record


def page_limit(request: web.Request) -> int:
    """Return how much a page may hold.

    Raises:
        Problem: it is no such number.
    """
    told = request.query.get("limit", str(_PAGE))
    if not told.isascii() or not told.isdecimal() or len(told) > 9 or not 1 <= int(told) <= _MOST_A_PAGE:
        raise Problem(422, "malformed", f"limit: expected 1 to {_MOST_A_PAGE}, got {told[:20]!r}")
    return int(told)


def _bearer(request: web.Request) -> Principal | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return hub_of(request).registry.by_bearer(token.strip()) if scheme.lower() == "bearer" else None


def scope_of(principal: Principal) -> OwnerId | None:
    """Return whose data this principal may see; None means everybody's."""
    return None if principal.kind is PrincipalKind.OPERATOR else principal.owner_id


def check_owner(principal: Principal, owner_id: OwnerId, what: str) -> None:
    """Refuse what belongs to another owner, as if it did not exist.

    Raises:
        Problem: it is not this principal's.
    """
    scope = scope_of(principal)
    if scope is not None and scope != owner_id:
        raise Problem(404, "not_found", f"there is no {what}")


def owner_in_path(request: web.Request) -> OwnerId:
    """Return the owner that the path names.

    Raises:
        Problem: nobody can be called so.
    """
    try:
        return msgspec.convert(request.match_info["owner_id"], OwnerName)
    except msgspec.ValidationError as error:
        raise Problem(422, "malformed", f"owner id in the path: {error}") from error


async def body_of(request: web.Request, kind: type[_T]) -> _T:
    """Return the request's JSON body.

    Raises:
        Problem: it does not decode, the text says where; or it is packed.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported", "Content-Encoding: expected identity", "send the body unpacked")
    try:
        return msgspec.json.decode(await whole_body(request) or b"{}", type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422, "malformed", str(error), "see the API's description in docs/api.md") from error


async def json_of(request: web.Request) -> Any:
    """Return the request's JSON body, whatever it is.

    Raises:
        Problem: it is no JSON; the text says where.
    """
    body: dict[str, Any] = await body_of(request, _Whatever)
    return body


def instant(seconds: float) -> datetime:
    """Return the time that a journal row names in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def answer(value: Any, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    body = msgspec.json.encode(value, enc_hook=str)
    return web.Response(status=status, body=body, content_type="application/json")
