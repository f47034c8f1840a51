"""A hub for one thing with one need: real engine, journal, cores and desk, with limits of seconds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec import Struct

from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.desk.desk import Desk, DeskSettings
from actors.dialogue import GrantMandate, RegisterThing, desk_relay, order_address, owner_address, thing_address
from actors.model.ids import InstallationId, MandateId, OrderKey, OwnerId, ThingId, order_key
from actors.model.mandates import Level, Mandate
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.model.profiles import FaultSpec, PropertyKind, PropertySpec, SkuChoice, SlotSpec, ThingProfile
from actors.model.readings import DeviceMessage, Reading
from actors.model.things import Connection, Place, ThingRecord
from actors.owner.core import OwnerCore
from actors.owner.state import OwnerState
from actors.ports import CrmAdapter
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.state import OrderData
from actors.runtime.contract import Engine, EngineSettings
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.clock import SystemClock
from hub.sharding import whole_engine
from hub.storage.shards import open_shards

CONNECTION: Final = "crm"
OWNER: Final = OwnerId("acme")
THING: Final = ThingId("printer-1")
_INSTALLATION: Final = InstallationId("fault-matrix")
_SUBJECTS: Final = {NeedKind.SUPPLY: "black", NeedKind.SERVICE: "jam"}
_PROFILE: Final = ThingProfile(
    name="printer",
    title="Printer",
    model="P-1",
    properties={
        "ink": PropertySpec(unit="%", minimum=0, maximum=100),
        "fault": PropertySpec(kind=PropertyKind.TEXT),
    },
    slots={
        _SUBJECTS[NeedKind.SUPPLY]: SlotSpec(
            level="ink", capacity=100, low_at=15, refill_step=30, skus=(SkuChoice(sku="INK-XL-BK", fills=100.0),)
        )
    },
    faults={
        _SUBJECTS[NeedKind.SERVICE]: FaultSpec(
            code="fault", equals="E-217", title="Paper jam", work="Replace the roller"
        )
    },
)
_READINGS: Final[dict[NeedKind, dict[str, float | str]]] = {
    NeedKind.SUPPLY: {"ink": 9.0},
    NeedKind.SERVICE: {"fault": "E-217"},
}
_DAY_S: Final = 86400.0
_BUDGET: Final = Money(minor=100_000, currency="EUR")


class Patience(Struct, frozen=True, kw_only=True):
    """How long a hub of the matrix waits before it tries again or gives up."""

    again_s: float = 0.05
    longest_again_s: float = 0.4
    request_s: float = 8.0
    expiry_s: float = 600.0
    times_s: float = 0.3


class Premises:
    """A running hub and its one order."""

    def __init__(self, engine: Engine, kind: NeedKind) -> None:
        self._engine = engine
        self._kind = kind
        self.key: OrderKey = order_key(_INSTALLATION, OWNER, THING, _SUBJECTS[kind], 1, 0)

    @property
    def order(self) -> OrderData:
        """What the order's actor knows."""
        data: OrderData = self._engine.read(order_address(self.key))
        return data

    @property
    def owner(self) -> OwnerState:
        """What the owner's actor knows."""
        data: OwnerState = self._engine.read(owner_address(OWNER))
        return data

    async def begin(self, now: datetime) -> None:
        """Register the thing, permit what a person approves, and let the thing tell what it needs."""
        record = ThingRecord(
            thing_id=THING,
            owner_id=OWNER,
            profile=_PROFILE.name,
            serial="SN-1",
            place=Place(name="Plant 2", street="Hafenstr. 12", postal_code="20457", city="Hamburg", country="DE"),
            connection=Connection(protocol="http"),
        )
        await self.tell(thing_address(THING), RegisterThing(record=record, profile=f"{_PROFILE.name}@1"))
        await self.tell(owner_address(OWNER), GrantMandate(mandate=_mandate(now)))
        readings = tuple(Reading(name=name, value=value) for name, value in _READINGS[self._kind].items())
        message = DeviceMessage(thing_id=THING, message_id="1", received_at=now, readings=readings, protocol="http")
        await self.tell(thing_address(THING), message)

    async def tell(self, address: str, message: Any) -> Any:
        """Hand in a message and return the reply."""
        return await self._engine.ask(address, message, timeout_s=60.0)


@asynccontextmanager
async def premises(
    folder: Path, adapter: CrmAdapter, kind: NeedKind, patience: Patience, chance: Random
) -> AsyncGenerator[Premises, None]:
    """Run a hub on a fresh data directory whose only CRM is this one.

    Its changes are not read: every request that comes is the order's own.
    """
    clock = SystemClock()
    with open_shards(folder, 1) as journals:
        engine = whole_engine(journals, clock, EngineSettings(snapshot_every=8))
        engine.add_kind(ThingCore({f"{_PROFILE.name}@1": _PROFILE}, NoModels(), _INSTALLATION))
        engine.add_kind(OwnerCore())
        engine.add_kind(OrderCore(_purchasing(adapter, patience)))
        engine.add_kind(ConnectionCore({CONNECTION: ConnectionSettings(can=adapter.capabilities)}))
        desk = Desk(CONNECTION, adapter, engine, clock, chance, _desk(patience))
        engine.add_relay(desk_relay(CONNECTION), desk)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(desk.run())
            engine.start()
            try:
                yield Premises(engine, kind)
            finally:
                await engine.stop(within_s=0.0)
                working.cancel()


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait for a condition, and say whether it came true in time."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - an actor's state announces nothing
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False
    return True


def _purchasing(adapter: CrmAdapter, patience: Patience) -> PurchasingSettings:
    return PurchasingSettings(
        installation=_INSTALLATION,
        connections={CONNECTION: adapter.capabilities},
        offers_s=2 * patience.request_s,
        source_again_s=patience.again_s,
        place_again_s=patience.again_s,
        longest_again_s=patience.longest_again_s,
        times_s=patience.times_s,
        expiry_days=patience.expiry_s / _DAY_S,
    )


def _desk(patience: Patience) -> DeskSettings:
    return DeskSettings(
        request_s=patience.request_s,
        probe_base_s=patience.again_s,
        probe_cap_s=patience.longest_again_s,
        again_s=patience.again_s,
    )


def _mandate(now: datetime) -> Mandate:
    kinds = (NeedKind.SUPPLY, NeedKind.SERVICE)
    return Mandate(
        mandate_id=MandateId("everything"),
        owner_id=OWNER,
        levels=dict.fromkeys(kinds, Level.AUTONOMOUS),
        budget=_BUDGET,
        per_order_limit=_BUDGET,
        approval_kinds=kinds,
        allowed_payees=(CONNECTION,),
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=365),
    )
