"""The thing actor: follows its readings, asks its community, notices needs and raises them, once an episode."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from actors.dialogue import (
    AdviceGiven,
    AdviceOutcome,
    AskCommunity,
    EndRequest,
    NotSeenInTime,
    OrderProgressed,
    RegisterThing,
    RequestNeed,
    RetireThing,
    chapter_address,
    thing_address,
)
from actors.model.advice import Advice, Recommendation, RemedyOutcome, Topic
from actors.model.ids import InstallationId, order_key
from actors.model.ledger import LedgerRow
from actors.model.machine import RequestTaken, Wanted
from actors.model.needs import Need
from actors.model.orders import TERMINAL, OrderState
from actors.model.profiles import ThingProfile
from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage
from actors.model.things import ThingRecord
from actors.runtime.turns import Effect, Release, Step, Tell
from actors.thing.absorb import absorb
from actors.thing.asking import Models, order_news, use_questions
from actors.thing.ending import closing, ended, evidence_of_end
from actors.thing.evolving import evolve, evolve_all
from actors.thing.foretelling import failures_for, foretold
from actors.thing.happenings import due_parts, part_need, settled_warnings
from actors.thing.ledger import failures, ledger_put, life_ended
from actors.thing.lifting import LIFTS
from actors.thing.noticing import (
    active_faults,
    is_quiet,
    low_slots,
    need_state,
    replacement_need,
)
from actors.thing.part_rows import closed_rows, opened_rows
from actors.thing.plan import Plan
from actors.thing.raising import FROM_DEVICES, Decided, Source, open_name, raise_need
from actors.thing.registering import register, retire
from actors.thing.requests import end_request, requested_need
from actors.thing.sharing import remedies_told, remedy_taken_back, supply_told, to_peers
from actors.thing.sighting import SEEN_WITHIN_DAYS, await_sight, not_seen, unawaited
from actors.thing.state import (
    ChancesTaken,
    CommunityAsked,
    NeedClosed,
    NeedEnd,
    OrderFollowed,
    PeersUseTaken,
    ProfileChanged,
    RowsClosed,
    ThingEvent,
    ThingState,
    UseAsked,
)
from actors.thing.swift import swift_things
from actors.thing.wondering import health_questions, judged_estimate

ThingMessage = (
    DeviceMessage
    | PlainMessage
    | RegisterThing
    | RetireThing
    | AdviceGiven
    | OrderProgressed
    | RequestNeed
    | EndRequest
    | AdviceOutcome
    | NotSeenInTime
)

_ENDED_BY_PEOPLE = frozenset({OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})


class ThingCore:
    """The durable actor of one thing.

    ``profiles`` maps ``name@version`` to profiles, which never change; ``current`` tells by name which version things
    go over to with their next message (the one they have where it says nothing). ``seen_within_days`` is how long a
    thing has to show what a fulfilled order brought, where its profile does not say.
    """

    kind = "thing"
    schema = 3
    state_upcasters = LIFTS
    state_type = ThingState
    message_type = ThingMessage
    event_type = ThingEvent

    def __init__(
        self,
        profiles: Mapping[str, ThingProfile],
        models: Models,
        installation: InstallationId,
        current: Mapping[str, str] | None = None,
        *,
        seen_within_days: float = SEEN_WITHIN_DAYS,
    ) -> None:
        self._profiles = profiles
        self._seen_within_days = seen_within_days
        self._plans: dict[str, Plan] = {}
        self._current = current or {}
        swift = swift_things()
        self.quick: Callable[[ThingState, ThingMessage], ThingState | None] | None = None
        if swift is not None and type(self) is ThingCore:
            self.quick = partial(swift.quiet, self._plans, self._current)
        self._models = models
        self._installation = installation

    def initial(self, name: str) -> ThingState:
        """Return a thing that nobody has registered."""
        del name
        return ThingState()

    def records(self, message: Any) -> bool:
        """Keep every device message: it is its own event."""
        return message.__class__ in FROM_DEVICES

    def fold(self, state: ThingState, message: Any, events: tuple[ThingEvent, ...], at: datetime) -> ThingState:
        """Return the state after a recorded turn."""
        del at
        if message.__class__ in FROM_DEVICES and state.record is not None:
            state = absorb(state, message, self._plans.get(state.profile) or self._plan(state.profile))
        return evolve_all(state, events)

    def step(self, state: ThingState, message: ThingMessage, now: datetime) -> Step[ThingState]:
        """Decide on one message."""
        record = state.record
        if isinstance(message, RegisterThing):
            return register(state, message, now)
        if record is None:
            return Step(state, reply="not registered")
        match message:
            case PlainMessage() | DeviceMessage():  # first: nearly all are
                return self._observe(state, record, message, now)
            case AdviceGiven(advice=advice):
                return self._judge(state, record, advice, now)
            case OrderProgressed():
                return self._follow(state, record, message, now)
            case RetireThing(by=by):
                return retire(state, record, by, now)
            case RequestNeed(wanted=wanted):
                return self._request(state, record, wanted, now)
            case EndRequest(ending=ending):
                return end_request(state, record, self._profiles[state.profile], ending)
            case NotSeenInTime():
                return not_seen(state, record, message)
            case AdviceOutcome(subject=subject, rows=rows):
                closed = RowsClosed(subject=subject, keys=tuple(row.key for row in rows))
                puts = tuple(ledger_put(row) for row in rows)
                return Step(evolve(state, closed), (closed,), puts, reply={"closed": len(rows)})

    def _plan(self, reference: str) -> Plan:
        plan = self._plans[reference] = Plan.of(self._profiles[reference])
        return plan

    # Readings.

    def _observe(
        self, state: ThingState, record: ThingRecord, message: AnyDeviceMessage, now: datetime
    ) -> Step[ThingState]:
        plan = self._plans.get(state.profile) or self._plan(state.profile)
        profile = plan.profile
        after = absorb(state, message, plan)
        current = self._current.get(profile.name, state.profile)
        if record.retired_at is not None or (current == state.profile and is_quiet(state, after, profile)):
            return Step(after)
        events: list[ThingEvent] = []
        effects: list[Effect] = []
        for subject, reason in [*evidence_of_end(state, after, profile), *settled_warnings(after, profile)]:
            known = need_state(state, subject)
            if known.is_open or known.muted:
                events.append(NeedClosed(subject=subject, reason=reason))
                effects += closing(record, known, subject, reason)
            effects += supply_told(self._installation, state, after, record, subject)
            effects += self._life_ended(state, record, subject, now)
        events += failures(after, profile)
        for part, rows in closed_rows(state, after, profile, now):
            events.append(RowsClosed(subject=part, keys=tuple(row.key for row in rows)))
            effects += map(ledger_put, rows)
        after = evolve_all(after, events)
        closed = len(events)
        opened = [*low_slots(after, profile, record, now), *active_faults(after, profile, record, now)]
        for need in opened:
            self._open(after, record, need, message, (events, effects))
        for subject in unawaited(after):
            await_sight(record, subject, after.needs[subject], self._seen_by(profile, now), (events, effects))
        self._ask_peers((state, after), record, now, (events, effects))
        foretold(state, after, (record, profile), self._models, now, (events, effects))
        if current != state.profile:
            events.append(ProfileChanged(profile=current))
        return Step(evolve_all(after, events[closed:]), tuple(events), tuple(effects))

    def _ask_peers(
        self, states: tuple[ThingState, ThingState], record: ThingRecord, now: datetime, decided: Decided
    ) -> None:
        before, state = states
        events, effects = decided
        profile = self._profiles[state.profile]
        asked = use_questions(before, state, record, profile, now)
        events += [UseAsked(subject=each.subject, refills=state.slots[each.subject].refills) for each in asked]
        questions = health_questions(state, record, profile, self._models, now)
        events += [CommunityAsked(subject=each.subject, cycle=each.age) for each in questions]
        for question in (*questions, *asked):
            ask = AskCommunity(question=question, reply_to=thing_address(record.thing_id))
            effects.append(Tell(chapter_address(question.community_id, record.thing_id), ask))

    def _open(self, state: ThingState, record: ThingRecord, need: Need, source: Source, decided: Decided) -> None:
        key = order_key(self._installation, need.owner_id, need.thing_id, need.subject, need.episode, need.revision)
        back = remedy_taken_back(state, record, need, self._profiles[state.profile])
        decided[1].extend(to_peers(self._installation, state.communities, record, back))
        raise_need(state, record, (need, key), source, decided)

    def _life_ended(self, before: ThingState, record: ThingRecord, subject: str, now: datetime) -> list[Effect]:
        """Return what closes the rows of a component that was replaced, and tells peers about its life."""
        rows, told = life_ended(before, record, self._profiles[before.profile], subject, now)
        communities = tuple(row.community_id for row in rows[-1:]) or before.communities[:1]
        return [*map(ledger_put, rows), *to_peers(self._installation, communities, record, told)]

    # What the thing asks for by itself.

    def _request(self, state: ThingState, record: ThingRecord, wanted: Wanted, now: datetime) -> Step[ThingState]:
        need = requested_need(state, record, self._profiles[state.profile], wanted, now)
        if not isinstance(need, Need):
            return Step(state, reply=need)
        events: list[ThingEvent] = []
        effects: list[Effect] = []
        self._open(state, record, need, wanted, (events, effects))
        after = evolve_all(state, events)
        opened = after.needs[wanted.subject].key
        assert opened is not None  # noqa: S101 - it was opened above
        return Step(after, tuple(events), tuple(effects), RequestTaken(key=opened, subject=wanted.subject))

    # Answers.

    def _judge(self, state: ThingState, record: ThingRecord, advice: Advice, now: datetime) -> Step[ThingState]:
        """Take the community's estimate of a component; open a need when the published policy says so."""
        if advice.topic is Topic.FAILURE:
            return self._judge_parts(state, record, advice, now)
        if advice.topic is Topic.MATERIAL:
            return _take_use(state, advice)
        judged = judged_estimate(state, record, self._models, advice)
        if judged is None:
            return Step(state)
        taken, due = judged
        events: list[ThingEvent] = [taken]
        effects: list[Effect] = [] if taken.row is None else [ledger_put(taken.row)]
        if due and taken.estimate is not None:
            spec = self._profiles[state.profile].components[advice.subject]
            need = replacement_need(state, record, advice.subject, spec, taken.estimate, now)
            self._open(state, record, need, advice, (events, effects))
        return Step(evolve_all(state, events), tuple(events), tuple(effects))

    def _judge_parts(self, state: ThingState, record: ThingRecord, advice: Advice, now: datetime) -> Step[ThingState]:
        """Take the chances of the parts to fail; open a need for each for which ordering pays."""
        if state.happened is None:
            return Step(state)
        profile = self._profiles[state.profile]
        chances = advice.chances if isinstance(advice, Recommendation) else {}
        due = due_parts(state, profile, chances)
        found = failures_for(self._models, state)
        rows: tuple[LedgerRow, ...] = ()
        if found is not None and isinstance(advice, Recommendation):
            rows = opened_rows(state.happened, record, profile, found[0], advice, due)
        events: list[ThingEvent] = [ChancesTaken(chances=chances, warned=tuple(due), rows=rows)]
        effects: list[Effect] = [ledger_put(row) for row in rows]
        for part in due:
            why = advice.sentence if part == advice.subject else ""
            need = part_need(state, record, (part, profile.parts[part]), chances[part], why, now)
            self._open(state, record, need, advice, (events, effects))
        return Step(evolve_all(state, events), tuple(events), tuple(effects))

    def _seen_by(self, profile: ThingProfile, now: datetime) -> datetime:
        return now + timedelta(days=profile.seen_within_days or self._seen_within_days)

    def _follow(self, state: ThingState, record: ThingRecord, news: OrderProgressed, now: datetime) -> Step[ThingState]:
        known = need_state(state, news.subject)
        if known.key != news.key:
            return Step(state)
        followed = OrderFollowed(
            subject=news.subject,
            state=news.state,
            sku=news.sku,
            price_minor=news.price.minor if news.price else None,
            currency=news.price.currency if news.price else None,
            pieces=news.pieces,
            helped=next((each for each in news.tried if each.outcome is RemedyOutcome.ENDED), None),
            at=now.timestamp() if news.tried else 0.0,
        )
        events: list[ThingEvent] = [followed]
        effects: list[Effect] = []
        profile = self._profiles[state.profile]
        if profile.order_news:
            effects.append(order_news(record, profile, news, known))
        tried = remedies_told(record, news.subject, known, news.tried)
        effects += to_peers(self._installation, state.communities, record, tried)
        if news.state in TERMINAL:
            effects.append(Release(open_name(record.thing_id, news.subject)))
        if known.is_open and news.state in _ENDED_BY_PEOPLE:
            events.append(NeedClosed(subject=news.subject, reason=news.sentence, muted=True))
            effects += ended(record, known, news.subject, NeedEnd(reason=news.sentence, code=news.state))
        elif known.is_open and news.state is OrderState.FULFILLED:
            await_sight(record, news.subject, known, self._seen_by(profile, now), (events, effects))
        return Step(evolve_all(state, events), tuple(events), tuple(effects))


def _take_use(state: ThingState, advice: Advice) -> Step[ThingState]:
    """Keep what peers use up, while this slot's own history is short."""
    use = advice.use if isinstance(advice, Recommendation) else None
    if use is None or advice.subject not in state.slots:
        return Step(state)
    event = PeersUseTaken(subject=advice.subject, use=use)
    return Step(evolve(state, event), (event,))
