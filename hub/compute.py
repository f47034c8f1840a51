"""The computing relay: answers questions and trains models, in batches, off the event loop."""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from random import Random
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from actors.community.advising import advise_health, advise_material
from actors.community.answers import AnswerRules, Blur, said_blurred, said_hubs, said_widened
from actors.community.band import peers_band
from actors.community.core import card_key
from actors.community.failing import FAILING, PublishedFailures
from actors.community.failing_advice import advise_failing
from actors.community.health_index import HealthModel
from actors.community.helping import advise_remedy
from actors.community.picture import Drawing, draw
from actors.community.spares import SPARES, advise_spares
from actors.dialogue import (
    AdviceGiven,
    AskCommunity,
    ComputeAdvice,
    ComputeJob,
    TakeCard,
    TrainAgain,
    TrainModel,
    chapter_address,
    community_address,
)
from actors.model.advice import Abstention, Advice, Question, Topic
from actors.model.ids import CommunityId, OwnerId
from actors.model.profiles import ThingProfile
from actors.ports import Clock
from actors.runtime.contract import Engine
from actors.runtime.journal import Journal, OutboxRow
from hub.config import CommunityConfig
from hub.failure_making import FailureMaking
from hub.model_making import ModelMaking
from hub.peers import Peers

log = structlog.get_logger(__name__)

_MOST_QUESTIONS: Final = 256
_K_OWNERS: Final = 5
_WIDENS: Final = frozenset({"too_few_owners", "no_evidence", "no_model"})

_Component = tuple[CommunityId, str]


