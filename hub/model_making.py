"""Health models: trained on lives given for that, published with founding cards, retired with a life forgotten."""

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.community.core import card_key
from actors.community.evidence import Standing, Stood
from actors.community.health_index import HealthModel
from actors.community.policy import ActBand
from actors.dialogue import TrainingFailed, TrainingFinished, TrainModel
from actors.model.advice import ExperienceCard, Topic
from actors.model.ids import CommunityId, OwnerId
from actors.model.profiles import HealthSpec, ThingProfile
from actors.runtime.journal import Batch, BatchRefused, Journal, JournalUnavailable, RecordRow
from hub.peers import CARD, STANDING, Peers
from hub.storing import store, store_rows
from hub.training import PublishedModel, TrainingLife, TrainingRefused, TrainingRequest, train_apart

log = structlog.get_logger(__name__)

MODEL: Final = "model"
TRAINING_LIFE: Final = "training_life"
TRAINED_ON: Final = "trained_on"
VOUCHED_LIFE: Final = "vouched_life"
"""By a life's key: the operator believes it, whatever the others say."""
WITHDRAWN_LIFE: Final = "withdrawn_life"
"""By a life's key: its thing left; no model is trained on it any more."""
_EARLY_FACTOR: Final = 2.0

Component = tuple[CommunityId, str]


class TrainedOn(Struct, frozen=True, kw_only=True):
    """The record of the kind ``trained_on``, by the model's version: the ids of the lives behind it."""

    lives: list[str]
    trimmed: list[str] = []
    """Lives that were left out, because what they say is confirmed by no others."""


