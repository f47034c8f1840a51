"""The kit for testing protocol adapters: fakes of the hub's ports, a sample thing, and the contract they all pass."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Protocol, final

from actors.model.advice import Advice, Evidence, Recommendation, Topic
from actors.model.commands import CommandBody, InvokeAction, ThingCommand
from actors.model.errors import StoreDown
from actors.model.ids import CommandId, CorrelationId, OrderKey, OwnerId, ThingId
from actors.model.machine import (
    DeclineCode,
    Declined,
    OffersFound,
    RequestEnding,
    RequestTaken,
    ThingOrder,
    Wanted,
)
from actors.model.needs import NeedKind
from actors.model.orders import OrderState
from actors.model.profiles import ActionSpec, PropertyKind, PropertySpec, SkuChoice, SlotSpec, ThingProfile
from actors.model.readings import (
    DeviceMessage,
    Principal,
    PrincipalKind,
    ReadingRefusal,
    Receipt,
    Refused,
    Stored,
)
from actors.ports import ConnectedThing, ProtocolAdapter, ProtocolDeps

TANK: Final = ThingId("tank-1")
OWNER: Final = OwnerId("owner-1")
TOKEN: Final = "token-of-tank-1"  # noqa: S105 - a word for tests, known to all
DEADLINE_S: Final = 30.0


def sample_profile() -> ThingProfile:
    """Return a profile with one property of each kind, one that can be set, one slot and one action."""
    return ThingProfile(
        name="sample_tank",
        title="Sample tank",
        model="ST-1",
        properties={
            "level": PropertySpec(unit="%", minimum=0.0, maximum=100.0),
            "lid_open": PropertySpec(kind=PropertyKind.FLAG),
            "note": PropertySpec(kind=PropertyKind.TEXT),
            "spectrum": PropertySpec(kind=PropertyKind.NUMBERS),
            "setpoint": PropertySpec(unit="%", minimum=0.0, maximum=100.0, writable=True),
        },
        slots={
            "content": SlotSpec(
                level="level", capacity=100.0, low_at=20.0, refill_step=30.0, skus=(SkuChoice(sku="REFILL-1"),)
            )
        },
        actions={"reset": ActionSpec(title="Reset", arguments={"delay": PropertySpec(unit="s")})},
    )


def sample_thing(
    thing_id: ThingId = TANK,
    *,
    profile: ThingProfile | None = None,
    options: Mapping[str, str] | None = None,
) -> ConnectedThing:
    """Return a registered thing of ``OWNER``."""
    return ConnectedThing(
        thing_id=thing_id, owner_id=OWNER, profile=profile or sample_profile(), options=dict(options or {})
    )


def thing_principal(thing_id: ThingId = TANK) -> Principal:
    """Return the principal of a thing that showed its own credential."""
    return Principal(kind=PrincipalKind.THING, name=thing_id, thing_id=thing_id, owner_id=OWNER)


@final
class ManualClock:
    """A ``Clock`` that moves only when told."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """Return the start plus what was advanced."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """Return the seconds advanced."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move time on."""
        self._elapsed_s += seconds


