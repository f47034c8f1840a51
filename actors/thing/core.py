"""The thing actor: follows its readings, asks its community, notices needs and raises them, once an episode."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from actors.community.health_index import HealthModel
from actors.community.policy import ActState
from actors.dialogue import (
    AdviceGiven,
    AdviceOutcome,
    AskCommunity,
    CloseNeed,
    EndRequest,
    JoinCommunity,
    LeaveCommunity,
    OrderProgressed,
    RaiseNeed,
    RegisterThing,
    RequestNeed,
    RetireThing,
    chapter_address,
    order_address,
    thing_address,
)
from actors.dialogue.placement import slot_of
from actors.model.advice import Advice, Question, Recommendation, RemedyOutcome, Topic
from actors.model.ids import CommunityId, InstallationId, order_key
from actors.model.machine import DeclineCode, Declined, RequestEnding, RequestTaken, Wanted
from actors.model.needs import Need
from actors.model.orders import TERMINAL, OrderState
from actors.model.profiles import ThingProfile
from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage, Reported
from actors.model.things import Purpose, ThingRecord
from actors.runtime.turns import Claim, Effect, Note, Put, Release, Step, Tell
from actors.thing.absorb import absorb
from actors.thing.asking import Models, asked_need, health_question, models_for, order_news, subject_of
from actors.thing.ledger import estimated, failures, ledger_put, life_ended, opened_row, without_rows
from actors.thing.levels import newest
from actors.thing.lifting import LIFTS
from actors.thing.noticing import (
    active_faults,
    chain_of,
    is_quiet,
    low_slots,
    may_open,
    need_state,
    replacement_need,
)
from actors.thing.plan import Plan
from actors.thing.sharing import remedies_told, remedy_taken_back, supply_card, to_peers
from actors.thing.state import (
    CommunityAsked,
    ComponentFailed,
    ComponentState,
    EstimateTaken,
    NeedClosed,
    NeedOpened,
    NeedState,
    NeedView,
    OrderFollowed,
    ProfileChanged,
    Registered,
    Retired,
    RowsClosed,
    ThingEvent,
    ThingState,
)

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
)

_FROM_DEVICES: Final = (PlainMessage, DeviceMessage)
_FEWEST_CYCLES = 5
_ENDED_BY_PEOPLE = frozenset({OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})


class ThingCore:
    """The durable actor of one thing.

    ``profiles`` maps ``name@version`` to profiles, which never change; ``current`` tells by name which version things
    go over to with their next message (the one they have where it says nothing).
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
    ) -> None:
        self._profiles = profiles
        self._plans: dict[str, Plan] = {}
        self._current = current or {}
        self._models = models
        self._installation = installation

    def initial(self, name: str) -> ThingState:
        """Return a thing that nobody has registered."""
        del name
        return ThingState()

    def records(self, message: Any) -> bool:
        """Keep every device message: it is its own event."""
        return message.__class__ in _FROM_DEVICES

    def fold(self, state: ThingState, message: Any, events: tuple[ThingEvent, ...], at: datetime) -> ThingState:
        """Return the state after a recorded turn."""
        del at
        if message.__class__ in _FROM_DEVICES and state.record is not None:
            state = absorb(state, message, self._plans.get(state.profile) or self._plan(state.profile))
        return _evolve_all(state, events)

    def step(self, state: ThingState, message: ThingMessage, now: datetime) -> Step[ThingState]:
        """Decide on one message."""
        record = state.record
        if isinstance(message, RegisterThing):
            return self._register(state, message, now)
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
                return self._retire(state, record, by, now)
            case RequestNeed(wanted=wanted):
                return self._request(state, record, wanted, now)
            case EndRequest(ending=ending):
                return self._end_request(state, record, ending, now)
            case AdviceOutcome(subject=subject, rows=rows):
                closed = RowsClosed(subject=subject, keys=tuple(row.key for row in rows))
                puts = tuple(ledger_put(row) for row in rows)
                return Step(_evolve(state, closed), (closed,), puts, reply={"closed": len(rows)})

    def _plan(self, reference: str) -> Plan:
        plan = self._plans[reference] = Plan.of(self._profiles[reference])
        return plan

    # Registration.

    def _register(self, state: ThingState, message: RegisterThing, now: datetime) -> Step[ThingState]:
        record = _kept(message.record, state.record, now)
        event = Registered(record=record, profile=message.profile, communities=message.communities)
        joins = (
            Tell(
                chapter_address(community_id, record.thing_id),
                JoinCommunity(thing_id=record.thing_id, owner_id=record.owner_id, purposes=record.shares),
            )
            for community_id in message.communities
        )
        effects: tuple[Effect, ...] = (Put("thing", record.thing_id, record.owner_id, record), *joins)
        left = (c for c in state.communities if c not in message.communities)
        leaves = (Tell(chapter_address(c, record.thing_id), LeaveCommunity(thing_id=record.thing_id)) for c in left)
        return Step(_evolve(state, event), (event,), (*effects, *leaves), reply=record)

    def _retire(self, state: ThingState, record: ThingRecord, by: str, now: datetime) -> Step[ThingState]:
        retired = replace(record, retired_at=now)
        closed = [(subject, need) for subject, need in state.needs.items() if need.is_open and need.key]
        events: tuple[ThingEvent, ...] = (
            *(NeedClosed(subject=subject, reason="the thing is retired", muted=True) for subject, _ in closed),
            Retired(record=retired),
        )
        reason = f"the thing was retired by {by}"
        effects: tuple[Effect, ...] = (
            Put("thing", record.thing_id, record.owner_id, retired),
            *(
                Tell(order_address(need.key), CloseNeed(reason=reason, dismissed=True))
                for _, need in closed
                if need.key
            ),
            *(
                Tell(chapter_address(c, record.thing_id), LeaveCommunity(thing_id=record.thing_id))
                for c in state.communities
            ),
        )
        return Step(self.fold(state, None, events, now), events, effects, reply=retired)

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
        for subject, reason in _evidence_of_end(state, after, profile):
            known = need_state(state, subject)
            if known.is_open or known.muted:
                events.append(NeedClosed(subject=subject, reason=reason))
                effects += _closing(record, known, subject, reason)
            effects += self._experience(state, after, record, subject)
            effects += self._life_ended(state, record, subject, now)
        events += failures(after, profile)
        after = _evolve_all(after, events)
        closed = len(events)
        opened = [*low_slots(after, profile, record, now), *active_faults(after, profile, record, now)]
        for need in opened:
            self._open(after, record, need, message, (events, effects))
        for question in self._questions(after, record, profile, now):
            events.append(CommunityAsked(subject=question.subject, cycle=question.age))
            ask = AskCommunity(question=question, reply_to=thing_address(record.thing_id))
            effects.append(Tell(chapter_address(question.community_id, record.thing_id), ask))
        if current != state.profile:
            events.append(ProfileChanged(profile=current))
        return Step(_evolve_all(after, events[closed:]), tuple(events), tuple(effects))

    def _open(
        self,
        state: ThingState,
        record: ThingRecord,
        need: Need,
        source: AnyDeviceMessage | Advice | Wanted,
        decided: tuple[list[ThingEvent], list[Effect]],
    ) -> None:
        key = order_key(self._installation, need.owner_id, need.thing_id, need.subject, need.episode, need.revision)
        events, effects = decided
        back = remedy_taken_back(state, record, need, self._profiles[state.profile])
        effects += to_peers(self._installation, state.communities, record, back)
        events.append(NeedOpened(need=need, key=key))
        effects.append(Claim(_open_name(need.thing_id, need.subject), key))
        effects.append(_source_note(state, need, source))
        shown = source if isinstance(source, Recommendation) else None
        view = NeedView(need=need, key=key, is_open=True, advice=shown)
        effects.append(Put("need", need.correlation_id, need.owner_id, view))
        raised = RaiseNeed(
            need=need,
            serial=record.serial,
            place=record.place,
            is_test=record.is_test,
            community_id=state.communities[0] if state.communities else None,
            wider=state.communities[1:],
            share_prices=Purpose.PRICES in record.shares,
            advice=shown,
        )
        effects.append(Tell(order_address(key), raised))

    def _questions(
        self, state: ThingState, record: ThingRecord, profile: ThingProfile, now: datetime
    ) -> list[Question]:
        questions: list[Question] = []
        for name, spec in profile.components.items():
            component = state.components.get(name)
            if component is None or not may_open(state, name) or component.cycles < _FEWEST_CYCLES:
                continue
            if component.cycle < component.asked_at_cycle + spec.ask_every:
                continue
            found = models_for(self._models, state, name)
            if found:
                chain = chain_of(record.thing_id, name, need_state(state, name).episode + 1)
                questions.append(health_question(state, record, name, found, (chain, now)))
        return questions

    def _experience(self, before: ThingState, after: ThingState, record: ThingRecord, subject: str) -> list[Effect]:
        """Return what tells peers about a piece that ended."""
        slot, former = after.slots.get(subject), before.slots.get(subject)
        if slot is None or former is None or slot.last_life is None or Purpose.SUPPLIES not in record.shares:
            return []
        if not former.sku or not after.communities:
            return []
        card = supply_card(record, subject, former, slot, need_state(before, subject))
        return list(to_peers(self._installation, after.communities, record, [card]))

    def _life_ended(self, before: ThingState, record: ThingRecord, subject: str, now: datetime) -> list[Effect]:
        """Return what closes the rows of a component that was replaced, and tells peers about its life."""
        rows, told = life_ended(before, record, self._profiles[before.profile], subject, now)
        communities = tuple(row.community_id for row in rows[-1:]) or before.communities[:1]
        return [*map(ledger_put, rows), *to_peers(self._installation, communities, record, told)]

    # What the thing asks for by itself.

    def _request(self, state: ThingState, record: ThingRecord, wanted: Wanted, now: datetime) -> Step[ThingState]:
        """Open a need as if it had been noticed; the one that is open already stays the only one."""
        if record.retired_at is not None:
            return Step(state, reply=_is_retired(record))
        known = need_state(state, wanted.subject)
        need = asked_need(state, record, self._profiles[state.profile], wanted, now)
        if isinstance(need, Declined):
            return Step(state, reply=need)
        if known.key is not None and not may_open(state, wanted.subject) and not known.muted:
            return Step(state, reply=RequestTaken(key=known.key, subject=wanted.subject, already=True))
        if known.muted:
            return Step(state, reply=_dismissed(wanted.subject))
        events: list[ThingEvent] = []
        effects: list[Effect] = []
        self._open(state, record, need, wanted, (events, effects))
        after = _evolve_all(state, events)
        opened = after.needs[wanted.subject].key
        assert opened is not None  # noqa: S101 - it was opened above
        return Step(after, tuple(events), tuple(effects), RequestTaken(key=opened, subject=wanted.subject))

    def _end_request(
        self, state: ThingState, record: ThingRecord, ending: RequestEnding, now: datetime
    ) -> Step[ThingState]:
        """Close a need on the thing's own word; what the CRM holds of it stays there unless the need is met."""
        del now
        known, spec = need_state(state, ending.subject), subject_of(self._profiles[state.profile], ending.subject)
        if isinstance(spec, Declined):
            return Step(state, reply=spec)
        if not known.is_open or known.key is None:
            return Step(state, reply=_not_open(ending.subject))
        told = "the thing has it" if ending.met else "the thing wants it no more"
        reason = f"{told}: {ending.reason}" if ending.reason else told
        event = NeedClosed(subject=ending.subject, reason=reason)
        effects = (
            Note(_chain(record, known, ending.subject), "need_closed", reason),
            Tell(order_address(known.key), CloseNeed(reason=reason, dismissed=not ending.met)),
        )
        reply = RequestTaken(key=known.key, subject=ending.subject, already=True)
        return Step(_evolve(state, event), (event,), effects, reply)

    # Answers.

    def _judge(self, state: ThingState, record: ThingRecord, advice: Advice, now: datetime) -> Step[ThingState]:
        """Take the community's estimate of a component; open a need when the published policy says so."""
        subject = advice.subject
        component = state.components.get(subject)
        found = models_for(self._models, state, subject)
        if advice.topic is not Topic.HEALTH or component is None or not found or not may_open(state, subject):
            return Step(state)
        if component.asked_at_cycle < 0:  # of the part that was there before this one
            return Step(state)
        estimate = advice.estimate if isinstance(advice, Recommendation) else None
        community_id, model = _asked_model(found, advice)
        memory, due = model.policy.step(ActState(below=component.memory), estimate)
        due = due and estimate is not None
        row = opened_row(component, record, community_id, advice, due=due)
        taken = EstimateTaken(
            subject=subject,
            cycle=component.cycle,
            estimate=estimate,
            memory=memory.below,
            index=getattr(advice, "index", None),
            model_version=getattr(advice, "model_version", ""),
            row=row,
        )
        events: list[ThingEvent] = [taken]
        effects: list[Effect] = [] if row is None else [ledger_put(row)]
        if due and estimate is not None:
            spec = self._profiles[state.profile].components[subject]
            need = replacement_need(state, record, subject, spec, estimate, now)
            self._open(state, record, need, advice, (events, effects))
        return Step(self.fold(state, None, tuple(events), now), tuple(events), tuple(effects))

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
            effects.append(Release(_open_name(record.thing_id, news.subject)))
        if known.is_open and news.state in _ENDED_BY_PEOPLE:
            events.append(NeedClosed(subject=news.subject, reason=news.sentence, muted=True))
            effects.append(Note(_chain(record, known, news.subject), "need_closed", news.sentence))
        return Step(self.fold(state, None, tuple(events), now), tuple(events), tuple(effects))