class Compute:
    """Implements the relay ``compute`` and keeps the projections that answers are made from."""

    def __init__(
        self,
        communities: Mapping[str, CommunityConfig],
        profiles: Mapping[str, ThingProfile],
        journal: Journal,
        clock: Clock,
        chance: Random,
        noise_key: bytes = b"",
    ) -> None:
        self._communities = communities
        self._noise_key = noise_key or chance.randbytes(32)
        self._profiles = profiles
        self._journal = journal
        self._clock = clock
        self._decode = msgspec.msgpack.Decoder(ComputeJob).decode
        self.peers = Peers(journal, self.k_owners, chance)
        self.models = ModelMaking(profiles, journal, self.peers, self.k_owners, chance)
        self.failing = FailureMaking(journal)
        self._questions: asyncio.Queue[tuple[OutboxRow, ComputeAdvice]] = asyncio.Queue()
        self._trainings: asyncio.Queue[tuple[OutboxRow, TrainModel]] = asyncio.Queue()
        self._lost: list[_Component] = []
        self._engine: Engine | None = None

    def model(self, community_id: CommunityId, subject: str) -> HealthModel | None:
        """Return the published model of a component."""
        return self.models.published.get((community_id, subject))

    def failures(self, community_id: CommunityId) -> PublishedFailures | None:
        """Return the published model of failing parts."""
        return self.failing.published.get(community_id)

    def load(self, models: Mapping[_Component, str]) -> None:
        """Rebuild the projections from the records; ``models`` are the versions that the communities publish."""
        for component, version in models.items():
            packed = self._journal.record("model", version)
            if packed is None:
                self._lost.append(component)
            elif component[1] == FAILING:
                self.failing.published[component[0]] = PublishedFailures.from_bytes(packed)
            else:
                self.models.published[component] = HealthModel.from_bytes(packed)
        self.peers.load()

    async def picture(self, drawing: Drawing, community_id: CommunityId, subject: str, owner_id: OwnerId) -> str:
        """Return a machine's curve among its peers as SVG; worked out off the loop."""
        return await asyncio.to_thread(self._picture, drawing, (community_id, subject), owner_id)

    def _picture(self, drawing: Drawing, component: _Component, owner_id: OwnerId) -> str:
        model = self.models.published.get(component)
        if model is None:
            return draw(drawing)
        matrix = self.peers.evidence.health(*component, model.version).matrix
        most_left = drawing.estimate + drawing.curve[-1][0] - drawing.curve[0][0]
        k_owners = self.k_owners(component[0])
        band = peers_band(matrix, asker_owner=owner_id, k_owners=k_owners, most_left=most_left)
        return draw(replace(drawing, band=band))

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
            case TakeCard(key=key, card=card):
                self.peers.take_key(key if card is None else card_key(card))
                asyncio.get_running_loop().call_soon(self._discard, row.outbox_id)

    def _discard(self, outbox_id: int) -> None:
        if self._engine is not None:
            self._engine.discard(outbox_id)

    async def run(self, engine: Engine) -> None:
        """Work until cancelled."""
        self._engine = engine
        for community_id, subject in self._lost:  # a hub ended between forgetting lives and saying so
            engine.submit(community_address(community_id), TrainAgain(subject=subject), lambda _outcome: None)
        with ThreadPoolExecutor(1, "compute") as threads:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._answer_for_ever(engine, threads))
                group.create_task(self._train_for_ever(engine))
                group.create_task(self.peers.run(threads))

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
                wider = _widened(job.question, advice)
                if wider is None:
                    engine.complete(row.outbox_id, job.reply_to, AdviceGiven(advice=advice))
                else:  # whether the thing is a member there is for that community to say
                    ask = AskCommunity(question=wider, reply_to=job.reply_to)
                    engine.complete(row.outbox_id, chapter_address(wider.community_id, wider.thing_id), ask)

    def _answer_all(self, questions: Sequence[Question], now: datetime) -> list[Advice]:
        return [self.answer(question, now) for question in questions]

    def answer(self, question: Question, now: datetime) -> Advice:
        """Answer one question; one that cannot be worked out must not keep the others from their answers."""
        try:
            answer = said_widened(self._answer(question, now), question, self._level(question.community_id))
            return said_blurred(answer, self._blur(question))
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
        component = (question.community_id, question.subject)
        rules = self._rules(question, self.k_owners(question.community_id))
        if question.topic is Topic.MATERIAL:
            cards = self.peers.evidence.heard(
                question.community_id, Topic.MATERIAL, question.subject, question.owner_id
            )
            return said_hubs(advise_material(cards, question, rules=rules, answered_at=now), cards)
        if question.topic is Topic.SPARES:
            moments = self.peers.evidence.heard(question.community_id, Topic.SPARES, SPARES, question.owner_id)
            return advise_spares(moments, question, rules=rules, answered_at=now)
        if question.topic is Topic.REMEDY:
            tried = self.peers.evidence.heard(question.community_id, Topic.REMEDY, question.subject, question.owner_id)
            return said_hubs(advise_remedy(tried, question, rules=rules, answered_at=now), tried)
        if question.topic is Topic.FAILURE:
            published = self.failing.published.get(question.community_id)
            return advise_failing(published, question, rules=rules, answered_at=now)
        model = self.models.published.get(component)
        version = model.version if model else ""
        matrix = self.peers.evidence.health(question.community_id, question.subject, version).matrix
        return said_hubs(advise_health(model, matrix, question, rules=rules, answered_at=now).advice)

    def _rules(self, question: Question, k_owners: int) -> AnswerRules:
        spec = self.models.health_spec(question.subject) if question.topic is Topic.HEALTH else None
        lead, names = (spec.delivery_cycles, spec.sensor_names) if spec else (0.0, ())
        unit, blur = self._unit(question), self._blur(question)
        return AnswerRules(k_owners=k_owners, unit=unit, lead=lead, sensor_names=names, blur=blur)

    def _blur(self, question: Question) -> Blur | None:
        config = self._communities.get(question.community_id)
        if config is None or config.count_epsilon is None:
            return None
        about = f"{question.community_id}\x1f{question.topic}\x1f{question.subject}".encode()
        return Blur(epsilon=config.count_epsilon, key=hmac.digest(self._noise_key, about, "sha256"))

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

    def k_owners(self, community_id: CommunityId) -> int:
        """Return how many distinct owners it takes for evidence that crosses owners."""
        config = self._communities.get(community_id)
        return config.k_owners if config else _K_OWNERS

    # Training: one at a time, in a process of its own.

    async def _train_for_ever(self, engine: Engine) -> None:
        while True:
            row, job = await self._trainings.get()
            making = self.failing if job.subject == FAILING else self.models
            message = await making.train(job)
            engine.complete(row.outbox_id, community_address(job.community_id), message)

    def _level(self, community_id: CommunityId) -> str:
        """Return what a community is to its members; its name where no profile says that."""
        paths = (profile.peers.narrowest_first() for profile in self._profiles.values())
        return next((level for path in paths for level, name in path if name == community_id), community_id)


def _widened(question: Question, advice: Advice) -> Question | None:
    """Return the question to the next wider community, where this one had not enough to say."""
    return question.widened() if isinstance(advice, Abstention) and advice.reason in _WIDENS else None