@final
class RecordingSink:
    """A ``ReadingSink`` that keeps what comes and answers as programmed: store (at first), refuse or withhold."""

    def __init__(self) -> None:
        self.received: list[tuple[Principal, DeviceMessage]] = []
        """All messages handed in, in order, refused and repeated ones too."""
        self.stored: list[DeviceMessage] = []
        """Messages stored, each once."""
        self._identities: set[tuple[ThingId, str]] = set()
        self._refusal: Refused | None = None
        self._withholds = False
        self._held: list[Callable[[], None]] = []
        self._arrival = asyncio.Event()

    @property
    def messages(self) -> list[DeviceMessage]:
        """All messages handed in, without their principals."""
        return [message for _, message in self.received]

    def store(self) -> None:
        """From now on store and answer at once."""
        self._refusal, self._withholds = None, False

    def refuse(self, code: ReadingRefusal, detail: str = "as told", retry_after_s: float | None = None) -> None:
        """From now on refuse at once."""
        self._refusal, self._withholds = Refused(code=code, detail=detail, retry_after_s=retry_after_s), False

    def withhold(self) -> None:
        """From now on answer nothing until ``release``; what the answer is depends on the settings at that time."""
        self._withholds = True

    def release(self) -> None:
        """Answer everything withheld, in order, and go on without withholding."""
        self._withholds = False
        held, self._held = self._held, []
        for answer in held:
            answer()

    async def arrived(self, count: int) -> None:
        """Wait until ``count`` messages have been handed in since the start.

        Raises:
            TimeoutError: They did not come within ``DEADLINE_S``.
        """
        async with asyncio.timeout(DEADLINE_S):
            while len(self.received) < count:
                self._arrival.clear()
                await self._arrival.wait()

    def accept(self, principal: Principal, message: DeviceMessage, done: Callable[[Receipt], None]) -> None:
        """Record the message and answer as programmed."""
        self.received.append((principal, message))
        self._arrival.set()
        if self._withholds:
            self._held.append(lambda: done(self._receipt(message)))
        else:
            done(self._receipt(message))

    def _receipt(self, message: DeviceMessage) -> Receipt:
        if self._refusal is not None:
            return self._refusal
        identity = (message.thing_id, message.message_id)
        if identity in self._identities:
            return Stored(duplicate=True)
        self._identities.add(identity)
        self.stored.append(message)
        return Stored()


@final
class FakeDirectory:
    """A ``ThingDirectory`` in memory. A thing is connected by every protocol unless ``protocol`` names one."""

    def __init__(self) -> None:
        self._things: dict[ThingId, tuple[str | None, ConnectedThing]] = {}
        self._watchers: list[Callable[[Sequence[ThingId]], None]] = []

    def register(self, thing: ConnectedThing, *, protocol: str | None = None) -> None:
        """Add or replace a thing and tell the watchers."""
        self._things[thing.thing_id] = (protocol, thing)
        self._tell(thing.thing_id)

    def retire(self, thing_id: ThingId) -> None:
        """Forget a thing and tell the watchers."""
        del self._things[thing_id]
        self._tell(thing_id)

    def connected_by(self, protocol: str, among: Collection[ThingId] | None = None) -> Sequence[ConnectedThing]:
        """Return the things of this protocol, ordered by id; of some ids where they are named."""
        of_it = [thing for _, (by, thing) in sorted(self._things.items()) if by in (None, protocol)]
        return [thing for thing in of_it if among is None or thing.thing_id in among]

    def find(self, thing_id: ThingId) -> ConnectedThing | None:
        """Return a registered thing."""
        _, thing = self._things.get(thing_id, (None, None))
        return thing

    def on_change(self, changed: Callable[[Sequence[ThingId]], None]) -> Callable[[], None]:
        """Call ``changed`` after each change until the answer is called."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _tell(self, thing_id: ThingId) -> None:
        for watcher in tuple(self._watchers):
            watcher((thing_id,))


@final
class FakeAuthenticator:
    """An ``Authenticator`` with a table of tokens; ``TOKEN`` belongs to ``TANK``."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {TOKEN: thing_principal()}

    def by_bearer(self, token: str) -> Principal | None:
        """Return who holds the token."""
        return self.principals.get(token)


ORDER: Final = OrderKey("I2CSAMPLEORDERSAMPLEORDERSAMP")


