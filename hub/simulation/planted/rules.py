"""Faults of the rules that the actors of owners, connections and things keep."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from actors.connection.core import ConnectionCore, ConnectionSettings
from actors.connection.state import ConnectionState
from actors.dialogue import AskClearance, AskReservation, ClearanceAnswered, ReservationAnswered
from actors.model.mandates import Verdict
from actors.owner.core import OwnerCore, OwnerLimits
from actors.owner.state import OwnerState
from actors.runtime.turns import Meter, Step, Tell
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.simulation.parts import INSTALLATION, PROFILE, Parts


class _Careless(OwnerCore):
    """An owner's actor that clears whatever it is asked about: the switch and the mandate were looked at before."""

    def step(self, state: OwnerState, message: Any, now: datetime) -> Step[OwnerState]:
        if not isinstance(message, AskClearance):
            return super().step(state, message, now)
        step = super().step(replace(state, things_off={}, all_off_by=""), message, now)
        return Step(self.fold(state, message, step.events, now), step.events, step.effects, step.reply)


class OffSwitchCached(Parts):
    """Clearance does not look at the off switch again."""

    def owners(self, limits: OwnerLimits) -> OwnerCore:
        return _Careless(limits)


class _RevocationCachedCore(OwnerCore):
    def step(self, state: OwnerState, message: Any, now: datetime) -> Step[OwnerState]:
        if not isinstance(message, AskClearance):
            return super().step(state, message, now)
        standing = {name: replace(mandate, revoked_at=None) for name, mandate in state.mandates.items()}
        step = super().step(replace(state, mandates=standing), message, now)
        return Step(self.fold(state, message, step.events, now), step.events, step.effects, step.reply)


class RevocationCached(Parts):
    """Clearance does not see that a mandate was revoked."""

    def owners(self, limits: OwnerLimits) -> OwnerCore:
        return _RevocationCachedCore(limits)


class _Spendthrift(OwnerCore):
    def step(self, state: OwnerState, message: Any, now: datetime) -> Step[OwnerState]:
        seen = replace(state, used={}) if isinstance(message, AskReservation) else state
        step = super().step(seen, message, now)
        effects = tuple(effect for effect in step.effects if not isinstance(effect, Meter))
        return Step(self.fold(state, message, step.events, now), step.events, effects, step.reply)


class BudgetOutside(Parts):
    """The budget is looked up elsewhere, and late; no counter in the transaction bounds it."""

    def owners(self, limits: OwnerLimits) -> OwnerCore:
        return _Spendthrift(limits)


class _Hasty(OwnerCore):
    def step(self, state: OwnerState, message: Any, now: datetime) -> Step[OwnerState]:
        step = super().step(state, message, now)
        return Step(step.state, step.events, tuple(_waved_through(effect) for effect in step.effects), step.reply)


def _waved_through(effect: Any) -> Any:
    match effect:
        case Tell(address=address, message=ReservationAnswered() | ClearanceAnswered() as answer) if (
            answer.verdict is Verdict.NEEDS_APPROVAL
        ):
            return Tell(address, replace(answer, verdict=Verdict.ALLOWED))
        case _:
            return effect


class ApprovalSkipped(Parts):
    """What a person must approve goes on without."""

    def owners(self, limits: OwnerLimits) -> OwnerCore:
        return _Hasty(limits)


class _Forgetful(ConnectionCore):
    def step(self, state: ConnectionState, message: Any, now: datetime) -> Step[ConnectionState]:
        step = super().step(state, message, now)
        effects = tuple(effect for effect in step.effects if not isinstance(effect, Tell))
        return Step(step.state, step.events, effects, step.reply)


class ChangesNotTold(Parts):
    """How far changes were read is kept, and what was read is not told."""

    def connections(self, settings: Mapping[str, ConnectionSettings]) -> ConnectionCore:
        return _Forgetful(settings)


class SightNotMissed(Parts):
    """A need whose order was fulfilled waits for its thing for ever."""

    def things(self) -> ThingCore:
        return ThingCore({"printer@1": PROFILE}, NoModels(), INSTALLATION, seen_within_days=10_000.0)
