"""Samples that contract tests send, and the clock they run by."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from actors.model.customers import Customer, CustomerThing
from actors.model.ids import CorrelationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentQuery,
    OrderLine,
    PurchaseOrder,
    ReturnLine,
    ReturnRequest,
    ServiceRequest,
    TimeSlot,
)
from actors.model.things import Place
from actors.ports import CrmDeps

OWNER: Final = OwnerId("owner-1")
THING: Final = ThingId("printer-7")
BEGIN: Final = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SITE: Final = Place(name="Plant 2", street="Hafenstr. 12", postal_code="20457", city="Hamburg", country="DE")

ORDER_KEY: Final = OrderKey("I2CTESTORDER0000000000000001")
SERVICE_KEY: Final = OrderKey("I2CTESTSERVICE00000000000001")
BOOKING_KEY: Final = OrderKey("I2CTESTBOOKING00000000000001")
RETURN_KEY: Final = OrderKey("I2CTESTRETURN000000000000001")
NEWCOMER: Final = OwnerId("owner-2")
"""An owner who is no customer yet."""


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


def service_request(
    key: OrderKey = SERVICE_KEY, *, fingerprint: str = "5e5e5e5e5e5e5e5e", owner: OwnerId = OWNER
) -> ServiceRequest:
    """Return a call for help of the sample thing."""
    return ServiceRequest(
        key=key,
        fingerprint=fingerprint,
        correlation_id=CorrelationId("correlation-2"),
        mandate_id=MandateId("mandate-1"),
        owner_id=owner,
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


def appointment_query(record_id: str) -> AppointmentQuery:
    """Return the query for an hour within the next days for the sample service request."""
    return AppointmentQuery(
        service_key=SERVICE_KEY,
        record_id=record_id,
        duration_minutes=60,
        not_before=BEGIN + timedelta(hours=1),
        not_after=BEGIN + timedelta(days=5),
    )


def booking(
    record_id: str, slot: TimeSlot, *, fingerprint: str = "b00cb00cb00cb00c", key: OrderKey = BOOKING_KEY
) -> AppointmentBooking:
    """Return the booking of a free time for the sample service request."""
    return AppointmentBooking(
        key=key,
        fingerprint=fingerprint,
        service_key=SERVICE_KEY,
        record_id=record_id,
        slot=slot,
        site=SITE,
        thing_id=THING,
    )


def return_request(key: OrderKey = RETURN_KEY, *, lines: tuple[ReturnLine, ...] = ()) -> ReturnRequest:
    """Return the announcement that one piece of the sample order goes back."""
    return ReturnRequest(
        key=key,
        fingerprint="4e744e744e744e74",
        correlation_id=CorrelationId("correlation-3"),
        mandate_id=MandateId("mandate-1"),
        owner_id=OWNER,
        thing_id=THING,
        thing_serial="SN-0007",
        order_key=ORDER_KEY,
        lines=lines or (ReturnLine(sku="INK-XL-BK", title="Black ink", quantity=1),),
        reason="the cartridge leaks",
        requested_at=BEGIN,
    )


def customer(owner: OwnerId = NEWCOMER, *, name: str = "Acme") -> Customer:
    """Return an owner with a person to talk to."""
    return Customer(
        owner_id=owner,
        name=name,
        address=SITE,
        contact_name="Kim Falk",
        contact_email="kim@acme.example",
        contact_phone="+49 40 123456",
    )


def customer_thing(owner: OwnerId = NEWCOMER, *, name: str = "Printer 7") -> CustomerThing:
    """Return the sample thing as what a customer has."""
    return CustomerThing(owner_id=owner, thing_id=THING, name=name, serial="SN-0007", installed_on=BEGIN.date())


def _line(offer: Offer) -> OrderLine:
    return OrderLine(
        line=1,
        sku=offer.sku,
        title=offer.title,
        quantity=offer.quantity,
        unit_price=offer.unit_price,
        references=offer.references,
    )
