"""The shop's HTTP API: offers, orders, tickets, visits, changes."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from actors.model.outcomes import RecordStatus
from crm_adapters.rest.sandbox.books import ORDER, TICKET, VISIT, Books, judged
from crm_adapters.rest.sandbox.doors import Doors
from crm_adapters.rest.sandbox.forms import (
    OrderForm,
    Refusal,
    TicketForm,
    VisitForm,
    filled,
    json_response,
    refuse_field,
)
from crm_adapters.rest.sandbox.pricing import decimal, offer, totals
from crm_adapters.rest.sandbox.visits import free_slots, parse_slot
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, Tables
from crm_adapters.sandboxing.tables import Row

Answers = Callable[[web.Request], Awaitable[web.Response]]
_API = "/api/v1"


class ShopSandbox:
    """A shop with technicians, known to nobody."""

    name = "rest"

    def __init__(self, options: SandboxOptions) -> None:
        self._clock = options.clock
        self._catalog = {item.sku: item for item in options.catalog}
        self._accounts = frozenset(options.accounts)
        self._tables = Tables(options.data_file)
        self._books = Books(self._tables, options.clock)
        self._doors = Doors(options)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the API's routes."""
        guarded = self._doors.guarded
        return [
            web.post("/oauth/token", self._doors.give_token),
            web.get(f"{_API}/offers", guarded(self._get_offers)),
            web.get(f"{_API}/orders", guarded(self._get_orders)),
            web.post(f"{_API}/orders", guarded(self._post_order)),
            web.put(f"{_API}/orders/{{reference}}", guarded(self._put(ORDER, self._order))),
            web.put(f"{_API}/tickets/{{reference}}", guarded(self._put(TICKET, self._ticket))),
            web.put(f"{_API}/visits/{{reference}}", guarded(self._put(VISIT, self._visit))),
            *(web.get(f"{_API}/{kind}s/{{reference}}", guarded(self._get(kind))) for kind in (ORDER, TICKET, VISIT)),
            *(
                web.post(f"{_API}/{kind}s/{{reference}}/cancel", guarded(self._cancel(kind)))
                for kind in (ORDER, TICKET, VISIT)
            ),
            web.get(f"{_API}/slots", guarded(self._get_slots)),
            web.get(f"{_API}/changes", guarded(self._get_changes)),
        ]

    def records(self) -> Sequence[SandboxRecord]:
        """Return all records, in the order they were made."""
        return judged(self._books.all())

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person would."""
        self._books.advance(record_id, status)

    def expire_tokens(self) -> None:
        """Forget every access token."""
        self._doors.expire_tokens()

    def close(self) -> None:
        """Close the data file."""
        self._tables.close()

    async def _get_offers(self, request: web.Request) -> web.Response:
        quantity = _number(request, "quantity", 1)
        coupons = request.query.getall("coupon", [])
        items = [self._catalog[sku] for sku in request.query.getall("sku", []) if sku in self._catalog]
        in_stock = [item for item in items if item.stock is None or item.stock >= quantity]
        return json_response({"offers": [offer(item, quantity, coupons, self._clock.now()) for item in in_stock]})

    async def _get_orders(self, request: web.Request) -> web.Response:
        reference = request.query.get("reference")
        found = [row for row in self._books.all(ORDER) if reference is None or row["reference"] == reference]
        return json_response({"orders": found})

    async def _post_order(self, request: web.Request) -> web.Response:
        """Create an order under a number of ours; under an Idempotency-Key, once (IETF draft, version 7)."""
        content = await self._order(request)
        key = request.headers.get("Idempotency-Key")
        digest = hashlib.sha256(await request.read()).hexdigest()
        earlier = None if key is None else self._books.remembered(key)
        if earlier is not None and earlier["digest"] != digest:
            raise Refusal(422, "idempotency_key_reused", "This idempotency key came with another request before.")
        if earlier is not None:
            replayed = self._books.by_id(earlier["id"])
            return json_response(replayed, 201, **{"Idempotency-Replayed": "true"})
        created = self._books.create(ORDER, content.pop("reference"), content)
        if key is not None:
            self._books.remember_answer(key, digest, created["id"])
        return json_response(created, 201)

    async def _get_slots(self, request: web.Request) -> web.Response:
        if self._books.by_id(request.query.get("ticket", "")) is None:
            raise refuse_field("ticket", "there is no such ticket")
        begin, end = _instant(request, "from"), _instant(request, "to")
        free = free_slots(begin, end, _number(request, "minutes", 60), self._taken())
        return json_response({"slots": free})

    async def _get_changes(self, request: web.Request) -> web.Response:
        since = _number(request, "since", 0)
        changed = self._books.changed_after(since)
        return json_response({"changes": changed, "cursor": str(changed[-1]["change"] if changed else since)})

    def _put(self, kind: str, content_of: Callable[[web.Request], Awaitable[dict[str, Any]]]) -> Answers:
        """Return what creates a record under the customer's reference, and never changes one."""

        async def put(request: web.Request) -> web.Response:
            if request.headers.get("If-None-Match") != "*":
                raise Refusal(428, "precondition_required", "Send If-None-Match: *; this API only creates here.")
            reference = request.match_info["reference"]
            existing = self._books.under(kind, reference)
            if existing is not None:
                error = {"code": "exists", "message": f"There is a {kind} under this reference."}
                return json_response({"error": error, kind: existing}, 412)
            content = await content_of(request)
            content.pop("reference", None)
            return json_response(self._books.create(kind, reference, content), 201)

        return put

    def _get(self, kind: str) -> Answers:
        async def get(request: web.Request) -> web.Response:
            return json_response(self._existing(kind, request))

        return get

    def _cancel(self, kind: str) -> Answers:
        async def cancel(request: web.Request) -> web.Response:
            row = self._existing(kind, request)
            return json_response(self._books.cancel(row, await _reason(request)))

        return cancel

    def _existing(self, kind: str, request: web.Request) -> Row:
        row = self._books.under(kind, request.match_info["reference"])
        if row is None:
            raise Refusal(404, "not_found", f"There is no {kind} under this reference.")
        return row

    async def _order(self, request: web.Request) -> dict[str, Any]:
        form = await filled(request, OrderForm)
        self._check_customer(form.customer)
        summed = totals(form, self._catalog)
        self._check_stock(form)
        amounts = {
            "goods": summed.goods_minor,
            "discount": summed.discount_minor,
            "shipping": summed.shipping_minor,
            "tax": summed.tax_minor,
            "total": summed.total_minor,
        }
        priced = {name: decimal(minor, form.currency) for name, minor in amounts.items()}
        content: dict[str, Any] = msgspec.to_builtins(form)
        content.pop("expected_total")
        return {**content, **priced}

    async def _ticket(self, request: web.Request) -> dict[str, Any]:
        form = await filled(request, TicketForm)
        self._check_customer(form.customer)
        content: dict[str, Any] = msgspec.to_builtins(form)
        return content

    async def _visit(self, request: web.Request) -> dict[str, Any]:
        form = await filled(request, VisitForm)
        ticket = self._books.by_id(form.ticket)
        if ticket is None:
            raise refuse_field("ticket", "there is no such ticket")
        slot = parse_slot(form.slot_id)
        if any(slot.overlaps(parse_slot(taken)) for taken in self._taken()):
            raise Refusal(409, "slot_taken", "Somebody else has this time.")
        known = {"customer": ticket["customer"], "machine": ticket["machine"], **msgspec.to_builtins(form)}
        return {**known, **msgspec.to_builtins(slot)}

    def _taken(self) -> frozenset[str]:
        visits = self._books.all(VISIT)
        return frozenset(str(row["slot_id"]) for row in visits if row["status"] != "cancelled")

    def _check_customer(self, customer: str) -> None:
        if self._accounts and customer not in self._accounts:
            raise refuse_field("customer", f"there is no customer {customer!r}")

    def _check_stock(self, form: OrderForm) -> None:
        for line in form.lines:
            stock = self._catalog[line.sku].stock
            if stock is not None and self._sold(line.sku) + line.quantity > stock:
                raise Refusal(409, "out_of_stock", f"Article {line.sku!r}: fewer than {line.quantity} are left.")

    def _sold(self, sku: str) -> int:
        orders = [row for row in self._books.all(ORDER) if row["status"] != "cancelled"]
        return sum(line["quantity"] for row in orders for line in row["lines"] if line["sku"] == sku)


async def _reason(request: web.Request) -> str:
    try:
        return str(msgspec.json.decode(await request.read(), type=dict[str, str]).get("reason", ""))
    except msgspec.DecodeError as error:
        raise Refusal(400, "malformed", f"Expected an object with a reason: {error}") from error


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise refuse_field(name, f"{text!r} is no whole number")
    return int(text)


def _instant(request: web.Request, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(request.query.get(name, ""))
    except ValueError as error:
        raise refuse_field(name, "is no time as in RFC 3339") from error
    if moment.tzinfo is None:
        raise refuse_field(name, "has no offset from UTC")
    return moment
