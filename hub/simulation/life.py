"""One life of the hub: from a start on what the last one left to a crash, or an orderly end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from msgspec.structs import replace

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionSettings
from actors.dialogue import (
    COMPUTE_RELAY,
    RECONCILING_RELAY,
    OpenConnection,
    SwitchOff,
    connection_address,
    desk_relay,
)
from actors.dialogue.placement import ShardMap
from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage, Principal, PrincipalKind, Receipt
from actors.owner.core import OwnerLimits
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.cells import NotTaken, Taken
from actors.runtime.contract import EngineSettings
from hub.introductions import JournalledIntroductions
from hub.registry import Registry
from hub.simulation.crm import SimCrm
from hub.simulation.disk import DiskJournal
from hub.simulation.parts import INSTALLATION, PROFILE, Parts, SlowPeers
from hub.simulation.scenery import JumpingClock
from hub.storage.whole import WholeRecords

_ORDERLY_S = 5.0


class Life:
    """A running hub. Everything it knows is gone with it, but for the disk."""

    def __init__(
        self,
        parts: Parts,
        journals: Sequence[DiskJournal],
        crms: Mapping[str, SimCrm],
        clock: JumpingClock,
        chance: Random,
    ) -> None:
        self._journals = journals
        self.is_up = False
        self.ends = asyncio.Event()
        self._clock = clock
        self._connections = tuple(crms)
        self._registry = Registry({PROFILE.name: PROFILE}, {}, WholeRecords(journals))
        settings = EngineSettings(
            batch_turns=chance.choice((1, 3, 64, 2048)),
            mailbox_bound=chance.choice((3, 1000)),
            snapshot_every=chance.choice((2, 7, 48)),
        )
        engines = [parts.engine(parts.journal(journal), clock, settings) for journal in journals]
        self.engine = parts.whole(engines, ShardMap(len(engines)).shard_of)
        self._sink = parts.sink(self.engine, self._registry)
        self.kinds = self._add_kinds(parts, crms)
        self._desks = [
            parts.desk(name, parts.adapter(crm), self.engine, clock, Random(chance.random()))
            for name, crm in crms.items()
        ]
        for name, desk in zip(crms, self._desks, strict=True):
            desk.remember(JournalledIntroductions(WholeRecords(journals)))
            self.engine.add_relay(desk_relay(name), desk)
        self.engine.add_relay(COMPUTE_RELAY, SlowPeers(self.engine, clock, chance))
        desks = dict(zip(crms, self._desks, strict=True))
        self._reconciler = parts.reconciler(self.engine, WholeRecords(journals), desks)
        self.engine.add_relay(RECONCILING_RELAY, self._reconciler)

    def _add_kinds(self, parts: Parts, crms: Mapping[str, SimCrm]) -> dict[str, Any]:
        can = {name: parts.capabilities(crm.capabilities) for name, crm in crms.items()}
        limits = OwnerLimits(max_orders_per_7_days=9, min_between_orders=timedelta(minutes=20))
        settings = PurchasingSettings(
            installation=INSTALLATION,
            connections=can,
            introduces_things=frozenset(crms),
            status_s=900.0,
            blocked_s=14400.0,
            expiry_days=2.0,
        )
        follows = {name: ConnectionSettings(can=can[name], changes_s=600.0) for name in crms}
        orders, connections = parts.orders(settings), parts.connections(follows)
        cores = (parts.things(), parts.owners(limits), CommunityCore(), orders, connections)
        for core in cores:
            self.engine.add_kind(core)
        return {core.kind: core for core in cores}

    async def live(self, *, orderly: bool) -> None:
        """Run until ``ends`` is set; a life that is not orderly ends as a process does that is killed."""
        self.engine.on_records(self._registry.follow)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(desk.run()) for desk in self._desks]
            tasks.append(group.create_task(self._reconciler.run()))
            self.engine.start()
            for name in self._connections:
                self.command(connection_address(name), OpenConnection(connection=name), lambda _outcome: None)
            self.is_up = True
            await self.ends.wait()
            if orderly:
                await self.engine.stop(within_s=_ORDERLY_S)
            self._end()
            for task in tasks:
                task.cancel()
        await self.engine.stop(within_s=0.0)

    def freezes(self, is_over: Callable[[], bool]) -> None:
        """End in the middle of the next commit, if ``is_over`` says so then."""
        for journal in self._journals:
            journal.freezes = is_over

    def _end(self) -> None:
        self.is_up = False
        for journal in self._journals:
            journal.is_alive = False

    # The doors.

    def hear(self, message: DeviceMessage, done: Callable[[Receipt], None]) -> None:
        """Take a device message as a protocol adapter does."""
        thing_id = ThingId(message.thing_id)
        principal = Principal(kind=PrincipalKind.THING, name=thing_id, thing_id=thing_id)
        self._sink.accept(principal, replace(message, received_at=self._clock.now()), done)

    def command(self, address: str, message: Any, done: Callable[[Taken | NotTaken], None]) -> None:
        """Take a person's command as the API does: OFF goes before all else."""
        if isinstance(message, SwitchOff):
            self.engine.urge(address, message, done, _nothing)
        else:
            self.engine.submit(address, message, done)


def _nothing() -> None:
    """Whoever says OFF repeats it until it is written."""
