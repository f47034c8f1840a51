"""A small firm for tests: one owner, a printer and a press, their profiles, a mandate, and the messages they send."""

from datetime import UTC, datetime, timedelta
from typing import Any

from actors.dialogue import GrantMandate, RaiseNeed, RegisterThing
from actors.model.ids import CommunityId, CorrelationId, InstallationId, MandateId, OwnerId, ThingId
from actors.model.mandates import Level, Mandate
from actors.model.money import Money
from actors.model.needs import Need, NeedKind
from actors.model.outcomes import Capabilities
from actors.model.profiles import (
    FaultSpec,
    HealthSpec,
    PropertyKind,
    PropertySpec,
    SkuChoice,
    SlotSpec,
    ThingProfile,
)
from actors.model.readings import DeviceMessage, Reading
from actors.model.things import Connection, Place, Purpose, ThingRecord
from actors.purchasing.sourcing import PurchasingSettings

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
INSTALLATION = InstallationId("installation-1")
OWNER = OwnerId("firm")
PRINTER = ThingId("printer-1")
COMMUNITY = CommunityId("office")
PROFILE = ThingProfile(
    name="printer",
    title="Printer",
    model="P-1",
    properties={
        "ink": PropertySpec(unit="%", minimum=0, maximum=100),
        "pages": PropertySpec(unit="page"),
        "fault": PropertySpec(kind=PropertyKind.TEXT),
        "snapshot": PropertySpec(kind=PropertyKind.NUMBERS),
        "cycle": PropertySpec(unit="cycle"),
    },
    slots={
        "black": SlotSpec(
            level="ink",
            usage="pages",
            capacity=100,
            low_at=15,
            refill_step=30,
            skus=(SkuChoice(sku="INK-1", fills=100.0), SkuChoice(sku="INK-2", fills=40.0)),
            delivery_days=3,
            safety_days=2,
        )
    },
    components={
        "drum": HealthSpec(snapshot="snapshot", cycle="cycle", settings=1, sensors=2, skus=(SkuChoice(sku="DRUM"),))
    },
    faults={"jam": FaultSpec(code="fault", equals="E1", title="Paper jam", work="Replace the roller")},
)
PROFILES = {"printer@1": PROFILE}


def eur(minor: int) -> Money:
    """Return cents of euros."""
    return Money(minor=minor, currency="EUR")


def mandate(mandate_id: str = "m1", **changes: Any) -> Mandate:
    """Return a mandate for everything at the connection ``shop``, 100 euros a month."""
    told = {
        "mandate_id": MandateId(mandate_id),
        "owner_id": OWNER,
        "levels": dict.fromkeys(NeedKind, Level.ADAPTABLE),
        "budget": eur(10_000),
        "per_order_limit": eur(10_000),
        "allowed_payees": ("shop",),
        "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=365),
    }
    return Mandate(**(told | changes))


def granted(mandate_id: str = "m1", **changes: Any) -> GrantMandate:
    """Return the message that grants a mandate."""
    return GrantMandate(mandate=mandate(mandate_id, **changes))


def settings(**changes: Any) -> PurchasingSettings:
    """Return settings with one connection, ``shop``."""
    told = {
        "installation": INSTALLATION,
        "connections": {"shop": Capabilities(appointments=True, cancel=True)},
    }
    return PurchasingSettings(**(told | changes))


def need(kind: NeedKind = NeedKind.SUPPLY, **changes: Any) -> Need:
    """Return a need of the printer."""
    told = {
        "thing_id": PRINTER,
        "owner_id": OWNER,
        "kind": kind,
        "subject": "black",
        "episode": 1,
        "reason": "black is at 10, at or under its limit of 15",
        "opened_at": NOW,
        "correlation_id": CorrelationId("printer-1.black.1"),
        "skus": (SkuChoice(sku="INK-1", fills=100.0), SkuChoice(sku="INK-2", fills=40.0)),
        "title": "Black ink",
    }
    return Need(**(told | changes))


def raised(kind: NeedKind = NeedKind.SUPPLY, *, community: CommunityId | None = None, **changes: Any) -> RaiseNeed:
    """Return the message that starts an order."""
    told = {"need": need(kind), "serial": "SN-1", "place": Place(country="DE"), "is_test": False}
    return RaiseNeed(**(told | {"community_id": community} | changes))


def record(thing_id: ThingId = PRINTER, **changes: Any) -> ThingRecord:
    """Return what is registered of the printer."""
    told = {
        "thing_id": thing_id,
        "owner_id": OWNER,
        "profile": "printer",
        "serial": "SN-1",
        "connection": Connection(protocol="http"),
        "shares": (Purpose.SUPPLIES, Purpose.HEALTH),
    }
    return ThingRecord(**(told | changes))


def registration(thing_id: ThingId = PRINTER, **changes: Any) -> RegisterThing:
    """Return the message that registers the printer, as a member of the office community."""
    return RegisterThing(record=record(thing_id, **changes), profile="printer@1", communities=(COMMUNITY,))


def told(
    message_id: str,
    *,
    at: datetime = NOW,
    observed_at: datetime | None = None,
    thing_id: ThingId = PRINTER,
    **values: Any,
) -> DeviceMessage:
    """Return a device message with these values."""
    readings = tuple(Reading(name=name, value=value, observed_at=observed_at) for name, value in values.items())
    return DeviceMessage(thing_id=thing_id, message_id=message_id, received_at=at, readings=readings, protocol="http")
