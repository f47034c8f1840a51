"""Routes for what owners allow: mandates, the switch for everything, tokens of owners."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from actors.dialogue import GrantMandate, RevokeMandate, SwitchOn, owner_address
from actors.model.base import Instant, Value
from actors.model.ids import MandateId, OwnerId, ThingId
from actors.model.mandates import Level, Mandate, Period
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.model.readings import Principal, PrincipalKind
from actors.model.routes import operation
from actors.runtime.journal import Batch, RecordRow
from hub.api.context import Hub, OwnerName, answer, asker, body_of, check_owner, hub_of, owner_in_path, scope_of
from hub.api.problems import Problem
from hub.api.terms import check_terms
from hub.api.things import switched_off
from hub.registry import Credential, new_token, token_hash
from hub.storing import store

_MAKES_KNOWN: Final = ("thing", "mandate", "credential")
"""Records that an owner is known by."""


class NewMandate(Value, frozen=True, kw_only=True):
    """What an owner permits; see ``actors.model.mandates.Mandate``. Without a budget there is no buying."""

    mandate_id: Annotated[MandateId, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    owner_id: OwnerName
    things: tuple[ThingId, ...] = ()
    levels: dict[NeedKind, Level]
    budget: Money
    budget_period: Period = Period.MONTH
    per_order_limit: Money
    approval_above: Money | None = None
    approval_kinds: tuple[NeedKind, ...] = (NeedKind.REPLACEMENT,)
    allowed_payees: Annotated[tuple[str, ...], Meta(min_length=1)]
    allowed_items: tuple[str, ...] = ()
    valid_from: Instant | None = None
    valid_until: Instant


@operation(body=NewMandate, reply=Mandate, status=(201,))
async def grant(request: web.Request) -> web.Response:
    """Grant a mandate, or replace one of the same id. The hub seals it; orders it blocked are tried again."""
    principal, hub = asker(request), hub_of(request)
    new = await body_of(request, NewMandate)
    check_owner(principal, new.owner_id, f"owner {new.owner_id}")
    mandate = _sealed(hub, new, hub.clock.now())
    await hub.engine.ask(owner_address(mandate.owner_id), GrantMandate(mandate=mandate))
    return answer(mandate, status=201)


@operation()
async def list_mandates(request: web.Request) -> web.Response:
    """Return the asker's mandates with what is used of their budgets."""
    hub = hub_of(request)
    shown: list[object] = []
    for row in hub.journal.records("mandate", scope_of(asker(request))):
        mandate = msgspec.json.decode(row.body or b"", type=Mandate)
        used = hub.engine.read(owner_address(mandate.owner_id)).used
        prefix = f"budget/{mandate.owner_id}/{mandate.mandate_id}/"
        periods = {name.removeprefix(prefix): minor for name, minor in used.items() if name.startswith(prefix)}
        builtins = msgspec.to_builtins(mandate, enc_hook=str)
        shown.append(builtins | {"used_minor": periods, "seal_holds": _seal_holds(hub, mandate)})
    return answer(shown)


@operation(query={"owner_id": "whose, where two owners use the name"})
async def revoke(request: web.Request) -> web.Response:
    """Revoke a mandate: from the answer on nothing is ordered under it."""
    principal, hub = asker(request), hub_of(request)
    mandate_id = MandateId(request.match_info["mandate_id"])
    mandate = _mandate(hub, mandate_id, scope_of(principal) or OwnerId(request.query.get("owner_id", "")))
    await hub.engine.ask(owner_address(mandate.owner_id), RevokeMandate(mandate_id=mandate_id, by=principal.name))
    return answer({"mandate_id": mandate_id, "state": "revoked"})


@operation(status=(200, 202))
async def all_off(request: web.Request) -> web.Response:
    """Stop all that this owner's things could order; the answer lists what had left. 202: it holds, not written yet."""
    owner_id, principal = _owner(request), asker(request)
    return switched_off(await hub_of(request).switches.off(owner_id, None, principal.name), {"owner_id": owner_id})


