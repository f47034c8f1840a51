"""Owners who grant, revoke, switch, approve and cancel at any time, and people at the CRMs who confirm and deliver."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from actors.dialogue import (
    Approve,
    Cancel,
    GrantMandate,
    RegisterThing,
    Reject,
    RevokeMandate,
    SwitchOff,
    SwitchOn,
    order_address,
    owner_address,
    thing_address,
)
from actors.model.ids import MandateId, OwnerId, ThingId
from actors.model.mandates import Level, Mandate, Period
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.model.orders import TERMINAL, OrderState, RecordKind
from actors.model.outcomes import RecordStatus
from actors.model.things import Connection, Place, Purpose, ThingRecord
from actors.owner.core import OffAcknowledged
from actors.purchasing.view import OrderView
from actors.runtime.cells import Outcome, Taken
from hub.simulation.crm import SimCrm
from hub.simulation.devices import Printer
from hub.simulation.held import Held
from hub.simulation.parts import COMMUNITY, PROFILE
from hub.simulation.scenery import BEGIN, HOUR_S
from hub.simulation.world import World

_PATIENCE_S: Final = 20.0
_AGAIN_S: Final = 45.0
_LOST: Final = 0.15
"""Deliveries that a CRM tells of and no thing ever sees."""
_FOREIGN: Final = frozenset({"foreign_record", "foreign_booking"})


class Owner:
    """One owner, who does one thing after the other and repeats each until the hub has said yes."""

    def __init__(self, world: World, owner_id: OwnerId, things: Sequence[ThingId]) -> None:
        self.owner_id = owner_id
        self.is_ready = asyncio.Event()
        self._things = things
        self._world = world
        self._chance = world.chance(f"owner {owner_id}")

    async def live(self) -> None:
        """Set up, then act at random; once it is calm, decide all that waits."""
        for thing_id in self._things:
            await self._say(thing_address(thing_id), self._registration(thing_id))
        await self._grant()
        self.is_ready.set()
        while not self._world.is_calm:
            await asyncio.sleep(self._chance.uniform(0.05, 2.5) * HOUR_S)
            await self._act()
        while True:
            await self._decide_all()
            await asyncio.sleep(0.5 * HOUR_S)

    async def _act(self) -> None:
        some = self._chance.choice(self._things)
        match self._chance.choices(
            ("grant", "revoke", "off", "off_all", "on", "decide", "cancel"), (4, 1, 2, 1, 5, 6, 2)
        )[0]:
            case "grant":
                await self._grant()
            case "revoke":
                await self._say(owner_address(self.owner_id), RevokeMandate(mandate_id=self._some_mandate(), by="o"))
            case "off":
                await self._switch_off(some)
            case "off_all":
                await self._switch_off(None)
            case "on":
                await self._switch_on(self._chance.choice((some, None)))
            case "cancel":
                await self._cancel()
            case _:
                await self._decide()

    # Deeds.

    def _registration(self, thing_id: ThingId) -> RegisterThing:
        record = ThingRecord(
            thing_id=thing_id,
            owner_id=self.owner_id,
            profile=PROFILE.name,
            serial=f"SN-{thing_id}",
            place=Place(country="DE"),
            connection=Connection(protocol="simulated"),
            shares=(Purpose.SUPPLIES,),
        )
        communities = (COMMUNITY,) if self._chance.random() < 0.7 else ()
        return RegisterThing(record=record, profile="printer@1", communities=communities)

    def _some_mandate(self) -> MandateId:
        return MandateId(self._chance.choice(("m1", "m1", "m2")))

    async def _grant(self) -> None:
        draw = self._chance
        level = draw.choices((Level.ADAPTABLE, Level.AUTONOMOUS, Level.ANNOUNCER), (6, 3, 1))[0]
        limit = draw.choice((None, None, 2000))
        days = draw.choice((1, 30, 30))
        payees = draw.choice((tuple(self._world.crms), tuple(self._world.crms), tuple(self._world.crms)[:1]))
        mandate = Mandate(
            mandate_id=self._some_mandate(),
            owner_id=self.owner_id,
            things=() if draw.random() < 0.8 else tuple(self._things[:1]),
            levels={NeedKind.SUPPLY: level, NeedKind.SERVICE: Level.ADAPTABLE},
            budget=Money(minor=draw.choice((3000, 6000, 12000, 30000)), currency="EUR"),
            budget_period=draw.choice((Period.DAY, Period.MONTH)),
            per_order_limit=Money(minor=draw.choice((2400, 5000, 5000)), currency="EUR"),
            approval_above=Money(minor=limit, currency="EUR") if limit else None,
            approval_kinds=draw.choice(((), (NeedKind.SERVICE,))),
            allowed_payees=payees,
            valid_from=BEGIN - timedelta(days=1),
            valid_until=self._world.clock.true_now() + timedelta(days=days),
        )
        await self._say(owner_address(self.owner_id), GrantMandate(mandate=mandate))

    async def _switch_off(self, thing_id: ThingId | None) -> None:
        reply = await self._say(owner_address(self.owner_id), SwitchOff(thing_id=thing_id, by="o"))
        if isinstance(reply, OffAcknowledged):
            self._world.watch.switched_off(self.owner_id, thing_id, reply.already_under_way)

    async def _switch_on(self, thing_id: ThingId | None) -> None:
        self._world.watch.switched_on(self.owner_id, thing_id)
        await self._say(owner_address(self.owner_id), SwitchOn(thing_id=thing_id, by="o"))

    async def _cancel(self) -> None:
        orders = [view for view in self._orders() if view.state not in TERMINAL and not _is_doubtful(view)]
        if orders:
            view = self._chance.choice(orders)
            await self._say(order_address(view.key), Cancel(by="o", reason="changed their mind"))

    async def _decide(self) -> None:
        waiting = [view for view in self._orders() if view.state is OrderState.AWAITING_APPROVAL]
        if waiting:
            await self._decide_on(self._chance.choice(waiting))

    async def _decide_on(self, view: OrderView) -> None:
        yes = self._chance.random() < 0.75
        message = Approve(by="o") if yes else Reject(by="o", reason="too dear")
        await self._say(order_address(view.key), message)

    async def _decide_all(self) -> None:
        for view in self._orders():
            if view.state is OrderState.AWAITING_APPROVAL:
                await self._decide_on(view)
            elif view.state is OrderState.DEAD_LETTER:
                ends = view.code in _FOREIGN or view.record is None
                message = Cancel(by="o", reason="cleared up") if ends and not _is_doubtful(view) else Approve(by="o")
                await self._say(order_address(view.key), message)

    def _orders(self) -> list[OrderView]:
        rows = self._world.disks.records_of("order", self.owner_id)
        return [msgspec.json.decode(row.body or b"", type=OrderView) for row in rows]

    async def _say(self, address: str, message: Any) -> Any:
        """Repeat a command until it is acknowledged, whatever becomes of the hub; return its answer."""
        while True:
            outcome = await self._try(address, message)
            if isinstance(outcome, Taken):
                self._world.chronicle.tell("said", address, type(message).__name__, outcome.reply)
                return outcome.reply
            await asyncio.sleep(_AGAIN_S)

    async def _try(self, address: str, message: Any) -> Outcome | None:
        hub, answer = self._world.hub, asyncio.get_running_loop().create_future()
        if hub is None:
            return None

        def done(outcome: Outcome) -> None:
            if hub.is_up and not answer.done():
                answer.set_result(outcome)

        hub.command(address, message, done)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                outcome: Outcome = await answer
        except TimeoutError:
            return None
        return outcome


def _is_doubtful(view: OrderView) -> bool:
    """Say whether nobody knows if the CRM holds it: a person would look there before cancelling."""
    return view.state is OrderState.DEAD_LETTER and view.record is None and view.code not in _FOREIGN


class Deliverers:
    """The people at the CRMs: they confirm, change or cancel what is there, and bring what is confirmed."""

    def __init__(self, world: World, printers: Mapping[ThingId, Printer]) -> None:
        self._world = world
        self._printers = printers
        self._chance = world.chance("deliverers")
        self._losses = world.chance("losses")
        self._done: set[tuple[str, str]] = set()

    async def live(self) -> None:
        """Go round for ever."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 0.8) * HOUR_S)
            for crm in self._world.crms.values():
                for held in list(crm.records):
                    if held.is_ours:
                        self._handle(crm, held)

    def _handle(self, crm: SimCrm, held: Held) -> None:
        draw = 0.0 if self._world.is_calm else self._chance.random()
        match held.record.status:
            case RecordStatus.OPEN if draw < 0.5:
                crm.set_status(held, RecordStatus.CONFIRMED)
            case RecordStatus.OPEN if draw > 0.97:
                crm.set_status(held, RecordStatus.CANCELLED)
            case RecordStatus.CONFIRMED | RecordStatus.FULFILLED if draw < 0.12:
                self._deliver(crm, held)
            case RecordStatus.CONFIRMED if draw > 0.97:
                self._interfere(crm, held)
            case _:
                return

    def _interfere(self, crm: SimCrm, held: Held) -> None:
        """Cancel what was confirmed, move a visit, or ask for another price."""
        record = held.record
        if self._chance.random() < 0.5:
            crm.set_status(held, RecordStatus.CANCELLED)
        elif record.scheduled is not None and crm.capabilities.changes:
            day = timedelta(days=1)
            slot = record.scheduled
            crm.change(held, scheduled=replace(slot, starts_at=slot.starts_at + day, ends_at=slot.ends_at + day))
        elif record.total is not None:
            minor = round(record.total.minor * self._chance.choice((0.9, 1.2)))
            crm.change(held, total=replace(record.total, minor=minor))

    def _deliver(self, crm: SimCrm, held: Held) -> None:
        name = (crm.name, held.record.record_id)
        if name in self._done or held.record.kind is RecordKind.APPOINTMENT:
            return
        self._done.add(name)
        printer = self._printers[ThingId(held.chain.split(".", maxsplit=1)[0])]
        if not self._world.is_calm and self._losses.random() < _LOST:
            crm.set_status(held, RecordStatus.FULFILLED)  # says the CRM: the thing never sees it
            return
        if held.record.kind is RecordKind.ORDER:
            printer.refill()
        else:
            printer.repair()
        if self._chance.random() < 0.5:
            crm.set_status(held, RecordStatus.FULFILLED)