def _asked_model(found: Sequence[tuple[CommunityId, HealthModel]], advice: Advice) -> tuple[CommunityId, HealthModel]:
    """Return the community and model that an advice is from; the narrowest one's where none of them is."""
    version = advice.model_version if isinstance(advice, Recommendation) else ""
    return next((each for each in found if each[1].version == version), found[0])


def _is_retired(record: ThingRecord) -> Declined:
    return Declined(code=DeclineCode.UNKNOWN_THING, detail=f"{record.thing_id} is retired", next_step="stop asking")


def _dismissed(subject: str) -> Declined:
    return Declined(
        code=DeclineCode.DISMISSED,
        detail=f"a person ended the last request for {subject}",
        next_step="report what shows that it is needed anew, such as a refill or a fault that ended",
    )


def _not_open(subject: str) -> Declined:
    return Declined(code=DeclineCode.NOT_OPEN, detail=f"nothing is open for {subject}", next_step="nothing to do")


def _kept(record: ThingRecord, known: ThingRecord | None, now: datetime) -> ThingRecord:
    """Return a record with what stays from the first registration on."""
    since = record.registered_at or (known.registered_at if known else None)
    slot = known.slot if known else None
    return replace(record, registered_at=since or now, slot=slot_of(record.thing_id) if slot is None else slot)


