"""The durable actor behind a thing's own questions and the commands to it; its name is the thing's id."""

from datetime import datetime
from typing import Any

from actors.device import commanding, inquiring
from actors.device.inquiring import InquirySettings
from actors.device.state import DeviceEvent, DeviceState, evolve
from actors.dialogue import (
    AdviceGiven,
    AskPeers,
    CommandReported,
    CommandThing,
    DeviceDeadline,
    OffersReported,
    PermissionAnswered,
    SearchOffers,
    SendCommand,
)
from actors.runtime.turns import Step

DeviceMail = (
    AskPeers
    | AdviceGiven
    | SearchOffers
    | PermissionAnswered
    | OffersReported
    | CommandThing
    | SendCommand
    | CommandReported
    | DeviceDeadline
)


class DeviceCore:
    """The durable actor of one thing's conversation with the hub.

    It stands beside the thing's own actor, which follows readings: what people and other actors want of a thing must
    not wait behind them, and leaves no trace among them.
    """

    kind = "device"
    schema = 1
    state_type = DeviceState
    message_type = DeviceMail
    event_type = DeviceEvent

    def __init__(self, settings: InquirySettings | None = None) -> None:
        self._settings = settings or InquirySettings()

    def initial(self, name: str) -> DeviceState:
        """Return a thing that asks nothing and has nothing to do."""
        del name
        return DeviceState()

    def records(self, message: Any) -> bool:
        """Keep decisions only."""
        del message
        return False

    def fold(self, state: DeviceState, message: Any, events: tuple[DeviceEvent, ...], at: datetime) -> DeviceState:
        """Return the state after a recorded turn."""
        del message, at
        for event in events:
            state = evolve(state, event)
        return state

    def step(self, state: DeviceState, message: DeviceMail, now: datetime) -> Step[DeviceState]:
        """Decide on one message."""
        events, effects, reply = self._decide(state, message, now)
        return Step(self.fold(state, message, events, now), events, effects, reply)

    def _decide(self, state: DeviceState, message: DeviceMail, now: datetime) -> commanding.Decided:
        match message:
            case CommandThing() | SendCommand():
                return commanding.issue(state, message, now)
            case CommandReported():
                return commanding.report(state, message, now)
            case DeviceDeadline(command_id=command_id, search_id=search_id):
                if command_id is not None:
                    return commanding.expire(state, command_id, now)
                return inquiring.expire_search(state, search_id, now)
            case _:
                return self._inquire(state, message, now)

    def _inquire(
        self,
        state: DeviceState,
        message: AskPeers | AdviceGiven | SearchOffers | PermissionAnswered | OffersReported,
        now: datetime,
    ) -> inquiring.Decided:
        match message:
            case AskPeers():
                return inquiring.ask_peers(message)
            case AdviceGiven():
                return inquiring.take_advice(state, message)
            case SearchOffers():
                return inquiring.begin_search(state, self._settings, message, now)
            case PermissionAnswered():
                return inquiring.take_permission(state, self._settings, message, now)
            case OffersReported():
                return inquiring.take_offers(state, message, now)