@operation()
async def all_on(request: web.Request) -> web.Response:
    """Let this owner's things order again, each unless it is off itself."""
    owner_id, principal = _owner(request), asker(request)
    await hub_of(request).engine.ask(owner_address(owner_id), SwitchOn(thing_id=None, by=principal.name))
    return answer({"owner_id": owner_id, "state": "on"})


@operation(status=(201,))
async def make_token(request: web.Request) -> web.Response:
    """Make a token for an owner, shown this once. Only the operator may."""
    principal, hub = asker(request), hub_of(request)
    if principal.kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "only the operator makes owners' tokens")
    owner_id = owner_in_path(request)
    token = new_token()
    credential = Credential(principal=Principal(kind=PrincipalKind.OWNER, name=owner_id, owner_id=owner_id))
    row = RecordRow(kind="credential", key=token_hash(token), owner=owner_id, body=msgspec.json.encode(credential))
    await store(hub.journal, Batch(records=[row]))
    hub.registry.follow([row])
    return answer({"owner_id": owner_id, "token": token}, status=201)


@operation()
async def revoke_tokens(request: web.Request) -> web.Response:
    """End every token of an owner, at once; the operator may, and the owner itself."""
    hub, owner_id = hub_of(request), owner_in_path(request)
    check_owner(asker(request), owner_id, f"owner {owner_id}")
    known = list(hub.journal.records("credential", owner_id))
    gone = [RecordRow(kind="credential", key=row.key, owner=owner_id, body=None) for row in known]
    if gone:
        await store(hub.journal, Batch(records=gone))
        hub.registry.follow(gone)
    return answer({"owner_id": owner_id, "revoked": len(gone)})


def _owner(request: web.Request) -> OwnerId:
    """Return the owner that the path names; OFF for a misspelt one must not look as if it had stopped anything.

    Raises:
        Problem: it is not the asker, or nobody known.
    """
    owner_id, journal = owner_in_path(request), hub_of(request).journal
    check_owner(asker(request), owner_id, f"owner {owner_id}")
    if not any(list(journal.records(kind, owner_id, limit=1)) for kind in _MAKES_KNOWN):
        told = f"there is no owner {owner_id}: it has no thing, no mandate and no token"
        raise Problem(404, "not_found", told, "look how it is written with GET /api/v1/things")
    return owner_id


def _mandate(hub: Hub, mandate_id: MandateId, owner_id: OwnerId) -> Mandate:
    """Return a mandate by its id; an operator names the owner where two use the same id."""
    rows = hub.journal.records("mandate", owner_id or None)
    found = [row for row in rows if row.key == f"{row.owner}/{mandate_id}"]
    if not found:
        raise Problem(404, "not_found", f"there is no mandate {mandate_id}", "list them with GET /api/v1/mandates")
    if len(found) > 1:
        raise Problem(409, "ambiguous", f"{len(found)} owners have a mandate {mandate_id}", "add ?owner_id=")
    return msgspec.json.decode(found[0].body or b"", type=Mandate)


def _sealed(hub: Hub, new: NewMandate, now: datetime) -> Mandate:
    valid_from = new.valid_from or now
    check_terms(new, valid_from, now)
    told = msgspec.to_builtins(new) | {"valid_from": valid_from, "nonce": new_token()}
    mandate = msgspec.convert(told, Mandate)
    return replace(mandate, signature=hub.seal(msgspec.json.encode(mandate, order="deterministic")))


def _seal_holds(hub: Hub, mandate: Mandate) -> bool:
    unsigned = replace(mandate, signature="", revoked_at=None)
    return hub.seal(msgspec.json.encode(unsigned, order="deterministic")) == mandate.signature


ROUTES = (
    web.get("/api/v1/mandates", list_mandates),
    web.post("/api/v1/mandates", grant),
    web.post("/api/v1/mandates/{mandate_id}/revoke", revoke),
    web.post("/api/v1/owners/{owner_id}/off", all_off),
    web.post("/api/v1/owners/{owner_id}/on", all_on),
    web.post("/api/v1/owners/{owner_id}/token", make_token),
    web.delete("/api/v1/owners/{owner_id}/token", revoke_tokens),
)
