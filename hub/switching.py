"""The off switch, which works whatever the disk does: what the journal cannot take yet is kept in a reserve."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from actors.dialogue import SwitchOff, owner_address
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.owner.state import OwnerState
from actors.runtime.cells import NotTaken, Outcome, Taken
from actors.runtime.contract import AskFailed, Engine
from hub.storage.reserve import Reserve, SwitchedOff

log = structlog.get_logger(__name__)

WRITTEN_WITHIN_S: Final = 5.0
"""A disk that takes longer is taken for one that takes no writes."""


Place = tuple[OwnerId, ThingId | None]
"""What is switched: a thing of an owner's, or all of them."""
TakeBack = Callable[[OwnerId, ThingId | None], Awaitable[None]]
"""Takes back what waits to leave for a thing, or for all of an owner's."""


class Off(Struct, frozen=True, kw_only=True):
    """From now on nothing leaves. ``already_under_way`` had left before; while OFF is not written: may have.

    Not written and not kept it holds in memory alone: a restart forgets it.
    """

    already_under_way: tuple[OrderKey, ...]
    is_written: bool = True
    is_kept: bool = True


class Switches:
    """Switches things off. Until OFF is written it stands before all else that its owner's actor is asked."""

    def __init__(self, engine: Engine, reserve: Reserve) -> None:
        self._engine = engine
        self._reserve = reserve
        self._take_back: TakeBack | None = None
        self._unwritten: dict[Place, str] = {}

    def unwritten(self, owner_id: OwnerId, thing_id: ThingId) -> str:
        """Return who switched a thing off, or all of its owner's, where that is not written yet; else nothing."""
        return self._unwritten.get((owner_id, None)) or self._unwritten.get((owner_id, thing_id), "")

    def is_off(self, owner_id: OwnerId, thing_id: ThingId) -> bool:
        """Say whether a thing is switched off, written or not."""
        return bool(self.off_by(owner_id, thing_id))

    def off_by(self, owner_id: OwnerId, thing_id: ThingId) -> str:
        """Return who switched a thing off, or all of its owner's, written or not; nothing where it is on."""
        owner: OwnerState = self._engine.read(owner_address(owner_id))
        return owner.all_off_by or owner.things_off.get(thing_id, "") or self.unwritten(owner_id, thing_id)

    def recall_by(self, take_back: TakeBack) -> None:
        """Have commands taken back before OFF is acknowledged."""
        self._take_back = take_back

    def resume(self) -> None:
        """Go on with what a former process could not write; call before the engine starts."""
        for entry in self._reserve.held():
            place = (entry.owner_id, entry.thing_id)
            if place not in self._unwritten:
                self._unwritten[place] = entry.by
                log.warning("off_resumed", owner_id=entry.owner_id, thing_id=entry.thing_id, by=entry.by)
                self._press(place, entry.by, _Press())

    async def off(self, owner_id: OwnerId, thing_id: ThingId | None, by: str) -> Off:
        """Switch a thing off, or all of an owner's; commands that wait for it in an adapter are taken back.

        Raises:
            AskFailed: the hub is stopping, or failed on it.
        """
        off = await self._switched(owner_id, thing_id, by)
        if self._take_back is not None:
            with suppress(TimeoutError):  # a hub that ends lets nothing leave either
                async with asyncio.timeout(WRITTEN_WITHIN_S):
                    await self._take_back(owner_id, thing_id)
        return off

    async def _switched(self, owner_id: OwnerId, thing_id: ThingId | None, by: str) -> Off:
        place = (owner_id, thing_id)
        if place in self._unwritten:
            if place not in self._kept():
                await self._keep(place, self._unwritten[place])
            return self._held(place)
        press = _Press()
        self._press(place, by, press)
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await press.answered.wait()
        match press.outcome:
            case Taken(reply=reply):
                return Off(already_under_way=reply.already_under_way)
            case NotTaken(code=code, detail=detail):
                raise AskFailed(code, detail)
            case None:
                await self._keep(place, by or "somebody")
        return self._held(place)

    def _press(self, place: Place, by: str, press: "_Press") -> None:
        owner_id, thing_id = place
        message = SwitchOff(thing_id=thing_id, by=by)
        self._engine.urge(owner_address(owner_id), message, partial(self._end, place, press), press.stall)

    async def _keep(self, place: Place, by: str) -> None:
        """Let it hold from now on, and see that a restart does not forget it."""
        owner_id, thing_id = place
        self._unwritten[place] = by
        is_kept = await self._reserve.keep(SwitchedOff(owner_id=owner_id, thing_id=thing_id, by=by))
        if place not in self._unwritten:  # written meanwhile
            self._reserve.forget(owner_id, thing_id)
        next_step = "free disk space" if is_kept else "free disk space; a restart before off_written forgets it"
        log.warning(
            "off_not_written_yet", owner_id=owner_id, thing_id=thing_id, by=by, is_kept=is_kept, next_step=next_step
        )

    def tell_of_loss(self) -> None:
        """Say which switches the end of the hub forgets."""
        for owner_id, thing_id in self._unwritten.keys() - self._kept():
            log.error("off_lost", owner_id=owner_id, thing_id=thing_id, next_step="switch it off again")

    def _held(self, place: Place) -> Off:
        owner_id, thing_id = place
        owner: OwnerState = self._engine.read(owner_address(owner_id))
        keys = (key for key, held in owner.reservations.items() if thing_id in {None, held.thing_id})
        is_written = place not in self._unwritten
        return Off(already_under_way=tuple(keys), is_written=is_written, is_kept=is_written or place in self._kept())

    def _kept(self) -> set[Place]:
        return {(entry.owner_id, entry.thing_id) for entry in self._reserve.held()}

    def _end(self, place: Place, press: "_Press", outcome: Outcome) -> None:
        press.end(outcome)
        if not self._unwritten.pop(place, ""):
            return
        self._reserve.forget(*place)
        if isinstance(outcome, NotTaken):
            log.error("off_not_taken", owner_id=place[0], thing_id=place[1], reason=outcome.detail)
        else:
            log.info("off_written", owner_id=place[0], thing_id=place[1])


class _Press:
    """One press of a switch: ``answered`` when it is known how it ended, or that it cannot be written now."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.outcome: Outcome | None = None

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.answered.set()

    def stall(self) -> None:
        self.answered.set()
