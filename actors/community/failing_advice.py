"""The answer to "which part of mine fails next?": chances, what moved them, and a sentence; or why there is none."""

from datetime import datetime

import numpy as np

from actors.community.answers import AnswerRules, Count, abstain, certainty
from actors.community.component_failure import HORIZON_H
from actors.community.failing import PublishedFailures
from actors.model.advice import Advice, Evidence, Question, Recommendation, Signal, Topic

METHOD = "chances from peers' events, calibrated on machines held out"

_WATCH_ABOVE = 0.05


def advise_failing(
    published: PublishedFailures | None, question: Question, *, rules: AnswerRules, answered_at: datetime
) -> Advice:
    """Answer which part is likeliest to fail within a day; ``question.features`` is what ``features`` returned.

    Whether to order is the asker's to say: the costs are its owner's (``PartSpec.order_above``).
    """
    reason = _silence(published, question, rules.k_owners)
    if published is None or reason:
        return abstain(question, reason, rules, answered_at)
    vector = np.array(question.features[: len(published.usual)], dtype=np.float64)
    chances = published.chances(vector)
    part = max(chances, key=lambda name: chances[name])
    signals = published.moved(part, vector) if chances[part] > _WATCH_ABOVE else ()
    count = rules.told(Count(published.machines, len(published.owners)), 0, "machines")
    failures = published.failures[part] if rules.blur is None else 0
    return Recommendation(
        correlation_id=question.correlation_id,
        topic=Topic.FAILURE,
        subject=part,
        action="watch" if chances[part] > _WATCH_ABOVE else "none",
        estimate=chances[part],
        chances=chances,
        signals=signals,
        unit="1",
        evidence=Evidence(peers=count.peers, owners=count.owners, lives=failures),
        method=METHOD,
        model_version=published.version,
        confidence=certainty(failures or count.owners),
        sentence=_sentence(published, (part, chances[part]), count, failures, signals),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
    )


def _sentence(
    published: PublishedFailures, said: tuple[str, float], count: Count, failures: int, signals: tuple[Signal, ...]
) -> str:
    """Return what peers say about a part, from the evidence alone."""
    part, chance = said
    how_many = f" with {failures} failures" if failures else ""
    peers = f"{count.peers} peers of {count.owners} owners{how_many}"
    followed = f"were followed by a failure of {part} within {HORIZON_H:.0f} h"
    told = f"{chance:.0%} of such moments of peers {followed} ({peers})."
    if not signals:
        return told
    names = tuple(signal.name for signal in signals)
    rule = published.model.rules.get(part)
    words = f" {rule.sentence()}" if rule and set(rule.events) <= set(names) else ""
    return f"{told} {_listed(names)} moved it most.{words}"


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _silence(published: PublishedFailures | None, question: Question, k_owners: int) -> str:
    if published is None:
        return "no_model"
    others = published.other_owners(question.owner_id)
    if 0 < others < k_owners:  # a model of one's own fleet alone is one's own to use
        return "too_few_owners"
    return published.strangeness(question.features)
