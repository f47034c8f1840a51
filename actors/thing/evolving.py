"""How a thing's events change what its actor knows. Pure functions."""

from collections.abc import Iterable

from msgspec.structs import replace

from actors.model.orders import OrderState
from actors.thing.happenings import evolved
from actors.thing.ledger import estimated, without_rows
from actors.thing.noticing import need_state
from actors.thing.part_rows import without
from actors.thing.state import (
    ChancesTaken,
    CommunityAsked,
    ComponentFailed,
    ComponentState,
    EstimateTaken,
    HistoryShared,
    NeedClosed,
    NeedOpened,
    NeedState,
    OrderFollowed,
    PeersAsked,
    PeersUseTaken,
    ProfileChanged,
    Registered,
    Retired,
    RowsClosed,
    SightAwaited,
    SlotState,
    ThingEvent,
    ThingState,
    UseAsked,
)

_Asked = CommunityAsked | UseAsked | PeersAsked
_OfPeers = _Asked | EstimateTaken | ComponentFailed | RowsClosed | PeersUseTaken | ChancesTaken | HistoryShared


def evolve_all(state: ThingState, events: Iterable[ThingEvent]) -> ThingState:
    """Return the state after events, in their order."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: ThingState, event: ThingEvent) -> ThingState:
    """Return the state after an event."""
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
        case SightAwaited(subject=subject, seen_by=seen_by):
            waits = replace(need_state(state, subject), seen_by=seen_by)
            return replace(state, needs={**state.needs, subject: waits})
        case _:
            return _told_by_peers(state, event)


def _told_by_peers(state: ThingState, event: _OfPeers) -> ThingState:
    match event:
        case CommunityAsked(subject=subject, cycle=cycle):
            return _with_component(state, subject, _asked(state.components[subject], cycle))
        case EstimateTaken(subject=subject):
            return _with_component(state, subject, estimated(state.components[subject], event))
        case UseAsked(subject=subject, refills=refills):
            return _with_slot(state, subject, replace(state.slots[subject], peers_asked_at=refills))
        case PeersUseTaken(subject=subject, use=use):
            return _with_slot(state, subject, replace(state.slots[subject], peers=use))
        case ComponentFailed(subject=subject):
            return _with_component(state, subject, replace(state.components[subject], failed=True))
        case RowsClosed(subject=subject, keys=keys):
            return _without_rows(state, subject, keys)
        case PeersAsked() | ChancesTaken() | HistoryShared():
            return state if state.happened is None else replace(state, happened=evolved(state.happened, event))


def _without_rows(state: ThingState, subject: str, keys: tuple[str, ...]) -> ThingState:
    if state.happened is not None and subject in state.happened.rows:
        state = replace(state, happened=without(state.happened, subject, keys))
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


def _with_slot(state: ThingState, subject: str, slot: SlotState) -> ThingState:
    return replace(state, slots={**state.slots, subject: slot})


def _with_component(state: ThingState, subject: str, component: ComponentState) -> ThingState:
    return replace(state, components={**state.components, subject: component})
