"""What leaves a thing when its life ends: a card in the vocabulary that actors and journals speak."""

from collections.abc import Iterable

from actors.community.cards import CardMatrix, LifeCard, life_card
from actors.community.health_index import HealthModel
from actors.community.lives import Life
from actors.model.advice import ExperienceCard, Topic
from actors.model.base import Instant
from actors.model.ids import CommunityId, OwnerId


def finished_card(model: HealthModel, life: Life) -> LifeCard:
    """Return the card of a life that took no part in the training of this model.

    A life that did has its card from the training (``Trained.cards``): one made here would be too good.
    """
    return life_card(life, model.life_index(life.rows))


def as_experience(
    card: LifeCard,
    *,
    model_version: str,
    community_id: CommunityId,
    subject: str,
    ended_at: Instant | None = None,
    card_id: str | None = None,
) -> ExperienceCard:
    """Return a life's card as peers share it; ``card_id`` replaces the life's own id, which may name a machine."""
    return ExperienceCard(
        card_id=card.life_id if card_id is None else card_id,
        community_id=community_id,
        topic=Topic.HEALTH,
        owner_id=OwnerId(card.owner_id),
        subject=subject,
        lived=float(card.cycles),
        curve=tuple(card.curve.tolist()),
        model_version=model_version,
        ended_at=ended_at,
    )


def matrix_of(cards: Iterable[ExperienceCard], model_version: str) -> CardMatrix:
    """Return the matrix of the finished lives among these cards that belong to this version of the model."""
    matrix = CardMatrix(model_version)
    for card in cards:
        if card.curve and not card.censored and card.model_version == model_version:
            matrix.append(card.card_id, card.owner_id, card.curve)
    return matrix
