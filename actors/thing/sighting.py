"""A need whose order was fulfilled waits until the thing shows it; what is not shown in time ends with that reason."""

from datetime import UTC, datetime
from typing import Final

from actors.dialogue import NotSeenInTime
from actors.model.orders import OrderState
from actors.model.things import ThingRecord
from actors.runtime.turns import Note, Remind, Step
from actors.thing.ending import NOT_SEEN, chain_of_episode, ended, waits_name
from actors.thing.evolving import evolve
from actors.thing.noticing import need_state
from actors.thing.raising import Decided
from actors.thing.state import NeedClosed, NeedEnd, NeedState, SightAwaited, ThingState

SEEN_WITHIN_DAYS: Final = 14.0
_LOOK: Final = (
    "see whether it arrived and was put in; where the thing still lacks it, its next reading opens a new need;"
    " where its readings are wrong, mend what measures"
)


def unawaited(state: ThingState) -> list[str]:
    """Return the open needs whose order was fulfilled while nobody waited for it to be seen, as older hubs did."""
    return [
        subject
        for subject, known in state.needs.items()
        if known.is_open and known.order_state is OrderState.FULFILLED and not known.seen_by
    ]


def await_sight(record: ThingRecord, subject: str, known: NeedState, until: datetime, decided: Decided) -> None:
    """Add to a turn's decisions that the thing must show until then what the order of an open need brought."""
    if known.key is None:
        return
    events, effects = decided
    events.append(SightAwaited(subject=subject, seen_by=until.timestamp()))
    effects.append(Remind(waits_name(subject), until, NotSeenInTime(subject=subject, key=known.key)))
    told = f"fulfilled; {record.thing_id} should show it until {until:%d %b %Y}"
    effects.append(Note(chain_of_episode(record, known, subject), "awaits_sight", told, {"seen_by": until}))


def not_seen(state: ThingState, record: ThingRecord, message: NotSeenInTime) -> Step[ThingState]:
    """End the need that the message is about, unless it ended before."""
    subject, known = message.subject, need_state(state, message.subject)
    if known.key != message.key or not known.is_open:
        return Step(state)
    until = datetime.fromtimestamp(known.seen_by, UTC)
    reason = f"its order was fulfilled, not seen at the thing: no reading showed it until {until:%d %b %Y}"
    event = NeedClosed(subject=subject, reason=reason)
    end = NeedEnd(reason=reason, code=NOT_SEEN, next_step=_LOOK)
    return Step(evolve(state, event), (event,), tuple(ended(record, known, subject, end)))
