"""Samples that contract tests send, and the clock they run by."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from actors.model.ids import CorrelationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import AppointmentBooking, OrderLine, PurchaseOrder, ServiceRequest, TimeSlot
from actors.model.things import Place
from actors.ports import CrmDeps

OWNER: Final = OwnerId("owner-1")
THING: Final = ThingId("printer-7")
BEGIN: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SITE: Final = Place(name="Plant 2", street="Hafenstr. 12", postal_code="20457", city="Hamburg", country="DE")

ORDER_KEY: Final = OrderKey("I2CTESTORDER0000000000000001")
SERVICE_KEY: Final = OrderKey("I2CTESTSERVICE00000000000001")
BOOKING_KEY: Final = OrderKey("I2CTESTBOOKING00000000000001")


class TickingClock:
    """A clock of its own: each look at the time is a millisecond later, so that changes have an order."""

    def __init__(self) -> None:
        self._passed_s = 0.0

    def now(self) -> datetime:
        """Return the present."""
        self._passed_s += 0.001
        return BEGIN + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        """Return the seconds passed."""
        return self._passed_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed_s += seconds


def deps(connection: str = "crm") -> CrmDeps:
    """Return what a hub would give the adapter."""
    return CrmDeps(connection=connection, clock=TickingClock(), chance=Random(1))


def offer_query(*skus: str, quantity: int = 2, coupons: tuple[str, ...] = ()) -> OfferQuery:
    """Return a query of the sample owner."""
    return OfferQuery(skus=skus or ("INK-XL-BK",), quantity=quantity, currency="EUR", country="DE", coupons=coupons)


def order_from(offer: Offer, key: OrderKey = ORDER_KEY, *, fingerprint: str = "f00df00df00df00d") -> PurchaseOrder:
    """Return the order that accepts an offer, at the site of the sample thing."""
    discount = offer.goods + offer.shipping + offer.tax - offer.landed
    return PurchaseOrder(
        key=key,
        fingerprint=fingerprint,
        correlation_id=CorrelationId("correlation-1"),
        mandate_id=MandateId("mandate-1"),
        owner_id=OWNER,
        thing_id=THING,
        thing_serial="SN-0007",
        lines=(_line(offer),),
        total=offer.landed,
        shipping=offer.shipping,
        discount=discount,
        tax=offer.tax,
        reason="the black ink runs out before a cartridge could be delivered",
        deliver_to=SITE,
        ordered_at=BEGIN,
    )


def service_request(key: OrderKey = SERVICE_KEY, *, fingerprint: str = "5e5e5e5e5e5e5e5e") -> ServiceRequest:
    """Return a call for help of the sample thing."""
    return ServiceRequest(
        key=key,
        fingerprint=fingerprint,
        correlation_id=CorrelationId("correlation-2"),
        mandate_id=MandateId("mandate-1"),
        owner_id=OWNER,
        thing_id=THING,
        thing_serial="SN-0007",
        title="Feed roller slips",
        description="Paper jams 14 times an hour since this morning.",
        fault_code="E-217",
        work="replace the feed roller",
        priority=2,
        duration_minutes=60,
        site=SITE,
        requested_at=BEGIN,
    )


def booking(record_id: str, slot: TimeSlot, *, fingerprint: str = "b00cb00cb00cb00c") -> AppointmentBooking:
    """Return the booking of a free time for the sample service request."""
    return AppointmentBooking(
        key=BOOKING_KEY,
        fingerprint=fingerprint,
        service_key=SERVICE_KEY,
        record_id=record_id,
        slot=slot,
        site=SITE,
    )


def _line(offer: Offer) -> OrderLine:
    return OrderLine(
        line=1,
        sku=offer.sku,
        title=offer.title,
        quantity=offer.quantity,
        unit_price=offer.unit_price,
        references=offer.references,
    )
