"""Which offer is best, and what is ordered then: pure functions of offers and advice."""

from datetime import datetime, timedelta

from actors.dialogue import Candidate, RaiseNeed
from actors.model.advice import Advice, Recommendation
from actors.model.ids import InstallationId, MandateId, OrderKey, fingerprint, order_key
from actors.model.money import Money
from actors.model.needs import Need, NeedKind
from actors.model.offers import Offer
from actors.model.orders import OrderLine, PurchaseOrder, ServiceRequest


def key_of(installation: InstallationId, need: Need) -> OrderKey:
    """Return the external key of the order for this need."""
    return order_key(installation, need.owner_id, need.thing_id, need.subject, need.episode, need.revision)


def booking_key_of(installation: InstallationId, need: Need, lost_slots: int) -> OrderKey:
    """Return the external key of the visit for this need."""
    subject = f"{need.subject}/visit/{lost_slots}"
    return order_key(installation, need.owner_id, need.thing_id, subject, need.episode, need.revision)


def rank_offers(offers: tuple[Offer, ...], advice: Advice | None, need: Need) -> tuple[Offer, ...]:
    """Return the offers best first: those in time before late ones, then by landed cost per unit of use.

    Peers' experience gives the use that one piece lasts at least; without it (or for an SKU that no peer used) what
    one piece fills counts, and one piece as one where nothing else is known.
    """
    return tuple(sorted(offers, key=lambda offer: (_is_late(offer, need), _cost_of_use(offer, advice, need))))


def above_peers(offer: Offer, advice: Advice | None) -> str:
    """Return what is said of an offer that is dearer a piece than what nine in ten peers paid; else nothing."""
    paid = advice.prices.get(offer.sku) if isinstance(advice, Recommendation) else None
    if paid is None or paid.currency != offer.landed.currency or offer.landed.minor <= paid.p90 * offer.quantity:
        return ""
    usual = Money(minor=paid.p90, currency=paid.currency)
    return f", dearer than what 90 % of peers paid ({usual} a piece)"


def candidates_of(offers: tuple[Offer, ...]) -> tuple[Candidate, ...]:
    """Return what the mandate must judge, in the order of the offers."""
    return tuple(
        Candidate(offer_id=qualified(offer), connection=offer.connection, sku=offer.sku, amount=offer.landed)
        for offer in offers
    )


def qualified(offer: Offer) -> str:
    """Return a name that no other seller's offer has: sellers number their offers as they like."""
    return f"{offer.connection}/{offer.offer_id}"


def purchase_order(
    key: OrderKey, installation: InstallationId, order: RaiseNeed, offer: Offer, mandate_id: MandateId, now: datetime
) -> PurchaseOrder:
    """Return what is sent to the seller."""
    need = order.need
    discount = offer.goods - offer.goods
    for part in offer.discounts:
        discount += part.amount
    line = OrderLine(
        line=1,
        sku=offer.sku,
        title=offer.title,
        quantity=offer.quantity,
        unit_price=offer.unit_price,
        references=offer.references,
    )
    return PurchaseOrder(
        key=key,
        fingerprint=_fingerprint(installation, need, offer.sku, str(offer.quantity)),
        correlation_id=need.correlation_id,
        mandate_id=mandate_id,
        owner_id=need.owner_id,
        thing_id=need.thing_id,
        thing_serial=order.serial,
        lines=(line,),
        total=offer.landed,
        shipping=offer.shipping,
        discount=discount,
        tax=offer.tax,
        reason=need.reason,
        deliver_to=order.place,
        ordered_at=now,
        is_test=order.is_test,
    )


def service_request(
    key: OrderKey, installation: InstallationId, order: RaiseNeed, mandate_id: MandateId, now: datetime
) -> ServiceRequest:
    """Return what is sent to the service department."""
    need = order.need
    return ServiceRequest(
        key=key,
        fingerprint=_fingerprint(installation, need, need.work, "1"),
        correlation_id=need.correlation_id,
        mandate_id=mandate_id,
        owner_id=need.owner_id,
        thing_id=need.thing_id,
        thing_serial=order.serial,
        title=need.title or need.subject,
        description=need.reason,
        fault_code=need.subject,
        work=need.work,
        priority=need.priority,
        duration_minutes=need.duration_minutes,
        site=order.place,
        requested_at=now,
        is_test=order.is_test,
    )


def _fingerprint(installation: InstallationId, need: Need, what: str, quantity: str) -> str:
    episode = f"{need.episode}.{need.revision}"
    return fingerprint(installation, need.owner_id, need.thing_id, need.subject, episode, need.kind, what, quantity)


def _is_late(offer: Offer, need: Need) -> bool:
    if need.due_at is None or offer.delivery_days is None:
        return False
    return need.opened_at + timedelta(days=offer.delivery_days) > need.due_at


def _cost_of_use(offer: Offer, advice: Advice | None, need: Need) -> float:
    return offer.landed.minor / (offer.quantity * _use_of_piece(offer.sku, advice, need))


def _use_of_piece(sku: str, advice: Advice | None, need: Need) -> float:
    fills = next((choice.fills for choice in need.skus if choice.sku == sku and choice.fills), None)
    if not isinstance(advice, Recommendation) or not advice.ranking or need.kind is not NeedKind.SUPPLY:
        return fills or 1.0
    known = advice.ranking.get(sku)
    if known is not None and known > 0:
        return known
    return (
        min(life for life in advice.ranking.values() if life > 0)
        if any(life > 0 for life in advice.ranking.values())
        else 1.0
    )