def _evolve_all(state: ThingState, events: Iterable[ThingEvent]) -> ThingState:
    for event in events:
        state = _evolve(state, event)
    return state


def _evolve(state: ThingState, event: ThingEvent) -> ThingState:
    match event:
        case ProfileChanged(profile=profile):
            return replace(state, profile=profile)
        case Registered(record=record, profile=profile, communities=communities):
            return replace(state, record=record, profile=profile, communities=communities)
        case Retired(record=record):
            return replace(state, record=record, communities=())
        case NeedOpened(need=need, key=key):
            opened = NeedState(episode=need.episode, is_open=True, key=key)
            return replace(state, needs={**state.needs, need.subject: opened})
        case NeedClosed(subject=subject, muted=muted):
            closed = replace(need_state(state, subject), is_open=False, muted=muted)
            return replace(state, needs={**state.needs, subject: closed})
        case OrderFollowed():
            return _followed(state, event)
        case CommunityAsked(subject=subject, cycle=cycle):
            return _with_component(state, subject, _asked(state.components[subject], cycle))
        case EstimateTaken(subject=subject):
            return _with_component(state, subject, estimated(state.components[subject], event))
        case ComponentFailed(subject=subject):
            return _with_component(state, subject, replace(state.components[subject], failed=True))
        case RowsClosed(subject=subject, keys=keys):
            known = state.components.get(subject)
            return state if known is None else _with_component(state, subject, without_rows(known, keys))


