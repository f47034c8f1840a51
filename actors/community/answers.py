"""What all answers of a community share: its rules, how far to trust a number of lives, and silence with its reason."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from actors.community.sentences import abstention_sentence, what_is_missing
from actors.community.votes import hubs_among
from actors.model.advice import Abstention, Advice, ExperienceCard, Question, Recommendation

_HALF_SURE = 5.0


class AnswerRules(Struct, frozen=True, kw_only=True):
    """How a community answers. ``lead`` is the delivery time in ``unit``, for the latest time to order."""

    k_owners: int = 5
    keep_for: timedelta = timedelta(days=1)
    unit: str = "cycles"
    lead: float = 0.0
    sensor_names: tuple[str, ...] = ()


def certainty(lives: float) -> float:
    """Return how far a number of lives may be trusted: half at five, towards one."""
    return lives / (lives + _HALF_SURE)


def abstain(question: Question, reason: str, rules: AnswerRules, answered_at: datetime) -> Abstention:
    """Return that there is no answer, why, and what would have to be there."""
    return Abstention(
        correlation_id=question.correlation_id,
        topic=question.topic,
        subject=question.subject,
        reason=reason,
        sentence=abstention_sentence(reason, k_owners=rules.k_owners),
        missing=what_is_missing(reason, question.topic, k_owners=rules.k_owners),
        answered_at=answered_at,
    )


def said_widened(advice: Advice, question: Question, level: str) -> Advice:
    """Return an answer that says that a wider community gave it, where that is so."""
    if question.widened_from is None or not isinstance(advice, Recommendation):
        return advice
    told = f"Widened to {level}: {advice.evidence.peers} {'peer' if advice.evidence.peers == 1 else 'peers'}."
    return replace(
        advice,
        evidence=replace(advice.evidence, widened_to=level),
        sentence=f"{advice.sentence} {told}",
    )


def said_hubs(advice: Advice, cards: Iterable[ExperienceCard] = ()) -> Advice:
    """Return an answer that says of how many hubs its peers are, where they are of several; never of which."""
    if not isinstance(advice, Recommendation):
        return advice
    hubs = max(advice.evidence.hubs, hubs_among(card for card in cards if _is_behind(card, advice)))
    if hubs < 2:
        return advice
    evidence = replace(advice.evidence, hubs=hubs)
    return replace(advice, evidence=evidence, sentence=f"{advice.sentence} They are owners of {hubs} hubs.")


def _is_behind(card: ExperienceCard, advice: Recommendation) -> bool:
    if advice.remedies:
        return card.tried is not None and card.tried.remedy == advice.remedies[0].remedy
    return card.sku == advice.sku
