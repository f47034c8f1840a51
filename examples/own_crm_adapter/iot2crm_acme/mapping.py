"""Between the hub's vocabulary and Acme's JSON. Pure: no sockets, no clock; the easiest part to test."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.ids import OfferId, OrderKey
from actors.model.money import Money
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import PurchaseOrder, RecordKind, ServiceRequest
from actors.model.outcomes import Changes, CrmRecord, RecordStatus

STATUSES: Final = {
    "new": RecordStatus.OPEN,
    "accepted": RecordStatus.CONFIRMED,
    "done": RecordStatus.FULFILLED,
    "cancelled": RecordStatus.CANCELLED,
}


SHELVES: Final = {"orders": RecordKind.ORDER, "calls": RecordKind.SERVICE}


class Article(Struct, frozen=True, kw_only=True):
    """An article as Acme shows it."""

    sku: str
    title: str
    cents: int


class Sheet(Struct, frozen=True, kw_only=True):
    """An order or a call as Acme shows it. Fields that Acme adds one day are passed over."""

    number: int
    ref: str
    print: str
    status: str
    shelf: str = ""
    cents: int | None = None


class Unreadable(ValueError):
    """The answer is complete, and not what Acme has promised."""


def order_body(order: PurchaseOrder) -> dict[str, Any]:
    """Return an order as Acme takes it."""
    return {
        "ref": order.key,
        "print": order.fingerprint,
        "buyer": order.owner_id,
        "machine": order.thing_id,
        "note": order.reason,
        "lines": [{"sku": line.sku, "pieces": line.quantity, "cents": line.unit_price.minor} for line in order.lines],
    }


def call_body(request: ServiceRequest) -> dict[str, Any]:
    """Return a call for help as Acme takes it."""
    return {
        "ref": request.key,
        "print": request.fingerprint,
        "buyer": request.owner_id,
        "machine": request.thing_id,
        "note": f"{request.title}\n{request.description}\n{request.fault_code}: {request.work}",
    }


def offers_of(body: Any, query: OfferQuery, connection: str) -> tuple[Offer, ...]:
    """Return what Acme sells of what was asked for. Acme sells in euros, without shipping and tax.

    Raises:
        Unreadable: the answer is no list of articles.
    """
    articles = _converted(body, "articles", tuple[Article, ...])
    return tuple(_offer(article, query, connection) for article in articles if query.currency == "EUR")


def changes_of(body: Any) -> Changes:
    """Return what changed, oldest first.

    Raises:
        Unreadable: the answer is no list of sheets.
    """
    sheets = _converted(body, "sheets", tuple[Sheet, ...])
    records = tuple(
        _record(sheet, OrderKey(sheet.ref), SHELVES[sheet.shelf]) for sheet in sheets if sheet.shelf in SHELVES
    )
    return Changes(records=records, cursor=str(_converted(body, "last", int)))


def record_of(body: Any, key: OrderKey, kind: RecordKind) -> CrmRecord:
    """Return the record that an answer shows, which must stand under our key.

    Raises:
        Unreadable: it does not, or is no order or call.
    """
    sheet: Sheet = _converted(body, "sheet", Sheet)
    if sheet.ref != key:
        raise Unreadable(f"the answer shows {sheet.ref!r}")
    return _record(sheet, key, kind)


def _record(sheet: Sheet, key: OrderKey, kind: RecordKind) -> CrmRecord:
    return CrmRecord(
        record_id=str(sheet.number),
        number=str(sheet.number),
        kind=kind,
        key=key,
        fingerprint=sheet.print,
        status=STATUSES.get(sheet.status, RecordStatus.OPEN),
        status_text=sheet.status,
        total=None if sheet.cents is None else Money(minor=sheet.cents, currency="EUR"),
    )


def _offer(article: Article, query: OfferQuery, connection: str) -> Offer:
    price = Money(minor=article.cents, currency="EUR")
    goods = Money(minor=article.cents * query.quantity, currency="EUR")
    nothing = Money(minor=0, currency="EUR")
    return Offer(
        offer_id=OfferId(f"{article.sku}x{query.quantity}"),
        connection=connection,
        seller="Acme",
        sku=article.sku,
        title=article.title,
        quantity=query.quantity,
        unit_price=price,
        goods=goods,
        shipping=nothing,
        tax=nothing,
        landed=goods,
    )


def _converted(body: Any, name: str, wanted: Any) -> Any:
    try:
        return msgspec.convert(body[name], wanted)
    except (LookupError, TypeError, msgspec.ValidationError) as error:
        raise Unreadable(f"{name}: {error}") from error