def _asked(component: ComponentState, cycle: float) -> ComponentState:
    return replace(component, asked_at_cycle=cycle, questions=component.questions + 1)


def _followed(state: ThingState, event: OrderFollowed) -> ThingState:
    need = replace(
        need_state(state, event.subject),
        order_state=event.state,
        sku=event.sku,
        price_minor=event.price_minor,
        currency=event.currency,
        pieces=event.pieces,
        helped=event.helped,
        helped_at=event.at,
    )
    state = replace(state, needs={**state.needs, event.subject: need})
    slot = state.slots.get(event.subject)
    if slot is None or event.state is not OrderState.FULFILLED:
        return state
    return replace(state, slots={**state.slots, event.subject: replace(slot, sku=event.sku)})


def _with_component(state: ThingState, subject: str, component: ComponentState) -> ThingState:
    return replace(state, components={**state.components, subject: component})


def _evidence_of_end(before: ThingState, after: ThingState, profile: ThingProfile) -> list[tuple[str, str]]:
    """Return the subjects whose lack is over, with what shows it."""
    ended: list[tuple[str, str]] = []
    for name in profile.slots:
        slot, former = after.slots.get(name), before.slots.get(name)
        if slot and former and slot.refills > former.refills:
            ended.append((name, f"refilled: from {newest(former.levels)[1]:g} to {slot.filled_to:g}"))
    for name in profile.components:
        component, old = after.components.get(name), before.components.get(name)
        if component and old and 0 <= component.cycle < old.cycle:
            ended.append((name, f"replaced: its cycle count restarted at {component.cycle:g}"))
    ended += [
        (name, "the fault is no longer reported")
        for name in profile.faults
        if before.faults.get(name) and not after.faults.get(name)
    ]
    return ended


