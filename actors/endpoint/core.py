"""The rules of one endpoint: one delivery at a time, tried again until it is taken or nobody wants it any more."""

from datetime import datetime, timedelta
from typing import Any, Final

from actors.dialogue import (
    ANNOUNCEMENTS_RELAY,
    CloseEndpoint,
    Deliver,
    DeliveryReported,
    EnableEndpoint,
    EndpointWoke,
    NoticeFound,
    OpenEndpoint,
)
from actors.endpoint.state import (
    DeliveryBegun,
    DeliveryFailed,
    EndpointClosed,
    EndpointDisabled,
    EndpointEnabled,
    EndpointEvent,
    EndpointOpened,
    EndpointState,
    NoticeDelivered,
    NoticeMissed,
    NoticeQueued,
    evolve,
)
from actors.model.endpoints import Delivered, Endpoint, EndpointView, Gone, Notice, Undelivered, Unreadable
from actors.runtime.turns import Effect, Emit, Forget, Put, Remind, Remove, Step

EndpointMail = OpenEndpoint | CloseEndpoint | EnableEndpoint | NoticeFound | DeliveryReported | EndpointWoke

_RETRY: Final = "retry"
_Events = tuple[EndpointEvent, ...]


class EndpointCore:
    """The durable actor of one endpoint; its name is the endpoint's id."""

    kind = "endpoint"
    schema = 1
    state_type = EndpointState
    message_type = EndpointMail
    event_type = EndpointEvent

    def __init__(self, give_up_after: timedelta = timedelta(days=3)) -> None:
        self._give_up_after = give_up_after

    def initial(self, name: str) -> EndpointState:
        """Return an endpoint that nobody registered."""
        del name
        return EndpointState()

    def records(self, message: Any) -> bool:
        """Keep decisions only."""
        del message
        return False

    def fold(self, state: EndpointState, message: Any, events: _Events, at: datetime) -> EndpointState:
        """Return the state after a recorded turn."""
        del message
        for event in events:
            state = evolve(state, event, at)
        return state

    def step(self, state: EndpointState, message: EndpointMail, now: datetime) -> Step[EndpointState]:
        """Decide on one message; the reply says how the endpoint stands then."""
        events = self._decide(state, message, now)
        after = self.fold(state, message, events, now)
        endpoint = after.endpoint
        if endpoint is None:
            closed = state.endpoint
            removal: tuple[Effect, ...] = () if closed is None else (Remove("endpoint", closed.endpoint_id),)
            return Step(after, events, (*removal, *((Forget(_RETRY),) if removal else ())), None)
        effects: tuple[Effect, ...] = ()
        if _is_due(after, message):
            events = (*events, DeliveryBegun())
            after = evolve(after, DeliveryBegun(), now)
            effects = (Emit(ANNOUNCEMENTS_RELAY, _next(endpoint, after)), Forget(_RETRY))
        elif after.next_try_at is not None and after.next_try_at != state.next_try_at:
            effects = (Remind(_RETRY, after.next_try_at, EndpointWoke()),)
        view = _view(endpoint, after)
        shown = (Put("endpoint", endpoint.endpoint_id, endpoint.owner_id, view),) if events else ()
        return Step(after, events, (*shown, *effects), view)

    def _decide(self, state: EndpointState, message: EndpointMail, now: datetime) -> _Events:
        match message:
            case OpenEndpoint(endpoint=endpoint):
                return (EndpointOpened(endpoint=endpoint),)
            case CloseEndpoint():
                return (EndpointClosed(),) if state.endpoint is not None else ()
            case EnableEndpoint():
                return (EndpointEnabled(),) if state.disabled or state.failing_since is not None else ()
            case NoticeFound(notice=notice):
                return _queue(state, notice)
            case DeliveryReported():
                return self._take(state, message, now)
            case EndpointWoke():
                return ()

    def _take(self, state: EndpointState, report: DeliveryReported, now: datetime) -> _Events:
        if not state.sending or not state.waiting or state.waiting[0].notice_id != report.notice_id:
            return ()
        match report.outcome:
            case Delivered():
                return (NoticeDelivered(),)
            case Unreadable():
                return (NoticeMissed(notice_id=report.notice_id),)
            case Gone(reason=reason):
                return (EndpointDisabled(reason=reason),)
            case Undelivered(reason=reason, again_s=again_s):
                failed = DeliveryFailed(reason=reason, next_try_at=now + timedelta(seconds=again_s))
                since = state.failing_since or now
                if now - since < self._give_up_after:
                    return (failed,)
                told = f"nothing was taken since {since:%Y-%m-%d %H:%M} UTC; the last answer: {reason}"
                return (failed, EndpointDisabled(reason=told))


def _queue(state: EndpointState, notice: Notice) -> _Events:
    if state.endpoint is None or notice.topic not in state.endpoint.topics:
        return ()
    return (NoticeMissed(notice_id=notice.notice_id),) if state.disabled else (NoticeQueued(notice=notice),)


def _is_due(state: EndpointState, message: EndpointMail) -> bool:
    """Say whether the first notice leaves now: none is on its way, and no wait is left to be waited."""
    if state.sending or state.disabled or not state.waiting:
        return False
    return state.next_try_at is None or isinstance(message, EndpointWoke | EnableEndpoint)


def _next(endpoint: Endpoint, state: EndpointState) -> Deliver:
    return Deliver(endpoint=endpoint, notice=state.waiting[0], attempt=state.attempt)


def _view(endpoint: Endpoint, state: EndpointState) -> EndpointView:
    return EndpointView(
        endpoint=endpoint,
        waiting=len(state.waiting),
        delivered=state.delivered,
        dropped=state.dropped,
        delivered_at=state.delivered_at,
        failing_since=state.failing_since,
        last_failure=state.last_failure,
        next_try_at=state.next_try_at,
        disabled=state.disabled,
    )
