"""Routes for needs, orders, their trace, and the decisions of people."""

from typing import Any, Final

import msgspec
from aiohttp import web

from actors.dialogue import Approve, Cancel, Reject, order_address
from actors.model.base import Value
from actors.model.ids import OrderKey
from actors.model.orders import OrderState
from actors.model.routes import operation
from actors.purchasing.view import OrderView
from actors.thing.state import NeedEnd, NeedView, ThingState
from hub.api.context import Hub, answer, asker, body_of, check_owner, hub_of, instant
from hub.api.pages import PAGED, latest_of, page_of, paged
from hub.api.problems import Problem

_FOR_PEOPLE: Final = frozenset({OrderState.AWAITING_APPROVAL, OrderState.DEAD_LETTER})


class Decision(Value, frozen=True, kw_only=True):
    """What a person says with a decision."""

    reason: str = ""


@operation(query=PAGED)
async def list_needs(request: web.Request) -> web.Response:
    """Return the needs of the asker's things, a page at a time (``Link``); in a page open ones first."""
    hub = hub_of(request)
    views, after = await page_of(request, "need", lambda body: _need(hub, msgspec.json.decode(body, type=NeedView)))
    return paged(request, sorted(views, key=lambda view: not view["is_open"]), after)


@operation(query={"state": "a state of orders", "thing_id": "of this thing", **PAGED})
async def list_orders(request: web.Request) -> web.Response:
    """Return the asker's orders a page at a time (``Link``), newest first over all pages; the query narrows them."""
    hub, state, thing_id = hub_of(request), request.query.get("state"), request.query.get("thing_id")

    def read(body: bytes) -> OrderView | None:
        view = msgspec.json.decode(body, type=OrderView)
        return view if state in {None, view.state} and thing_id in {None, view.thing_id} else None

    views, after = await latest_of(request, "order", read)
    return paged(request, [_shown(hub, view) for view in views], after)


@operation()
async def show(request: web.Request) -> web.Response:
    """Return one order."""
    return answer(_shown(hub_of(request), _order(request)))


@operation()
async def trace(request: web.Request) -> web.Response:
    """Return the whole chain: reading, peers, offers, mandate, order, CRM record, outcome."""
    view = _order(request)
    notes = hub_of(request).journal.notes(view.correlation_id)
    return answer([{"at": instant(note.at), "step": note.step, **msgspec.json.decode(note.body)} for note in notes])


@operation(query=PAGED)
async def list_approvals(request: web.Request) -> web.Response:
    """Return the orders that wait for a person, newest first, a page at a time (``Link``)."""
    hub = hub_of(request)

    def read(body: bytes) -> dict[str, Any] | None:
        view = msgspec.json.decode(body, type=OrderView)
        return _shown(hub, view) if view.state in _FOR_PEOPLE else None

    return paged(request, *await latest_of(request, "order", read))


@operation()
async def approve(request: web.Request) -> web.Response:
    """Approve an order; a dead letter is tried again under its key. Refused while its thing is switched off."""
    view, principal = _order(request), asker(request)
    _check_on(hub_of(request), view)
    return await _decide(request, view, Approve(by=principal.name), "approved")


@operation(body=Decision)
async def reject(request: web.Request) -> web.Response:
    """Refuse an order that waits for approval."""
    view, principal = _order(request), asker(request)
    reason = (await body_of(request, Decision)).reason or "no reason given"
    return await _decide(request, view, Reject(by=principal.name, reason=reason), "rejected")


@operation(body=Decision)
async def cancel(request: web.Request) -> web.Response:
    """Cancel an order, in the CRM too where it is there already."""
    view, principal = _order(request), asker(request)
    reason = (await body_of(request, Decision)).reason or "no reason given"
    return await _decide(request, view, Cancel(by=principal.name, reason=reason), "cancelled", "cancelling")


async def _decide(request: web.Request, view: OrderView, message: Any, *wanted: str) -> web.Response:
    said = await hub_of(request).engine.ask(order_address(view.key), message)
    if said not in wanted:
        raise Problem(409, "not_possible_now", str(said), "look at the order's state with GET /api/v1/orders/{key}")
    return answer({"key": view.key, "result": said})


def _check_on(hub: Hub, view: OrderView) -> None:
    """Refuse to let an order leave whose thing is off: it would only be blocked, and bought later without a word.

    Raises:
        Problem: the thing is off, and the CRM does not hold the order yet.
    """
    off_by = hub.switches.off_by(view.owner_id, view.thing_id)
    if off_by and view.record is None:
        detail = f"{view.thing_id} was switched off by {off_by}: nothing is bought for it; the order waits as it is"
        next_step = (
            f"switch it on (POST /api/v1/things/{view.thing_id}/on, or the owner's switch) and approve; or reject"
        )
        raise Problem(409, "thing_off", detail, next_step)


def _order(request: web.Request) -> OrderView:
    principal, key = asker(request), OrderKey(request.match_info["key"])
    body = hub_of(request).journal.record("order", key)
    if body is None:
        raise Problem(404, "not_found", f"there is no order {key}", "list them with GET /api/v1/orders")
    view = msgspec.json.decode(body, type=OrderView)
    check_owner(principal, view.owner_id, f"order {key}")
    return view


def _shown(hub: Hub, view: OrderView) -> dict[str, Any]:
    """Return an order with the live word of the desk it waits for."""
    shown: dict[str, Any] = msgspec.to_builtins(view, enc_hook=str)
    desk = next((desk for desk in hub.desks() if desk.connection == view.connection and desk.state == "down"), None)
    if desk is not None and view.state in {OrderState.APPROVED, OrderState.RECONCILING}:
        shown["waiting"] = {"reason": f"{desk.connection}: {desk.reason}", "next_try_at": desk.next_try_at}
    return shown


def _need(hub: Hub, view: NeedView) -> dict[str, Any]:
    state: ThingState = hub.engine.read(f"thing/{view.need.thing_id}")
    known = state.needs.get(view.need.subject)
    is_open = known is not None and known.episode == view.need.episode and known.is_open
    shown: dict[str, Any] = msgspec.to_builtins(view, enc_hook=str) | {"is_open": is_open}
    if known is not None and is_open and known.seen_by:
        shown["seen_by"] = instant(known.seen_by)
    body = None if is_open else hub.journal.record("need_end", view.need.correlation_id)
    if body is not None:
        end = msgspec.json.decode(body, type=NeedEnd)
        shown |= {"closed_because": end.reason, "code": end.code, "next_step": end.next_step}
    return shown


ROUTES = (
    web.get("/api/v1/needs", list_needs),
    web.get("/api/v1/orders", list_orders),
    web.get("/api/v1/orders/{key}", show),
    web.get("/api/v1/orders/{key}/trace", trace),
    web.post("/api/v1/orders/{key}/approve", approve),
    web.post("/api/v1/orders/{key}/reject", reject),
    web.post("/api/v1/orders/{key}/cancel", cancel),
    web.get("/api/v1/approvals", list_approvals),
)
