"""What a simulated hub is put together from. A planted fault replaces one part; everything else stays real."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Final

import msgspec

from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.desk.desk import Desk, DeskSettings
from actors.desk.office import Office
from actors.dialogue import AdviceGiven, ComputeAdvice, ComputeJob
from actors.model.advice import Abstention, Advice, Evidence, Question, Recommendation
from actors.model.ids import CommunityId, InstallationId
from actors.model.outcomes import Capabilities
from actors.model.profiles import FaultSpec, PropertyKind, PropertySpec, SkuChoice, SlotSpec, ThingProfile
from actors.owner.core import OwnerCore, OwnerLimits
from actors.ports import Clock, CrmAdapter
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.contract import Engine, EngineSettings
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import Journal, OutboxRow
from actors.runtime.shards import ShardHost
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.ingest import DurableSink
from hub.reconciling import Reconciler, Records
from hub.registry import Registry
from hub.simulation.disk import DiskJournal

INSTALLATION: Final = InstallationId("simulated")
COMMUNITY: Final = CommunityId("office")
PROFILE: Final = ThingProfile(
    name="printer",
    title="Printer",
    model="P-1",
    properties={
        "ink": PropertySpec(unit="%", minimum=0, maximum=100),
        "pages": PropertySpec(unit="page"),
        "fault": PropertySpec(kind=PropertyKind.TEXT),
    },
    slots={
        "black": SlotSpec(
            level="ink",
            usage="pages",
            capacity=100,
            low_at=15,
            refill_step=30,
            skus=(SkuChoice(sku="INK-1", fills=100.0), SkuChoice(sku="INK-2", fills=40.0)),
            delivery_days=0.1,
            safety_days=0.0,
        )
    },
    faults={"jam": FaultSpec(code="fault", equals="E1", title="Paper jam", work="Replace the roller")},
)
SEEN_WITHIN_DAYS: Final = 0.2
_LONGEST_THOUGHT_S: Final = 8.0
DESK: Final = DeskSettings(request_s=30.0)


class SlowPeers:
    """The computing relay of a community that answers late, or not within the time that anybody waits."""

    def __init__(self, engine: Engine, clock: Clock, chance: Random) -> None:
        self._engine = engine
        self._clock = clock
        self._chance = chance

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a job."""
        del recovered
        asyncio.get_running_loop().call_later(self._chance.uniform(0.0, _LONGEST_THOUGHT_S), self._answer, row)

    def _answer(self, row: OutboxRow) -> None:
        job: ComputeJob = msgspec.msgpack.decode(row.body, type=ComputeJob)
        if isinstance(job, ComputeAdvice):
            self._engine.complete(row.outbox_id, job.reply_to, AdviceGiven(advice=self._advice(job.question)))
        else:
            self._engine.discard(row.outbox_id)

    def _advice(self, question: Question) -> Advice:
        now = self._clock.now()
        if self._chance.random() < 0.5:
            return Abstention(
                correlation_id=question.correlation_id,
                topic=question.topic,
                subject=question.subject,
                reason="no_evidence",
                sentence="nobody has used one up yet",
                answered_at=now,
            )
        return Recommendation(
            correlation_id=question.correlation_id,
            topic=question.topic,
            subject=question.subject,
            action="order_supply",
            ranking={sku: self._chance.uniform(100.0, 2000.0) for sku in question.skus},
            evidence=Evidence(peers=12, owners=11),
            method="simulated",
            model_version="1",
            confidence=0.5,
            sentence="peers say so",
            answered_at=now,
            expires_at=now + timedelta(hours=1),
        )


class Parts:
    """Makes the parts, the real ones."""

    shards = 1
    """How many a universe must have for this to make a difference."""

    def journal(self, journal: DiskJournal) -> Journal:
        """Return what the engine writes to."""
        return journal

    def engine(self, journal: Journal, clock: Clock, settings: EngineSettings) -> TurnEngine:
        """Return the engine."""
        return TurnEngine(journal, clock, settings)

    def whole(self, engines: Sequence[TurnEngine], shard_of: Callable[[str], int]) -> Engine:
        """Return all shards as one engine; a single one is itself."""
        return engines[0] if len(engines) == 1 else ShardHost(engines, shard_of)

    def sink(self, engine: Engine, registry: Registry) -> DurableSink:
        """Return where devices hand in what they tell."""
        return DurableSink(engine, registry)

    def capabilities(self, capabilities: Capabilities) -> Capabilities:
        """Return what a CRM is taken to be able to do."""
        return capabilities

    def adapter(self, adapter: CrmAdapter) -> CrmAdapter:
        """Return what the desk calls."""
        return adapter

    def desk(self, connection: str, adapter: CrmAdapter, office: Office, clock: Clock, chance: Random) -> Desk:
        """Return the desk of a connection."""
        return Desk(connection, adapter, office, clock, chance, DESK)

    def reconciler(self, office: Office, records: Records, desks: Mapping[str, Desk]) -> Reconciler:
        """Return what compares orders with the CRMs' records."""
        return Reconciler(office, records, desks)

    def things(self) -> ThingCore:
        """Return the core of things."""
        return ThingCore({"printer@1": PROFILE}, NoModels(), INSTALLATION, seen_within_days=SEEN_WITHIN_DAYS)

    def owners(self, limits: OwnerLimits) -> OwnerCore:
        """Return the core of owners."""
        return OwnerCore(limits)

    def connections(self, settings: Mapping[str, ConnectionSettings]) -> ConnectionCore:
        """Return the core of connections."""
        return ConnectionCore(settings)

    def orders(self, settings: PurchasingSettings) -> OrderCore:
        """Return the core of orders."""
        return OrderCore(settings)
