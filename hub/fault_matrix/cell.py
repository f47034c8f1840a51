"""One cell: one need, one order, one trouble, and what hub and CRM know of it in the end."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

from actors.dialogue import Approve, order_address
from actors.model.orders import OrderState
from actors.purchasing.state import OrderData
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions, SandboxRecord, listening
from crm_adapters.sandboxing.application import LoggedRequest
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.sandboxing.faults import FaultState
from hub.clock import SystemClock
from hub.fault_matrix.premises import OWNER, Patience, Premises, premises, until
from hub.fault_matrix.systems import Flow, Plug, Role
from hub.fault_matrix.troubles import GIVES_UP_S, Phase, Trouble

_S: Final = OrderState
SETTLED: Final = frozenset({_S.CONFIRMED, _S.FULFILLED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.DEAD_LETTER})
"""States in which nothing more happens by itself."""
_DEADLINE_S: Final = 60.0
_LOOK_S: Final = 0.05
_LATE: Final = frozenset({FaultAction.LATE_COMMIT, FaultAction.SLOW})
_FIRST_REFUSED: Final = Fault(action=FaultAction.STATUS, status=429, headers={"Retry-After": "0.1"})


class Cell(Struct, frozen=True, kw_only=True):
    """One combination."""

    plug: Plug
    flow: Flow
    phase: Phase
    trouble: Trouble
    deadline_s: float = _DEADLINE_S

    @property
    def column(self) -> str:
        """Where it stands in the table."""
        return f"{self.plug.system.name}/{self.flow.name}/{self.phase}"

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.trouble.name}/{self.column}"


class Evidence(Struct, frozen=True, kw_only=True):
    """What hub and CRM know in the end."""

    order: OrderData
    used_minor: int
    """What the owner's budget has set aside."""
    records: Sequence[SandboxRecord]
    hits: int
    """How many requests the trouble hit."""
    took_s: float


async def play(cell: Cell, folder: Path, chance: Random) -> Evidence:
    """Let a need arise, let the trouble happen, and wait until nothing moves any more."""
    clock = SystemClock()
    patience = Patience(expiry_s=GIVES_UP_S) if cell.trouble.for_good else Patience()
    options = SandboxOptions(clock=clock, accounts=(OWNER,))
    begun = clock.monotonic()
    async with listening(cell.plug.sandbox, options) as url, administer(url) as admin:
        async with (
            cell.plug.open(_address(cell.trouble, url), chance) as adapter,
            premises(folder, adapter, cell.flow.need, patience, chance) as place,
        ):
            await _approved(place, admin, plan_of(cell), clock.now())
            await until(lambda: place.order.state in SETTLED, cell.deadline_s)
            took_s = clock.monotonic() - begun
            order, used_minor = place.order, sum(place.owner.used.values())
        states, records = await _calm(admin)
    hits = order.attempt if cell.trouble.address else states[-1].hits
    return Evidence(order=order, used_minor=used_minor, records=records, hits=hits, took_s=took_s)


def _address(trouble: Trouble, url: str) -> str:
    return trouble.address.format(port=url.rpartition(":")[2]) if trouble.address else url


def plan_of(cell: Cell) -> tuple[Fault, ...]:
    """Return what the sandbox does wrong from the approval on; the trouble itself comes last."""
    flow = cell.flow
    trouble = cell.trouble.said_by({} if flow.role is Role.SIGN_IN else cell.plug.system.answers)
    match cell.phase:
        case Phase.FIRST:
            return (_on_write(flow, trouble),)
        case Phase.RETRY:
            return (_on_write(flow, _FIRST_REFUSED), _on_write(flow, trouble))
        case Phase.FOUND:
            return (_on_write(flow, Fault(action=FaultAction.DROP_AFTER)), _on_look(flow, trouble))
        case Phase.ABSENT:
            return (_on_write(flow, Fault(action=FaultAction.DROP_BEFORE)), _on_look(flow, trouble))


def _on_write(flow: Flow, fault: Fault) -> Fault:
    return replace(fault, match=flow.write, skip=flow.writes_before)


def _on_look(flow: Flow, fault: Fault) -> Fault:
    """Return what hits the look-up after the write that was hit: searches before it, however many, meet nothing."""
    return replace(fault, match=flow.look, follows=True)


async def _approved(place: Premises, admin: SandboxAdmin, plan: Sequence[Fault], now: datetime) -> None:
    """Bring the order to where only a person's word is missing, plan what goes wrong, and give it."""
    await place.begin(now)
    if not await until(lambda: place.order.state is OrderState.AWAITING_APPROVAL, _DEADLINE_S):
        raise RuntimeError(f"the order waits for no approval, but is {place.order.state}: {place.order.sentence}")
    await admin.plan(*plan)
    await place.tell(order_address(place.key), Approve(by="the owner"))


async def _calm(admin: SandboxAdmin) -> tuple[list[FaultState], list[SandboxRecord]]:
    """Wait until the door is open and nothing is committed any more; return what the sandbox knows then."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            try:
                states = await admin.faults()
                if not _is_busy(states, await admin.requests()):
                    return states, await admin.records()
            except aiohttp.ClientError:  # its door is shut
                await asyncio.sleep(_LOOK_S)
            await asyncio.sleep(_LOOK_S)


def _is_busy(states: Sequence[FaultState], log: Sequence[LoggedRequest]) -> bool:
    begun = sum(state.hits for state in states if state.fault.action in _LATE)
    return begun > sum(1 for request in log if request.fault in _LATE)