def sample_order(state: OrderState = OrderState.CONFIRMED, thing_id: ThingId = TANK) -> ThingOrder:
    """Return an order of a thing for its slot."""
    return ThingOrder(
        key=ORDER,
        thing_id=thing_id,
        subject="content",
        kind=NeedKind.SUPPLY,
        state=state,
        code=str(state),
        sentence=f"the order is {state}",
        sku="REFILL-1",
        quantity=1,
        changed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def sample_command(body: CommandBody | None = None, command_id: str = "c1", within_s: float = 60.0) -> ThingCommand:
    """Return a command for ``TANK``: a reset, unless told otherwise."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return ThingCommand(
        command_id=CommandId(command_id),
        thing_id=TANK,
        owner_id=OWNER,
        correlation_id=CorrelationId("tank-1.content.1"),
        body=body or InvokeAction(name="reset", arguments={"delay": 3.0}),
        reason="a remote fix is tried first",
        issued_at=start,
        deadline=start + timedelta(seconds=within_s),
    )


@final
class FakeMachine:
    """A ``MachineInterface`` that keeps what is asked and gives fixed answers, or declines as programmed."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Principal, object]] = []
        """Method name, who asked, and what."""
        self.known: dict[OrderKey, ThingOrder] = {}
        self._declined: Declined | None = None
        self._watchers: list[tuple[ThingId, Callable[[ThingOrder], None]]] = []

    def decline(self, code: DeclineCode, detail: str = "as told", retry_after_s: float | None = None) -> None:
        """From now on say no to everything."""
        self._declined = Declined(code=code, detail=detail, next_step="do as told", retry_after_s=retry_after_s)

    def answer(self) -> None:
        """From now on answer again."""
        self._declined = None

    def progress(self, order: ThingOrder) -> None:
        """Let an order reach a state, and tell who watches its thing."""
        self.known[order.key] = order
        for thing_id, changed in tuple(self._watchers):
            if thing_id == order.thing_id:
                changed(order)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    async def ask_peers(self, principal: Principal, subject: str) -> Advice | Declined:
        """Recommend."""
        declined = self._heard("ask_peers", principal, subject)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return declined or Recommendation(
            correlation_id=CorrelationId("tank-1.content.asked"),
            topic=Topic.MATERIAL,
            subject=subject,
            action="order_supply",
            evidence=Evidence(peers=12, owners=6),
            method="fake",
            model_version="1",
            confidence=0.5,
            sentence="peers say so",
            answered_at=at,
            expires_at=at + timedelta(days=1),
        )

    async def search_offers(self, principal: Principal, wanted: Wanted) -> OffersFound | Declined:
        """Find nothing."""
        declined = self._heard("search_offers", principal, wanted)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        return declined or OffersFound(subject=wanted.subject, offers=(), silent={"shop": "closed"}, found_at=at)

    async def request(self, principal: Principal, wanted: Wanted) -> RequestTaken | Declined:
        """Take it, as ``ORDER``."""
        declined = self._heard("request", principal, wanted)
        if declined is not None:
            return declined
        already = ORDER in self.known
        self.known.setdefault(ORDER, sample_order(OrderState.DRAFTED))
        return RequestTaken(key=ORDER, subject=wanted.subject, already=already)

    async def end_request(self, principal: Principal, ending: RequestEnding) -> RequestTaken | Declined:
        """Take it."""
        declined = self._heard("end_request", principal, ending)
        return declined or RequestTaken(key=ORDER, subject=ending.subject, already=True)

    def order(self, principal: Principal, key: OrderKey) -> ThingOrder | Declined:
        """Return what is known."""
        declined = self._heard("order", principal, key)
        if declined is not None:
            return declined
        found = self.known.get(key)
        return found or Declined(code=DeclineCode.UNKNOWN_ORDER, detail=f"no order {key}")

    def orders(self, principal: Principal) -> Sequence[ThingOrder] | Declined:
        """Return what is known."""
        return self._heard("orders", principal, None) or list(self.known.values())

    def watch_orders(self, thing_id: ThingId, changed: Callable[[ThingOrder], None]) -> Callable[[], None]:
        """Call ``changed`` with what ``progress`` is told."""
        entry = (thing_id, changed)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    def _heard(self, method: str, principal: Principal, what: object) -> Declined | None:
        self.asked.append((method, principal, what))
        if self._declined is not None:
            return self._declined
        if principal.kind is not PrincipalKind.THING:
            return Declined(code=DeclineCode.FOREIGN_THING, detail=f"{principal.name} is no thing")
        return None


@final
class MemoryStore:
    """An ``AdapterStore`` in memory; hand it to a second kit to play a restart."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, bytes]] = {}
        self.is_down = False
        """Whether every write is refused."""

    def all(self, kind: str) -> Mapping[str, bytes]:
        """Return the records of a kind by key."""
        return dict(self._records.get(kind, {}))

    async def keep(self, kind: str, key: str, body: bytes) -> None:
        """Keep a record."""
        if self.is_down:
            raise StoreDown("as told")
        self._records.setdefault(kind, {})[key] = body

    async def forget(self, kind: str, key: str) -> None:
        """Remove a record."""
        if self.is_down:
            raise StoreDown("as told")
        self._records.get(kind, {}).pop(key, None)


@dataclass(slots=True)
class ProtocolKit:
    """The hub as an adapter sees it, made of fakes. Make it inside a running loop."""

    sink: RecordingSink = field(default_factory=RecordingSink)
    machine: FakeMachine = field(default_factory=FakeMachine)
    store: MemoryStore = field(default_factory=MemoryStore)
    things: FakeDirectory = field(default_factory=FakeDirectory)
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    clock: ManualClock = field(default_factory=ManualClock)
    chance: Random = field(default_factory=lambda: Random(1))

    def deps(self) -> ProtocolDeps:
        """Return what the hub would hand to the adapter."""
        return ProtocolDeps(
            sink=self.sink,
            machine=self.machine,
            store=self.store,
            things=self.things,
            authenticator=self.authenticator,
            clock=self.clock,
            chance=self.chance,
        )


class DeviceEnd(Protocol):
    """A running adapter and the device at the far end of its wire, as the contract drives them."""

    @property
    def adapter(self) -> ProtocolAdapter:
        """The adapter under test."""
        ...

    async def report(self, level: float) -> bool:
        """Let ``TANK`` say its ``level`` once, over the wire, and wait as a device waits.

        Returns True when the wire said that it is stored, False when the wire said that it was refused.
        """
        ...


class ProtocolAdapterContract:
    """What every protocol adapter keeps. Subclass it as ``Test...`` and say how to run one adapter with one device."""

    def connect(self, kit: ProtocolKit) -> AbstractAsyncContextManager[DeviceEnd]:
        """Register ``TANK`` with the options it needs, run adapter and device, and end both with the context."""
        raise NotImplementedError

    async def test_a_reading_arrives_under_the_name_of_its_thing(self) -> None:
        """Identity is the credential's or the connection's; the value is the device's."""
        async with self._connected() as (kit, device):
            assert await device.report(41.5)
            principal, message = kit.sink.received[-1]
            assert principal.thing_id == TANK or principal.kind is PrincipalKind.LINK
            assert message.thing_id == TANK
            assert [(reading.name, reading.value) for reading in message.readings] == [("level", 41.5)]

    async def test_nothing_is_acknowledged_before_it_is_stored(self) -> None:
        """Promise 1 of the design: acknowledged is durable."""
        async with self._connected() as (kit, device), asyncio.TaskGroup() as group:
            kit.sink.withhold()
            answer = group.create_task(device.report(41.5))
            await kit.sink.arrived(1)
            assert not answer.done()
            assert not kit.sink.stored
            kit.sink.release()
            assert await answer

    async def test_a_refusal_is_not_an_acknowledgement(self) -> None:
        """A device that is refused must know it, so that nobody believes the reading is kept."""
        async with self._connected() as (kit, device):
            kit.sink.refuse(ReadingRefusal.OUT_OF_RANGE)
            assert not await device.report(41.5)
            assert device.adapter.counters()["refused"] >= 1

    async def test_a_command_that_is_not_here_is_not_taken_back(self) -> None:
        """What the adapter does not hold may have left: it says so, and does not raise."""
        async with self._connected() as (_, device):
            assert not device.adapter.recall(CommandId("unknown"))

    async def test_two_reports_are_two_messages(self) -> None:
        """The same value twice is news twice; only a repeated message is a duplicate."""
        async with self._connected() as (kit, device):
            assert await device.report(41.5)
            assert await device.report(41.0)
            assert len({message.message_id for message in kit.sink.stored}) == len(kit.sink.stored) >= 2
            assert device.adapter.counters()["accepted"] >= 2

    async def test_closing_leaves_no_task_behind(self) -> None:
        """The context ends what it started."""
        before = asyncio.all_tasks()
        async with self._connected() as (_, device):
            assert await device.report(41.5)
        assert asyncio.all_tasks() == before

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[tuple[ProtocolKit, DeviceEnd]]:
        kit = ProtocolKit()
        async with asyncio.timeout(DEADLINE_S), self.connect(kit) as device:
            yield kit, device
