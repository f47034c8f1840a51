"""Set-up: what a connection would send, and the proof that ordering twice orders once."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import asdict

from actors.model.ids import OrderKey
from actors.model.offers import OfferQuery
from actors.model.orders import PurchaseOrder, RecordKind
from actors.model.outcomes import Created, CrmRecord, Duplicate, Found, Offers, PlaceOutcome
from actors.ports import CrmAdapter


class Preview(Struct, frozen=True, kw_only=True):
    """One request as it would leave, without credentials. What an earlier answer would fill in stands in «»."""

    step: str
    method: str
    url: str
    headers: dict[str, str] = {}
    body: Any = None


@runtime_checkable
class ShowsRequests(Protocol):
    """An adapter that can say what it would send."""

    def previews(self, order: PurchaseOrder) -> Sequence[Preview]:
        """Return the requests of placing an order, in their sequence; nothing is sent."""
        ...


class Proof(Struct, frozen=True, kw_only=True):
    """How the proof went, and which records a person should remove from the CRM."""

    holds: bool
    said: str
    left: tuple[str, ...] = ()


async def prove_ordering_once(adapter: CrmAdapter, order: PurchaseOrder) -> Proof:
    """Place a test order twice and expect one record, find it by its key, and cancel it where that can be."""
    can = adapter.capabilities
    if not can.unique_key and not can.search_by_key:
        said = "the CRM can neither refuse nor find a second order: nothing was sent, and a person confirms every order"
        return Proof(holds=False, said=said)
    first = await adapter.place_order(order)
    if not isinstance(first, Created):
        return Proof(holds=False, said=f"the first order was not made: {said_of(first)}")
    second = await adapter.place_order(order)
    found = await adapter.find_by_key(order.key, RecordKind.ORDER)
    left = await _removed(adapter, order.key, first.record)
    if isinstance(second, Created):
        both = (*left, second.record.record_id)
        return Proof(holds=False, said="the second order made a second record; no order may go there unseen", left=both)
    if not isinstance(second, Duplicate):
        return Proof(
            holds=False, said=f"the second order was neither made nor recognised: {said_of(second)}", left=left
        )
    if second.record.record_id != first.record.record_id:
        return Proof(holds=False, said="the second order was taken for another record than the first made", left=left)
    if second.record.fingerprint != order.fingerprint:
        return Proof(holds=False, said="the CRM does not give back the fingerprint of the need", left=left)
    if not isinstance(found, Found):
        return Proof(holds=False, said=f"the order is not found by its key: {said_of(found)}", left=left)
    return Proof(holds=True, said=f"placed twice, made once: record {first.record.record_id}", left=left)


async def offer_query_of(adapter: CrmAdapter, query: OfferQuery) -> Offers:
    """Return what the CRM offers.

    Raises:
        LookupError: it offers nothing of it; the text says why.
    """
    offers = await adapter.find_offers(query)
    if isinstance(offers, Offers) and offers.offers:
        return offers
    why = (
        f"does not sell {', '.join(query.skus)} in {query.currency}" if isinstance(offers, Offers) else said_of(offers)
    )
    raise LookupError(f"no test order can be made: the CRM {why}")


def said_of(outcome: PlaceOutcome | Struct) -> str:
    """Return an outcome in words."""
    told = asdict(outcome)
    texts = [str(told[name]) for name in ("code", "reason", "message", "field", "capability") if told.get(name)]
    return " ".join([type(outcome).__name__.lower(), *texts])


async def _removed(adapter: CrmAdapter, key: OrderKey, record: CrmRecord) -> tuple[str, ...]:
    """Cancel the test order; return it where it is left."""
    if adapter.capabilities.cancel:
        cancelled = await adapter.cancel(key, RecordKind.ORDER, "a test of the connection")
        if isinstance(cancelled, Found):
            return ()
    return (record.record_id,)