def _closing(record: ThingRecord, known: NeedState, subject: str, reason: str) -> list[Effect]:
    if not known.is_open or known.key is None:
        return []
    return [
        Note(_chain(record, known, subject), "need_closed", reason),
        Tell(order_address(known.key), CloseNeed(reason=reason)),
    ]


def _open_name(thing_id: str, subject: str) -> str:
    """Return the name that stands for the one open order of a thing and subject, held until the order has ended.

    It is the thing's to hold: no two shards could keep its orders, each in a place of its own, from being two.
    """
    return f"open/{thing_id}/{subject}"


def _chain(record: ThingRecord, known: NeedState, subject: str) -> str:
    return chain_of(record.thing_id, subject, known.episode)


def _source_note(state: ThingState, need: Need, message: AnyDeviceMessage | Advice | Wanted) -> Note:
    if isinstance(message, Wanted):
        sentence = f"{need.thing_id} asked by itself for {need.title}"
        return Note(need.correlation_id, "request", sentence, {"wanted": message, "evidence": need.evidence})
    if not isinstance(message, _FROM_DEVICES):
        sentence = f"{need.thing_id} reported cycle {need.evidence.get('cycle', 0):g} of {need.title}"
        return Note(need.correlation_id, "reading", sentence, {"messages": state.messages, "evidence": need.evidence})
    values: dict[str, Reported] = {
        reading.name: reading.value for reading in message.readings if not isinstance(reading.value, tuple)
    }
    told = ", ".join(f"{name} {value}" for name, value in values.items())
    facts = {
        "message_id": message.message_id,
        "protocol": message.protocol,
        "received_at": message.received_at,
        "values": values,
        "messages_before": state.messages - 1,
    }
    return Note(need.correlation_id, "reading", f"{need.thing_id} reported {told}", facts)
