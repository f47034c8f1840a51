"""One seed, one universe: days of storm, then calm, and everything must be as promised."""

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from typing import Any, Final

from msgspec import Struct

from actors.dialogue import Reconcile, connection_address
from actors.model.ids import OwnerId, ThingId, order_key
from actors.model.orders import RecordKind
from actors.model.outcomes import Capabilities
from hub.simulation.crm import SETTLE_S, Fate, SimCrm
from hub.simulation.devices import Printer
from hub.simulation.disk import Disk, DiskJournal
from hub.simulation.judge import PERSON, Judge, is_reconciled, is_settled
from hub.simulation.life import Life
from hub.simulation.parts import INSTALLATION, Parts
from hub.simulation.people import Deliverers, Owner
from hub.simulation.scenery import HOUR_S, ShuffledLoop, chance_of, hearing
from hub.simulation.world import World

STORM_S: Final = 40 * HOUR_S
LEAST_CALM_S: Final = 3 * HOUR_S
CALM_S: Final = 36 * HOUR_S
"""Within so much virtual time after the last fault all must be settled."""
_LAST_NEWS_S: Final = 3 * HOUR_S
"""What people did in a CRM may be found only when all is compared; then it has to reach the things."""
_FROZEN: Final = 0.3
"""Of the hubs that end are frozen in truth, and wake up when the next one runs."""
_DEFECTS: Final = frozenset(
    {
        "turn_failed",
        "answer_not_taken",
        "records_not_followed",
        "work_not_taken",
        "snapshot_not_kept",
        "message_refused_by_store",
    }
)
_KEYED: Final = Capabilities(appointments=True, cancel=True, changes=True, customers=True, settle_s=SETTLE_S)
_SEARCHED: Final = Capabilities(unique_key=False, settle_s=SETTLE_S, service=False, cancel=True)
_BLIND: Final = Capabilities(unique_key=False, search_by_key=False, settle_s=SETTLE_S, service=False)


class Report(Struct, frozen=True, kw_only=True):
    """What one universe came to."""

    seed: int
    wrong: tuple[str, ...]
    digest: str
    events: int
    virtual_s: float
    lives: int
    acknowledged: int
    orders: int
    records: int
    requests: int
    letters: int
    """Between shards."""
    lines: tuple[str, ...] = ()


def simulate(seed: int, parts: Parts | None = None, *, shards: int = 1, keep: bool = False) -> Report:
    """Run one universe to its end, with a hub of so many shards."""
    with asyncio.Runner(loop_factory=lambda: ShuffledLoop(chance_of(seed, "loop"))) as runner:
        return runner.run(_Universe(seed, parts or Parts(), shards, keep=keep).run())


