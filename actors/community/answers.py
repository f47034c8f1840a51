"""What all answers of a community share: its rules, how far to trust a number of lives, and silence with its reason."""

import hashlib
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from actors.community.sentences import abstention_sentence, what_is_missing
from actors.community.votes import hubs_among
from actors.model.advice import Abstention, Advice, ExperienceCard, Question, Recommendation

_HALF_SURE = 5.0


class Blur(Struct, frozen=True, kw_only=True):
    """Noise on counts, of Laplace's kind: one owner more or less changes what is told by a factor e^epsilon at most.

    The noise follows from ``key`` and the count itself: asking again averages nothing away.
    """

    epsilon: float
    key: bytes

    def count(self, owners: int, what: str) -> int:
        """Return a count of owners with its noise."""
        seed = hashlib.blake2b(f"{what}\x1f{owners}".encode(), key=self.key, digest_size=8).digest()
        uniform = (int.from_bytes(seed, "big") + 0.5) / 2**64 - 0.5
        return round(owners - math.copysign(math.log1p(-2 * abs(uniform)), uniform) / self.epsilon)


class Count(NamedTuple):
    """How many peers of how many owners are told to be behind an answer."""

    peers: int
    owners: int


class AnswerRules(Struct, frozen=True, kw_only=True):
    """How a community answers. ``lead`` is the delivery time in ``unit``, for the latest time to order."""

    k_owners: int = 5
    keep_for: timedelta = timedelta(days=1)
    unit: str = "cycles"
    lead: float = 0.0
    sensor_names: tuple[str, ...] = ()
    blur: Blur | None = None

    def told(self, count: Count, own_fleet: int, what: str) -> Count:
        """Return what is told of a count: as it is; or with noise, and then one peer for each other owner.

        An owner's own fleet is never blurred for itself. ``what`` names what is counted.
        """
        yours = min(own_fleet, 1)
        others = count.owners - yours
        if self.blur is None or others <= 0:
            return count
        blurred = max(self.k_owners, self.blur.count(others, what))
        return Count(own_fleet + blurred, yours + blurred)


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


def said_blurred(advice: Advice, blur: Blur | None) -> Advice:
    """Return an answer that says that its counts have noise, where they have."""
    if blur is None or not isinstance(advice, Recommendation):
        return advice
    if advice.evidence.owners <= min(advice.evidence.own_fleet, 1):  # one's own fleet alone
        return advice
    told = f"Counts of other owners have noise (epsilon {blur.epsilon:g}), one peer an owner."
    evidence = replace(advice.evidence, noise_epsilon=blur.epsilon)
    return replace(advice, evidence=evidence, sentence=f"{advice.sentence} {told}")


def _is_behind(card: ExperienceCard, advice: Recommendation) -> bool:
    if advice.remedies:
        return card.tried is not None and card.tried.remedy == advice.remedies[0].remedy
    return card.sku == advice.sku
