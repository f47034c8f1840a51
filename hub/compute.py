"""The computing relay: answers questions and trains models, in batches, off the event loop."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import Final

import msgspec
import structlog

from actors.community.advising import advise_health, advise_material
from actors.community.answers import AnswerRules
from actors.community.cards import CardMatrix
from actors.community.health_index import HealthModel
from actors.community.helping import advise_remedy
from actors.community.policy import ActBand
from actors.dialogue import (
    AdviceGiven,
    ComputeAdvice,
    ComputeJob,
    TakeCard,
    TrainingFailed,
    TrainingFinished,
    TrainModel,
    community_address,
)
from actors.model.advice import Abstention, Advice, ExperienceCard, Question, Topic
from actors.model.ids import CommunityId, OwnerId
from actors.model.profiles import HealthSpec, ThingProfile
from actors.ports import Clock
from actors.runtime.contract import Engine
from actors.runtime.journal import Batch, BatchRefused, Journal, JournalUnavailable, OutboxRow, RecordRow
from hub.config import CommunityConfig
from hub.training import PublishedModel, TrainingRefused, TrainingRequest, train_apart

log = structlog.get_logger(__name__)

TRAINING_LIFE: Final = "training_life"
_MOST_QUESTIONS: Final = 256
_EARLY_FACTOR: Final = 2.0

_Component = tuple[CommunityId, str]


class Compute:
    """Implements the relay ``compute`` and keeps the projections that answers are made from."""

    def __init__(
        self,
        communities: Mapping[str, CommunityConfig],
        profiles: Mapping[str, ThingProfile],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._communities = communities
        self._profiles = profiles
        self._journal = journal
        self._clock = clock
        self._decode = msgspec.msgpack.Decoder(ComputeJob).decode
        self._models: dict[_Component, HealthModel] = {}
        self._matrices: dict[_Component, CardMatrix] = {}
        self._supplies: dict[_Component, dict[str, ExperienceCard]] = {}
        self._remedies: dict[_Component, dict[str, ExperienceCard]] = {}
        self._questions: asyncio.Queue[tuple[OutboxRow, ComputeAdvice]] = asyncio.Queue()
        self._trainings: asyncio.Queue[tuple[OutboxRow, TrainModel]] = asyncio.Queue()
        self._engine: Engine | None = None

    def model(self, community_id: CommunityId, subject: str) -> HealthModel | None:
        """Return the published model of a component."""
        return self._models.get((community_id, subject))

    def load(self, models: Mapping[_Component, str]) -> None:
        """Rebuild the projections from the records; ``models`` are the versions that the communities publish."""
        for component, version in models.items():
            packed = self._journal.record("model", version)
            if packed is not None:
                self._publish(component, HealthModel.from_bytes(packed))
        for row in self._journal.records("card"):
            if row.body is not None:
                self._take_card(msgspec.json.decode(row.body, type=ExperienceCard))

    # The relay.

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a job; all of them may be done again after a restart."""
        del recovered
        job: ComputeJob = self._decode(row.body)
        match job:
            case ComputeAdvice():
                self._questions.put_nowait((row, job))
            case TrainModel():
                self._trainings.put_nowait((row, job))
            case TakeCard(card=card):
                self._take_card(card)
                asyncio.get_running_loop().call_soon(self._discard, row.outbox_id)

    def _discard(self, outbox_id: int) -> None:
        if self._engine is not None:
            self._engine.discard(outbox_id)

    async def run(self, engine: Engine) -> None:
        """Work until cancelled."""
        self._engine = engine
        with ThreadPoolExecutor(1, "compute") as threads:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._answer_for_ever(engine, threads))
                group.create_task(self._train_for_ever(engine))

    # Questions: all that wait are answered in one go.

    async def _answer_for_ever(self, engine: Engine, threads: Executor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = [await self._questions.get()]
            while not self._questions.empty() and len(asked) < _MOST_QUESTIONS:
                asked.append(self._questions.get_nowait())
            questions = [job.question for _, job in asked]
            now = self._clock.now()
            answers = await loop.run_in_executor(threads, self._answer_all, questions, now)
            for (row, job), advice in zip(asked, answers, strict=True):
                engine.complete(row.outbox_id, job.reply_to, AdviceGiven(advice=advice))

    def _answer_all(self, questions: Sequence[Question], now: datetime) -> list[Advice]:
        return [self._answer_or_abstain(question, now) for question in questions]

    def _answer_or_abstain(self, question: Question, now: datetime) -> Advice:
        """Answer one question; one that cannot be worked out must not keep the others from their answers."""
        try:
            return self._answer(question, now)
        except Exception:
            log.exception("question_failed", community=question.community_id, subject=question.subject)
            return Abstention(
                correlation_id=question.correlation_id,
                topic=question.topic,
                subject=question.subject,
                reason="failed",
                sentence="the hub failed on this question; its log says why",
                answered_at=now,
            )

    def _answer(self, question: Question, now: datetime) -> Advice:
        config = self._communities.get(question.community_id)
        component = (question.community_id, question.subject)
        rules = self._rules(question, config.k_owners if config else 5)
        if question.topic is Topic.MATERIAL:
            cards = list(self._supplies.get(component, {}).values())
            return advise_material(cards, question, rules=rules, answered_at=now)
        if question.topic is Topic.REMEDY:
            tried = list(self._remedies.get(component, {}).values())
            return advise_remedy(tried, question, rules=rules, answered_at=now)
        model = self._models.get(component)
        matrix = self._matrices.get(component) or CardMatrix(model.version if model else "")
        return advise_health(model, matrix, question, rules=rules, answered_at=now).advice

    def _rules(self, question: Question, k_owners: int) -> AnswerRules:
        spec = self._health_spec(question.subject) if question.topic is Topic.HEALTH else None
        lead, names = (spec.delivery_cycles, spec.sensor_names) if spec else (0.0, ())
        return AnswerRules(k_owners=k_owners, unit=self._unit(question), lead=lead, sensor_names=names)

    def _unit(self, question: Question) -> str:
        if question.topic is Topic.HEALTH:
            return "cycles"
        config = self._communities.get(question.community_id)
        for name in config.members if config else ():
            profile = self._profiles.get(name)
            slot = profile.slots.get(question.subject) if profile else None
            if profile and slot and slot.usage:
                return f"{profile.properties[slot.usage].unit or 'use'}s"
        return "days"

    def _take_card(self, card: ExperienceCard) -> None:
        component = (card.community_id, card.subject)
        if card.topic is Topic.MATERIAL:
            self._supplies.setdefault(component, {})[card.card_id] = card
            return
        if card.topic is Topic.REMEDY:
            self._remedies.setdefault(component, {})[card.card_id] = card
            return
        matrix = self._matrices.get(component)
        if matrix is not None and card.model_version == matrix.model_version:
            matrix.append(card.card_id, card.owner_id, card.curve)

    def _publish(self, component: _Component, model: HealthModel) -> None:
        self._models[component] = model
        self._matrices[component] = CardMatrix(model.version)

    # Training: one at a time, in a process of its own.

    async def _train_for_ever(self, engine: Engine) -> None:
        while True:
            row, job = await self._trainings.get()
            message = await self._train(job)
            engine.complete(row.outbox_id, community_address(job.community_id), message)

    async def _train(self, job: TrainModel) -> TrainingFinished | TrainingFailed:
        lives = self._lives(job)
        log.info("training_started", community=job.community_id, subject=job.subject, lives=len(lives))
        published = await train_apart(TrainingRequest(lives=lives, band=self._band(job.subject)))
        if isinstance(published, TrainingRefused):
            log.warning("training_failed", community=job.community_id, subject=job.subject, reason=published.reason)
            return TrainingFailed(subject=job.subject, reason=published.reason)
        try:
            await self._keep(job, published)
        except (JournalUnavailable, BatchRefused) as error:
            log.warning("training_failed", community=job.community_id, subject=job.subject, reason=str(error))
            return TrainingFailed(subject=job.subject, reason=f"the model could not be stored: {error}")
        log.info("model_published", community=job.community_id, subject=job.subject, version=published.version)
        return TrainingFinished(
            subject=job.subject, model_version=published.version, lives=published.lives, owners=published.owners
        )

    def _lives(self, job: TrainModel) -> list[bytes]:
        prefix = f"{job.community_id}/{job.subject}/"
        rows = self._journal.records(TRAINING_LIFE)
        return [row.body for row in rows if row.key.startswith(prefix) and row.body is not None]

    def _band(self, subject: str) -> ActBand:
        spec = self._health_spec(subject)
        return ActBand(late=spec.act_below, early=spec.act_below * _EARLY_FACTOR) if spec else ActBand()

    def _health_spec(self, subject: str) -> HealthSpec | None:
        specs = (profile.components.get(subject) for profile in self._profiles.values())
        return next((spec for spec in specs if spec is not None), None)

    async def _keep(self, job: TrainModel, published: PublishedModel) -> None:
        """Make model and cards durable before the community speaks of them."""
        cards = [
            ExperienceCard(
                card_id=f"{published.version}.{life_id}",
                community_id=job.community_id,
                topic=Topic.HEALTH,
                owner_id=OwnerId(owner_id),
                subject=job.subject,
                lived=float(cycles),
                curve=tuple(curve),
                model_version=published.version,
            )
            for life_id, owner_id, cycles, curve in published.cards
        ]
        records = [RecordRow(kind="model", key=published.version, owner="", body=published.model)]
        records += [
            RecordRow(
                kind="card",
                key=f"{card.community_id}/{card.card_id}",
                owner=card.owner_id,
                body=msgspec.json.encode(card),
            )
            for card in cards
        ]
        await store(self._journal, Batch(records=records))
        self._publish((job.community_id, job.subject), HealthModel.from_bytes(published.model))
        for card in cards:
            self._take_card(card)


async def store(journal: Journal, batch: Batch) -> None:
    """Commit records that belong to no actor's turn.

    Raises:
        JournalUnavailable: the disk refuses.
    """
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: Exception | None) -> None:
        if stored.done():
            return
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)

    journal.commit(batch, done)
    await stored