class _Universe:
    def __init__(self, seed: int, parts: Parts, shards: int, *, keep: bool) -> None:
        self._seed = seed
        self._parts = parts
        self._shards = max(shards, parts.shards)
        self._keep = keep
        self._heard: Counter[str] = Counter()

    async def run(self) -> Report:
        world = self._world = World(self._seed, shards=self._shards, keep=self._keep)
        self._chance = world.chance("universe")
        with hearing(self._heard, self._hear):
            self._build()
            self._judge = Judge(world, self._printers)
            try:
                await self._play()
            except* Exception as failed:  # noqa: BLE001 - whatever the hub lets out is a finding
                for error in failed.exceptions:
                    world.watch.say(f"the hub let out {error!r}")
        return self._report(world)

    def _hear(self, event: MutableMapping[str, Any]) -> None:
        if event["event"] in _DEFECTS:
            self._world.watch.say(f"{event['event']}: { {k: repr(v) for k, v in event.items() if k != 'event'} }")

    def _report(self, world: World) -> Report:
        return Report(
            seed=self._seed,
            wrong=tuple(world.watch.wrong),
            digest=world.chronicle.digest(),
            events=world.chronicle.events,
            virtual_s=world.loop.time(),
            lives=world.lives,
            acknowledged=len(world.acknowledged),
            orders=len(world.watch.orders),
            records=sum(len(crm.records) for crm in world.crms.values()),
            requests=world.watch.leavings,
            letters=world.letters.letters,
            lines=tuple(world.chronicle.lines),
        )

    def _build(self) -> None:
        world, draw = self._world, self._chance
        second = draw.choice((("searched", _SEARCHED), ("searched", _SEARCHED), ("blind", _BLIND)))
        for name, can in draw.choice(((("keyed", _KEYED), second), (second, ("keyed", _KEYED)))):
            scenery = (world.chronicle, world.clock)
            world.crms[name] = SimCrm(name, can, scenery, world.chance(f"crm {name}"), self._leaves)
        self._printers: dict[ThingId, Printer] = {}
        self._owners: list[Owner] = []
        for number in range(draw.choice((1, 1, 2))):
            owner_id = OwnerId(f"o{number}")
            things = [ThingId(f"{owner_id}p{index}") for index in range(draw.choice((2, 3)))]
            self._owners.append(Owner(world, owner_id, things))
            self._printers |= {thing_id: Printer(world, thing_id, owner_id) for thing_id in things}

    def _leaves(self, leaving: Any) -> None:
        self._world.watch.leaves(leaving)
        self._world.on_event()

    # The story.

    async def _play(self) -> None:
        async with asyncio.TaskGroup() as group:
            hub = group.create_task(self._live_and_die())
            others = [group.create_task(owner.live()) for owner in self._owners]
            storm = group.create_task(self._weather())
            others.append(group.create_task(Deliverers(self._world, self._printers).live()))
            for owner in self._owners:
                await owner.is_ready.wait()
            others += [group.create_task(printer.live()) for printer in self._printers.values()]
            self._squat()
            await asyncio.sleep(STORM_S)
            storm.cancel()
            await self._calm()
            self._judge.judge()
            for task in (*others, hub):
                task.cancel()

    async def _calm(self) -> None:
        world = self._world
        world.is_calm = True
        for disk in world.disks.all:
            disk.recovers()
        world.on_event = lambda: None
        for crm in world.crms.values():
            crm.is_calm, crm.trouble = True, None
        ends_s = world.loop.time() + CALM_S
        await asyncio.sleep(LEAST_CALM_S)
        while not is_settled(world, self._printers) and world.loop.time() < ends_s:  # noqa: ASYNC110 - virtual hours
            await asyncio.sleep(HOUR_S)
        for name in world.crms:
            await self._reconcile(name)
        await asyncio.sleep(_LAST_NEWS_S)
        while not is_settled(world, self._printers) and world.loop.time() < ends_s + HOUR_S:  # noqa: ASYNC110 - as above
            await asyncio.sleep(1.0)

    async def _reconcile(self, connection: str) -> None:
        """Have everything compared, as a person would who comes back until it is done."""
        wanted = Reconcile(connection=connection, by=PERSON, is_full=True)
        for _ in range(20):
            if self._world.hub is not None:
                self._world.hub.command(connection_address(connection), wanted, lambda _outcome: None)
            await asyncio.sleep(60.0)
            if is_reconciled(self._world, connection):
                self._world.reconciled.add(connection)
                return

    def _squat(self) -> None:
        if self._chance.random() < 0.15:
            printer = self._chance.choice(list(self._printers.values()))
            episode = self._chance.choice((1, 2))
            key = order_key(INSTALLATION, printer.owner_id, printer.thing_id, "black", episode, 0)
            for crm in self._world.crms.values():
                if crm.capabilities.unique_key:
                    crm.squat(key, RecordKind.ORDER)

    # Faults.

    async def _weather(self) -> None:
        draw, world = self._chance, self._world
        while True:
            await asyncio.sleep(draw.uniform(0.5, 6.0) * HOUR_S)
            trouble = draw.choice(("crm", "crm", "clock", "clock", *("disk" for _ in range(1 + len(world.disks.all)))))
            match trouble:
                case "crm":
                    crm = draw.choice(list(world.crms.values()))
                    crm.trouble = draw.choice((Fate.REFUSED, Fate.THROTTLED, Fate.AUTH, Fate.HANGS, Fate.LATE))
                    await asyncio.sleep(draw.choice((60.0, 600.0, 3 * HOUR_S)) * draw.random())
                    crm.trouble = None
                case "disk":
                    await self._spoil(draw.choice(world.disks.all))
                case _:
                    world.clock.jump(draw.choice((-3600.0, -5.0, 60.0, 3600.0, 26 * HOUR_S)) * draw.random())

    async def _spoil(self, disk: Disk) -> None:
        """Let a disk be full, slow or unreadable for a while."""
        draw, trouble = self._chance, self._chance.choice(("full", "slow", "unreadable"))
        self._world.chronicle.tell("disk", trouble)
        match trouble:
            case "full":
                disk.is_full = True
            case "slow":
                disk.slowness_s = draw.choice((2.0, 30.0, 120.0))
            case _:
                disk.is_unreadable = True
        await asyncio.sleep(draw.uniform(1.0, 600.0))
        disk.recovers()

    async def _live_and_die(self) -> None:
        draw, world = self._chance, self._world
        while True:
            world.lives += 1
            journals = [self._journal(shard) for shard in range(self._shards)]
            life = Life(self._parts, journals, world.crms, world.clock, world.chance(f"life {world.lives}"))
            world.life = life
            self._plan_end(life)
            world.chronicle.tell("starts", world.lives)
            await life.live(orderly=draw.random() < 0.2)
            self._judge.compare(life)
            world.chronicle.tell("ended", world.lives)
            await asyncio.sleep(draw.choice((0.1, 60.0, HOUR_S)) * draw.random())
            while any(disk.is_unreadable for disk in world.disks.all):  # noqa: ASYNC110 - no hub starts on such a disk
                await asyncio.sleep(60.0)

    def _journal(self, shard: int) -> DiskJournal:
        draw, world = self._chance, self._world
        refuses_at = draw.randint(1, 40) if draw.random() < 0.3 else 0
        chance = world.chance(f"disk {world.lives} {shard}")
        return DiskJournal(world.disks.all[shard], world.chronicle, chance, refuses_at=refuses_at)

    def _plan_end(self, life: Life) -> None:
        """End a life after some time, or just after something was written or sent."""
        draw, world = self._chance, self._world
        world.on_event = lambda: None
        if world.is_calm:
            return
        if draw.random() < 0.3:
            world.loop.call_later(draw.expovariate(1 / (8 * HOUR_S)), self._end, life)
            return
        left, delay_s = draw.choice((5, 50, 150, 300)) * draw.random(), draw.choice((0.0, 0.01, 1.0, 40.0))

        def count() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                world.on_event = lambda: None
                world.loop.call_later(delay_s * draw.random(), self._end, life)

        world.on_event = count

    def _end(self, life: Life) -> None:
        """Kill the process, or freeze it in the middle of its next commit."""

        def is_over() -> bool:
            if not self._world.is_calm:
                life.ends.set()
            return life.ends.is_set()

        if self._chance.random() < _FROZEN:
            life.freezes(is_over)
        else:
            is_over()
