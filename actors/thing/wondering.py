"""When a thing asks its community how long a component will last, and what it makes of the answer. Pure functions."""

from collections.abc import Sequence
from datetime import datetime

from actors.community.health_index import HealthModel
from actors.community.policy import ActState
from actors.model.advice import Advice, Question, Recommendation, Topic
from actors.model.ids import CommunityId
from actors.model.profiles import ThingProfile
from actors.model.things import ThingRecord
from actors.thing.asking import Models, health_question, models_for
from actors.thing.ledger import opened_row
from actors.thing.noticing import chain_of, may_open, need_state
from actors.thing.state import EstimateTaken, ThingState

_FEWEST_CYCLES = 5


def health_questions(
    state: ThingState, record: ThingRecord, profile: ThingProfile, models: Models, now: datetime
) -> list[Question]:
    """Return the questions that are due: for each component once in so many cycles."""
    questions: list[Question] = []
    for name, spec in profile.components.items():
        component = state.components.get(name)
        if component is None or not may_open(state, name) or component.cycles < _FEWEST_CYCLES:
            continue
        if component.cycle < component.asked_at_cycle + spec.ask_every:
            continue
        found = models_for(models, state, name)
        if found:
            chain = chain_of(record.thing_id, name, need_state(state, name).episode + 1)
            questions.append(health_question(state, record, name, found, (chain, now)))
    return questions


def judged_estimate(
    state: ThingState, record: ThingRecord, models: Models, advice: Advice
) -> tuple[EstimateTaken, bool] | None:
    """Return what an answer tells about a component, and whether the published policy says that it is time to act.

    None where the answer is of no use any more: the component is another one, or its need is open.
    """
    subject = advice.subject
    component = state.components.get(subject)
    found = models_for(models, state, subject)
    if advice.topic is not Topic.HEALTH or component is None or not found or not may_open(state, subject):
        return None
    if component.asked_at_cycle < 0:  # of the part that was there before this one
        return None
    estimate = advice.estimate if isinstance(advice, Recommendation) else None
    community_id, model = _asked_model(found, advice)
    memory, due = model.policy.step(ActState(below=component.memory), estimate)
    due = due and estimate is not None
    taken = EstimateTaken(
        subject=subject,
        cycle=component.cycle,
        estimate=estimate,
        memory=memory.below,
        index=getattr(advice, "index", None),
        model_version=getattr(advice, "model_version", ""),
        row=opened_row(component, record, community_id, advice, due=due),
    )
    return taken, due


def _asked_model(found: Sequence[tuple[CommunityId, HealthModel]], advice: Advice) -> tuple[CommunityId, HealthModel]:
    """Return the community and model that an advice is from; the narrowest one's where none of them is."""
    version = advice.model_version if isinstance(advice, Recommendation) else ""
    return next((each for each in found if each[1].version == version), found[0])