class ModelMaking:
    """Trains models and keeps those that are published."""

    def __init__(
        self,
        profiles: Mapping[str, ThingProfile],
        journal: Journal,
        peers: Peers,
        k_owners: Callable[[CommunityId], int],
        chance: Random,
    ) -> None:
        self.published: dict[Component, HealthModel] = {}
        self._profiles = profiles
        self._journal = journal
        self._peers = peers
        self._k_owners = k_owners
        self._chance = chance

    async def train(self, job: TrainModel) -> TrainingFinished | TrainingFailed:
        """Make a model of all lives there are, and publish it."""
        lives = self._lives(job)
        held_back = self._held_back(job, lives)
        if held_back:
            return TrainingFailed(subject=job.subject, reason=held_back)
        log.info("training_started", community=job.community_id, subject=job.subject, lives=len(lives))
        packed = [msgspec.msgpack.encode(life) for life in lives.values()]
        vouched = [life.life_id for key, life in lives.items() if self._journal.record(VOUCHED_LIFE, key) is not None]
        request = TrainingRequest(lives=packed, band=self._band(job.subject), vouched=vouched)
        made = await train_apart(self._challenging(job, request))
        try:
            if not isinstance(made, TrainingRefused) and lives.keys() - self._lives(job).keys():
                return await self.train(job)  # some were forgotten meanwhile
            return await self._outcome(job, made, [life.life_id for life in lives.values()])
        except (JournalUnavailable, BatchRefused) as error:
            return _failed(job, f"the model could not be stored: {error}")

    def _challenging(self, job: TrainModel, request: TrainingRequest) -> TrainingRequest:
        """Return the request with the present model in it, which the new one must beat on the lives closed since."""
        component = (job.community_id, job.subject)
        model, known = self.published.get(component), self.trained_on(component)
        if model is None or known is None:
            return request
        cards = self._peers.evidence.health(*component, model.version).cards.values()
        return replace(
            request,
            champion=model.to_bytes(),
            champion_cards=[(card.card_id, card.owner_id, list(card.curve)) for card in cards if card.curve],
            seen=[*known.lives, *known.trimmed],
        )

    def trained_on(self, component: Component) -> TrainedOn | None:
        """Return what the published model was trained on, where that is known."""
        model = self.published.get(component)
        body = None if model is None else self._journal.record(TRAINED_ON, model.version)
        return None if body is None else msgspec.json.decode(body, type=TrainedOn)

    def trimmed(self, community_id: CommunityId) -> list[str]:
        """Return the ids of the lives that the published models leave out."""
        known = (self.trained_on(component) for component in self.published if component[0] == community_id)
        return sorted({life_id for each in known if each is not None for life_id in each.trimmed})

    async def vouch(self, community_id: CommunityId, life_ids: Collection[str], *, believed: bool) -> int:
        """Believe lives whatever the others say, from the next training on, or judge them again; return how many."""
        rows = [row for row in self._journal.records(TRAINING_LIFE) if row.key.startswith(f"{community_id}/")]
        named = [row for row in rows if row.key.rpartition("/")[2] in life_ids]
        body = b"true" if believed else None
        await store_rows(
            self._journal, [RecordRow(kind=VOUCHED_LIFE, key=row.key, owner=row.owner, body=body) for row in named]
        )
        return len(named)

    def made_from(self, community_id: CommunityId, life_keys: Collection[str]) -> list[Component]:
        """Return the components whose published models were trained on one of these lives."""
        return [
            component
            for component in self.published
            if component[0] == community_id and self._uses(component, life_keys)
        ]

    def _uses(self, component: Component, life_keys: Collection[str]) -> bool:
        prefix = f"{component[0]}/{component[1]}/"
        ids = {key.removeprefix(prefix) for key in life_keys if key.startswith(prefix)}
        known = self.trained_on(component)
        return bool(ids) and (known is None or not ids.isdisjoint([*known.lives, *known.trimmed]))

    def removals(self, component: Component) -> list[RecordRow]:
        """Return the removals of a model and of all that was made with it."""
        version = self.published[component].version
        return _removals(version, self._founding(component, version))

    def retire(self, component: Component) -> None:
        """Answer no more from a model whose records are removed."""
        model = self.published.pop(component)
        for card in self._founding(component, model.version):
            self._peers.evidence.forget(card.community_id, card.card_id)

    def _founding(self, component: Component, version: str) -> list[ExperienceCard]:
        """Return the cards that a training made; those that peers made with its model are theirs."""
        book = self._peers.evidence.health(component[0], component[1], version)
        return [card for card in book.cards.values() if card.card_id.startswith(f"{version}.")]

    def _lives(self, job: TrainModel) -> dict[str, TrainingLife]:
        prefix = f"{job.community_id}/{job.subject}/"
        withdrawn = {row.key for row in self._journal.records(WITHDRAWN_LIFE)}
        return {
            row.key: msgspec.msgpack.decode(row.body, type=TrainingLife)
            for row in self._journal.records(TRAINING_LIFE)
            if row.key.startswith(prefix) and row.body is not None and row.key not in withdrawn
        }

    def _held_back(self, job: TrainModel, lives: Mapping[str, TrainingLife]) -> str:
        """Return why a new model must wait: it would tell what the lives of a few owners added."""
        model, known = (
            self.published.get((job.community_id, job.subject)),
            self.trained_on((job.community_id, job.subject)),
        )
        if model is None or known is None:
            return ""
        k_owners = self._k_owners(job.community_id)
        book = self._peers.evidence.health(job.community_id, job.subject, model.version)
        changed = {life.owner_id for life in lives.values() if life.life_id not in {*known.lives, *known.trimmed}}
        if not changed or len(changed) >= k_owners or len({card.owner_id for card in book.told()}) < k_owners:
            return ""
        return f"waiting: lives of {len(changed)} owners are new since the present model, {k_owners} expected"

    async def _outcome(
        self, job: TrainModel, made: PublishedModel | TrainingRefused, life_ids: list[str]
    ) -> TrainingFinished | TrainingFailed:
        if isinstance(made, TrainingRefused):
            return _failed(job, made.reason)
        await self._keep(job, made, TrainedOn(lives=life_ids, trimmed=made.trimmed))
        facts = {"version": made.version, "against_former": made.against_former}
        log.info("model_published", community=job.community_id, subject=job.subject, **facts)
        return TrainingFinished(subject=job.subject, model_version=made.version, lives=made.lives, owners=made.owners)

    def health_spec(self, subject: str) -> HealthSpec | None:
        """Return what profiles say about a component."""
        specs = (profile.components.get(subject) for profile in self._profiles.values())
        return next((spec for spec in specs if spec is not None), None)

    def _band(self, subject: str) -> ActBand:
        spec = self.health_spec(subject)
        return ActBand(late=spec.act_below, early=spec.act_below * _EARLY_FACTOR) if spec else ActBand()

    async def _keep(self, job: TrainModel, made: PublishedModel, trained_on: TrainedOn) -> None:
        """Make model and cards durable before the community speaks of them, and drop the former model's."""
        component = (job.community_id, job.subject)
        cards = [_founding_card(job, made.version, *card) for card in made.cards]
        stood = self._standings(job, cards)
        former = self.published.get(component)
        old = [] if former is None or former.version == made.version else self._founding(component, former.version)
        records = [] if former is None or former.version == made.version else _removals(former.version, old)
        records.append(RecordRow(kind=MODEL, key=made.version, owner="", body=made.model))
        records.append(RecordRow(kind=TRAINED_ON, key=made.version, owner="", body=msgspec.json.encode(trained_on)))
        for card in cards:
            key, owner = card_key(card), card.owner_id
            records.append(RecordRow(kind=CARD, key=key, owner=owner, body=msgspec.json.encode(card)))
            records.append(
                RecordRow(kind=STANDING, key=key, owner=owner, body=msgspec.json.encode(stood[card.card_id]))
            )
        await store(self._journal, Batch(records=records))
        self.published[component] = HealthModel.from_bytes(made.model)
        for card in old:
            self._peers.evidence.forget(card.community_id, card.card_id)
        for card in cards:
            self._peers.take(card, stood[card.card_id])

    def _standings(self, job: TrainModel, cards: list[ExperienceCard]) -> dict[str, Stood]:
        owners = sorted({card.owner_id for card in cards})
        n_resting = min(self._k_owners(job.community_id) - 1, len(owners)) if job.hides else 0
        resting = frozenset(self._chance.sample(owners, n_resting))
        return {
            card.card_id: Stood(standing=Standing.RESTING if card.owner_id in resting else Standing.PUBLISHED)
            for card in cards
        }


def _failed(job: TrainModel, reason: str) -> TrainingFailed:
    log.warning("training_failed", community=job.community_id, subject=job.subject, reason=reason)
    return TrainingFailed(subject=job.subject, reason=reason)


def _founding_card(
    job: TrainModel, version: str, life_id: str, owner_id: str, cycles: int, curve: list[float]
) -> ExperienceCard:
    return ExperienceCard(
        card_id=f"{version}.{life_id}",
        community_id=job.community_id,
        topic=Topic.HEALTH,
        owner_id=OwnerId(owner_id),
        subject=job.subject,
        lived=float(cycles),
        curve=tuple(curve),
        model_version=version,
    )


def _removals(version: str, cards: Collection[ExperienceCard]) -> list[RecordRow]:
    gone = [(MODEL, version), (TRAINED_ON, version)]
    gone += [(kind, card_key(card)) for card in cards for kind in (CARD, STANDING)]
    return [RecordRow(kind=kind, key=key, owner="", body=None) for kind, key in gone]
