"""One turn of an order in the making: what happened so far in it, and what it wants."""

from datetime import datetime, timedelta
from typing import Any

from actors.dialogue import AnyDeskJob, DeadlinePassed, Message, RaiseNeed, TakeTurn, desk_relay, owner_address
from actors.model.ids import CorrelationId, OrderKey
from actors.model.orders import OrderState
from actors.purchasing.events import Moved, OrderEvent, Paused, Waiting
from actors.purchasing.state import OrderData, evolve
from actors.runtime.turns import Effect, Emit, Forget, Note, Remind, Tell

_LONGEST_DOUBLING = 20


def doubled(base_s: float, round_number: int, *, cap_s: float) -> float:
    """Return seconds to wait after a round (from 1): the base, doubled with each, up to the cap."""
    return min(cap_s, base_s * 2.0 ** (min(round_number, _LONGEST_DOUBLING) - 1))


class Turn:
    """Collects events and effects; ``data`` is always what the events so far make of the state."""

    def __init__(self, key: OrderKey, data: OrderData, now: datetime) -> None:
        self.key = key
        self.data = data
        self.now = now
        self.events: list[OrderEvent] = []
        self.effects: list[Effect] = []

    @property
    def order(self) -> RaiseNeed:
        """The need that all this is for."""
        if self.data.order is None:
            raise LookupError(f"order {self.key} has no need yet")
        return self.data.order

    @property
    def chain(self) -> CorrelationId:
        """The correlation id of the whole decision."""
        return self.order.need.correlation_id

    def happen(self, event: OrderEvent) -> None:
        """Record an event and take it in."""
        self.events.append(event)
        self.data = evolve(self.data, event, self.now)

    def move(self, to: OrderState, code: str, sentence: str, next_step: str = "") -> None:
        """Reach a state, with its reason and what comes next."""
        self.happen(Moved(to=to, code=code, sentence=sentence, next_step=next_step))
        self.note(to.value, sentence, code=code, **({"next_step": next_step} if next_step else {}))

    def pause(self, reason: str, next_try_at: datetime | None = None) -> None:
        """Say why nothing can be done at the moment, unless that is known already."""
        waiting = Waiting(reason=reason, next_try_at=next_try_at)
        if self.data.waiting is None or self.data.waiting.reason != reason:
            self.note("waiting", reason, next_try_at=next_try_at)
        if self.data.waiting != waiting:
            self.happen(Paused(waiting=waiting))

    def note(self, step: str, sentence: str, **facts: Any) -> None:
        """Add to the chain that people read."""
        self.effects.append(Note(self.chain, step, sentence, {"order": self.key, **facts}))

    def tell(self, address: str, message: Message) -> None:
        """Tell another actor."""
        self.effects.append(Tell(address, message))

    def tell_owner(self, message: Message) -> None:
        """Tell the owner's actor."""
        self.tell(owner_address(self.order.need.owner_id), message)

    def work(self, connection: str, job: AnyDeskJob) -> None:
        """Give the desk of a connection something to do."""
        self.effects.append(Emit(desk_relay(connection), job))

    def stand_in_line(self, reason: str, after_s: float = 0.0, *, first: bool = False) -> None:
        """Wait for the desk of the order's connection: it gives the turn when its CRM can be used."""
        need = self.order.need
        wanted = TakeTurn(after_s=after_s, reason=reason, owner_id=need.owner_id, thing_id=need.thing_id, first=first)
        self.work(self.data.connection, wanted)

    def again_s(self, base_s: float, cap_s: float, outcome: Any) -> float:
        """Return seconds until this order's next attempt: doubled with each, and at least what the CRM asks for."""
        asked_s = getattr(outcome, "retry_after_s", 0.0)
        own_s = doubled(base_s, self.data.attempt, cap_s=cap_s)
        return min(cap_s, max(own_s, asked_s))

    def remind(self, name: str, after_s: float) -> None:
        """Get ``DeadlinePassed(name)`` later."""
        self.effects.append(Remind(name, self.now + timedelta(seconds=after_s), DeadlinePassed(name=name)))

    def forget(self, name: str) -> None:
        """Drop a deadline."""
        self.effects.append(Forget(name))
