"""The answer to "what did it take?": what ended a fault for peers. Pure: everything is passed in."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from actors.community.answers import AnswerRules, Count, abstain, certainty
from actors.community.calibration import INTERVAL_LEVEL
from actors.community.remedies import rank_remedies
from actors.community.sentences import remedy_sentence
from actors.model.advice import Advice, Evidence, ExperienceCard, Interval, Question, RankedRemedy, Recommendation

REMEDY_METHOD = "share of faults ended for good by remedy, lower bound"


def advise_remedy(
    cards: Iterable[ExperienceCard], question: Question, *, rules: AnswerRules, answered_at: datetime
) -> Advice:
    """Answer what helped against a fault, best first."""
    ranking = rank_remedies(cards, asker_owner=question.owner_id, k_owners=rules.k_owners)
    if ranking.reason:
        return abstain(question, ranking.reason, rules, answered_at)
    remedies = tuple(_shown(each, rules) for each in ranking.remedies)
    best = remedies[0]
    return Recommendation(
        correlation_id=question.correlation_id,
        topic=question.topic,
        subject=question.subject,
        action=f"try_{best.remedy.kind}",
        estimate=best.rate,
        unit="share ended for good",
        interval=Interval(level=INTERVAL_LEVEL, low=best.lower, high=best.upper),
        sku=best.remedy.name if best.remedy.kind == "part" else None,
        evidence=Evidence(peers=best.tries, owners=best.owners, own_fleet=best.own_fleet, lives=best.tries),
        method=REMEDY_METHOD,
        model_version="",
        confidence=certainty(best.owners if best.owners > 1 else best.tries),
        sentence=remedy_sentence(remedies),
        answered_at=answered_at,
        expires_at=answered_at + rules.keep_for,
        would_change=_changes(remedies),
        remedies=remedies,
    )


def _shown(ranked: RankedRemedy, rules: AnswerRules) -> RankedRemedy:
    count = rules.told(Count(ranked.tries, ranked.owners), ranked.own_fleet, ranked.remedy.words)
    came_back = round(ranked.came_back / ranked.tries * count.peers)
    return replace(ranked, tries=count.peers, owners=count.owners, came_back=came_back)


def _changes(ranked: tuple[RankedRemedy, ...]) -> tuple[str, ...]:
    """Return how often the second remedy would have to help to be the first: for surely more than the first."""
    if len(ranked) < 2:
        return ()
    best, second = ranked[0], ranked[1]
    name = second.remedy.words
    return (f"{name} would come first if it surely ended more than {best.lower:.0%}, not {second.lower:.0%}.",)
