"""What a story is: played on the stage, judged from what the sandboxes and the hub hold, told in plain words."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, final

from msgspec import Struct

from hub.demo.clients import NOTHING, Row, part
from hub.demo.processes import until
from hub.demo.stage import Plant, Stage

_ORDER_S: Final = 60.0


class Check(Struct, frozen=True, kw_only=True):
    """One thing that must be so for the story to be shown."""

    what: str
    holds: bool


class Evidence(Struct, frozen=True, kw_only=True):
    """What a story left behind: orders and chain from the hub, records from the sandboxes, and what else it saw."""

    orders: Sequence[Row]
    trace: Sequence[Row]
    records: Sequence[Row]
    facts: Mapping[str, Any] = {}

    @property
    def order(self) -> Row:
        """The first of the orders; empty when there is none."""
        return self.orders[0] if self.orders else NOTHING

    def steps(self) -> list[str]:
        """Return the steps of the chain in order."""
        return [str(note["step"]) for note in self.trace]

    def note(self, step: str) -> Row:
        """Return the first note of a step; empty when there is none."""
        return next((note for note in self.trace if note["step"] == step), NOTHING)


class Told(Struct, frozen=True, kw_only=True):
    """A story that came to its end."""

    evidence: Evidence
    checks: Sequence[Check]
    why: str

    @property
    def ok(self) -> bool:
        """Say whether everything that must be so is so."""
        return bool(self.checks) and all(check.holds for check in self.checks)


class Show(Protocol):
    """Where a story tells what happens."""

    def begin(self, story: str) -> None:
        """A story begins."""
        ...

    def say(self, story: str, sentence: str) -> None:
        """Tell one thing."""
        ...

    def step(self, story: str, note: Row) -> None:
        """Tell one more link of the chain."""
        ...

    def end(self, story: str, told: Told) -> None:
        """A story is over."""
        ...


@final
class Teller:
    """One story's way to the stage and to the people who watch."""

    def __init__(self, name: str, stage: Stage, plant: Plant, show: Show) -> None:
        self.name = name
        self.stage = stage
        self.plant = plant
        self._show = show
        self._seen: dict[str, int] = {}

    def say(self, sentence: str) -> None:
        """Tell one thing."""
        self._show.say(self.name, sentence)

    async def follow(self, thing_id: str) -> Row | None:
        """Return the thing's newest order, and show what is new in its chain."""
        order = await self.stage.hub.order_of(thing_id)
        if order is not None:
            notes = await self.stage.hub.trace_of(order["key"])
            for note in notes[self._seen.get(order["key"], 0) :]:
                self._show.step(self.name, note)
            self._seen[order["key"]] = len(notes)
        return order

    async def until_order(self, thing_id: str, *states: str, wanted: Callable[[Row], bool] | None = None) -> Row:
        """Wait until the thing's order is in one of these states (and as wanted), and return it."""
        last = "no order yet"

        async def probe() -> Row | None:
            nonlocal last
            order = await self.follow(thing_id)
            if order is None:
                return None
            last = f"{order['state']}: {order['sentence']}"
            return order if order["state"] in states and (wanted is None or wanted(order)) else None

        try:
            return await until(self.stage.clock, f"order of {thing_id} {' or '.join(states)}", probe, _ORDER_S)
        except Exception as error:
            error.add_note(f"last seen: {last}")
            raise

    async def gather(self, thing_ids: Sequence[str], **facts: Any) -> Evidence:
        """Return what the hub and the sandboxes hold of these things; the chain is that of the first one's order."""
        orders = [order for thing_id in thing_ids for order in await self.stage.hub.orders_of(thing_id)]
        for thing_id in thing_ids:
            await self.follow(thing_id)
        trace: Sequence[Row] = await self.stage.hub.trace_of(orders[0]["key"]) if orders else ()
        keys = {part(order, name).get("key") for order in orders for name in ("record", "booking")}
        everything = await self.stage.all_records()
        records = [row for row in everything if row["thing"] in thing_ids or row["key"] in keys]
        return Evidence(orders=orders, trace=trace, records=records, facts=facts)


class Story(Struct, frozen=True, kw_only=True):
    """One story: how it is played, and what must have come of it."""

    name: str
    title: str
    play: Callable[[Teller], Awaitable[Evidence]]
    judge: Callable[[Evidence], Sequence[Check]]
    why: Callable[[Evidence], str]

    def judged(self, evidence: Evidence) -> Told:
        """Return the story with its judgement; what does not hold is named first."""
        checks = self.judge(evidence)
        failed = [check.what for check in checks if not check.holds]
        why = f"not shown: {'; '.join(failed)}" if failed else self.why(evidence)
        return Told(evidence=evidence, checks=checks, why=why)


def is_so(what: str, holds: object) -> Check:
    """Return a check."""
    return Check(what=what, holds=bool(holds))
