"""Whole durable turns: bytes decoded, thing found, its real core, commit, answer; nothing left out but the socket."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
from msgspec import Struct

from actors.dialogue import RegisterThing
from actors.model.ids import InstallationId, OwnerId, ThingId
from actors.model.profiles import PropertySpec, SkuChoice, SlotSpec, ThingProfile
from actors.model.readings import DeviceMessage, Principal, PrincipalKind, Reading, Receipt, Refused
from actors.model.things import Connection, ThingRecord
from actors.ports import ProtocolDeps
from actors.runtime.engine import TurnEngine
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.clock import SystemClock
from hub.ingest import DurableSink
from hub.registry import Registry, token_hash
from hub.storage.sqlite import SqliteJournal
from protocols.testing import MemoryStore

_PROPERTIES = 10


class BenchFailed(Exception):
    """What was measured did not do its work, so there is no figure."""


class _Body(Struct, gc=False):
    seq: int
    readings: tuple[Reading, ...]


def profile() -> ThingProfile:
    """Return a thing with ten numbers, the first of them the level of a slot."""
    names = [f"p{number}" for number in range(_PROPERTIES)]
    slot = SlotSpec(level="p0", capacity=1e9, low_at=1, refill_step=1e8, skus=(SkuChoice(sku="S"),))
    return ThingProfile(
        name="bench",
        title="bench",
        model="bench",
        properties={name: PropertySpec(unit="count") for name in names},
        slots={"slot": slot},
    )


class TurnBench:
    """An engine with ``things`` registered things, fed with device bytes."""

    def __init__(  # noqa: PLR0913 - what benchmarks vary, by name
        self,
        journal: SqliteJournal,
        things: int,
        options: Mapping[str, str] | None = None,
        *,
        kind: ThingProfile | None = None,
        protocol: str = "http",
        with_tokens: bool = False,
        prepare: Callable[[TurnEngine], None] | None = None,
    ) -> None:
        self._connection = Connection(protocol=protocol, options=dict(options or {}))
        self._with_tokens = with_tokens
        kind = kind or profile()
        self._clock = SystemClock()
        self.engine = self._engine = TurnEngine(journal, self._clock)
        self._engine.add_kind(ThingCore({"bench@1": kind}, NoModels(), InstallationId("bench")))
        self._registry = Registry({"bench": kind}, {}, journal)
        self._engine.on_records(self._registry.follow)
        self._sink = DurableSink(self._engine, self._registry)
        self._machine: Any = None  # readings only
        if prepare is not None:
            prepare(self._engine)
        self._engine.start()
        self._decode = msgspec.json.Decoder(_Body).decode
        self._things = [ThingId(f"t{number}") for number in range(things)]
        self._principals = {
            thing: Principal(kind=PrincipalKind.THING, name=thing, thing_id=thing) for thing in self._things
        }

    def deps(self) -> ProtocolDeps:
        """Return what a protocol adapter needs to feed this engine."""
        return ProtocolDeps(
            sink=self._sink,
            machine=self._machine,
            store=MemoryStore(),
            things=self._registry,
            authenticator=self._registry,
            clock=self._clock,
            chance=Random(1),
        )

    async def register(self) -> None:
        """Register all things."""
        async with asyncio.TaskGroup() as group:
            for thing in self._things:
                group.create_task(self._register(thing))

    async def _register(self, thing: ThingId) -> None:
        record = ThingRecord(
            thing_id=thing,
            owner_id=OwnerId("o"),
            profile="bench",
            connection=self._connection,
            token_sha256=token_hash(f"token-of-{thing}") if self._with_tokens else "",
        )
        message = RegisterThing(record=record, profile="bench@1")
        await self._engine.ask(f"thing/{thing}", message, timeout_s=120.0)

    async def stop(self) -> None:
        """Finish what was accepted."""
        await self._engine.stop()

    async def rate(self, *, senders: int, total: int, readings: int, boot: str) -> float:
        """Return messages a second, each sender a thing with one message under way."""
        loop = asyncio.get_running_loop()
        each = max(1, total // senders)
        bodies = [device_bytes(seq, readings) for seq in range(each)]  # devices make them, not the hub
        started = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(senders):
                group.create_task(self._send(self._things[number % len(self._things)], bodies, boot))
        return each * senders / (loop.time() - started)

    async def _send(self, thing: ThingId, bodies: Sequence[bytes], boot: str) -> None:
        loop = asyncio.get_running_loop()
        principal = self._principals[thing]
        for body in bodies:
            answer: asyncio.Future[Receipt] = loop.create_future()
            self._hand_in(principal, body, boot, answer.set_result)
            receipt = await answer
            if isinstance(receipt, Refused):
                raise BenchFailed(receipt.detail)

    def _hand_in(self, principal: Principal, body: bytes, boot: str, answer: Callable[[Receipt], None]) -> None:
        decoded = self._decode(body)
        message = DeviceMessage(
            thing_id=ThingId(principal.name),
            message_id=f"{boot}:{decoded.seq}",
            received_at=self._clock.now(),
            readings=decoded.readings,
            protocol="http",
        )
        self._sink.accept(principal, message, answer)

    def hand_in(self, number: int, body: bytes, boot: str, answer: Callable[[Receipt], None]) -> None:
        """Hand in one message of a thing, and go on."""
        self._hand_in(self._principals[self._things[number]], body, boot, answer)


def device_bytes(seq: int, readings: int) -> bytes:
    """Return what a device sends: ``readings`` numbers as JSON."""
    told = [{"name": f"p{number}", "value": 1000.0 - seq * 0.01, "unit": "count"} for number in range(readings)]
    return msgspec.json.encode({"seq": seq, "readings": told})


def row_bytes(readings: int) -> bytes:
    """Return what the journal keeps of such a message, for the bare append."""
    message = DeviceMessage(
        thing_id=ThingId("t1"),
        message_id="b:1",
        received_at=datetime.fromtimestamp(1_800_000_000, UTC),
        readings=msgspec.json.decode(device_bytes(1, readings), type=_Body).readings,
        protocol="http",
    )
    return msgspec.msgpack.encode(message)
