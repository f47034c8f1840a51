"""Sample input: every expression of a manifest is tried on it at load time, so that a misspelt name is found there."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from actors.model.ids import CorrelationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.money import Money
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentQuery,
    OrderLine,
    PurchaseOrder,
    RecordKind,
    ServiceRequest,
    TimeSlot,
)
from actors.model.outcomes import CrmRecord, RecordStatus
from actors.model.things import Place
from crm_adapters.rest.expressions import plain

_KEY: Final = OrderKey("I2CSAMPLE")
_WHEN: Final = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_PRICE: Final = Money(minor=1999, currency="EUR")
_SITE: Final = Place(name="Plant", street="Street 1", postal_code="12345", city="City", country="DE")
_LINE: Final = OrderLine(line=1, sku="SKU-1", title="Article", quantity=2, unit_price=_PRICE)
_SLOT: Final = TimeSlot(starts_at=_WHEN, ends_at=_WHEN + timedelta(hours=1), resource="Kim", reference="slot-1")
_RECORD: Final = CrmRecord(
    record_id="1", number="1", kind=RecordKind.ORDER, key=_KEY, fingerprint="f" * 16, status=RecordStatus.OPEN, url="u"
)
_NEED: Final[Mapping[str, Any]] = {
    "key": _KEY,
    "fingerprint": "f" * 16,
    "correlation_id": CorrelationId("c"),
    "mandate_id": MandateId("m"),
    "owner_id": OwnerId("owner"),
    "thing_id": ThingId("thing"),
    "thing_serial": "SN-1",
}
_ORDER: Final = PurchaseOrder(
    **_NEED,
    lines=(_LINE,),
    total=_PRICE,
    shipping=_PRICE,
    discount=_PRICE,
    tax=_PRICE,
    reason="reason",
    deliver_to=_SITE,
    ordered_at=_WHEN,
)
_SERVICE: Final = ServiceRequest(
    **_NEED,
    title="title",
    description="description",
    fault_code="E-1",
    work="work",
    priority=2,
    duration_minutes=60,
    site=_SITE,
    requested_at=_WHEN,
)
_APPOINTMENTS: Final = AppointmentQuery(
    service_key=_KEY, record_id="1", duration_minutes=60, not_before=_WHEN, not_after=_WHEN + timedelta(days=1)
)
_BOOKING: Final = AppointmentBooking(
    key=_KEY, fingerprint="f" * 16, service_key=_KEY, record_id="1", slot=_SLOT, site=_SITE
)

KNOWN: Final[Mapping[str, Any]] = {"record": plain(_RECORD), "raw": None}
"""What a step sees of a record that is there."""
INPUTS: Final[Mapping[str, Any]] = {
    "find_offers": plain(OfferQuery(skus=("SKU-1",), quantity=2, currency="EUR", country="DE", coupons=("CODE",))),
    "place_order": plain(_ORDER),
    "request_service": plain(_SERVICE),
    "search_appointments": plain(_APPOINTMENTS),
    "book_appointment": plain(_BOOKING),
    "changes": {"cursor": "1"},
    "find_by_key": {"key": _KEY, "kind": "order"},
    "find_by_id": {"record_id": "1", "kind": "order"},
    "cancel": {"key": _KEY, "kind": "order", "reason": "reason"},
    "undo": {"key": _KEY, "kind": "order", "reason": "reason"},
}


def with_references(given: Any, references: Mapping[str, str]) -> Any:
    """Return sample input whose lines carry the references that offers would have given them."""
    if "lines" not in given:
        return given
    return {**given, "lines": [{**line, "references": references} for line in given["lines"]]}
