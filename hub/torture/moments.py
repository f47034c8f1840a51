# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""The moments at which a hub is killed, and how each of them is brought about."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

import apsw

from actors.model.errors import HubError
from hub.torture.fleet import Ledger, Line
from hub.torture.former import is_former, take_back
from hub.torture.processes import Child
from hub.torture.scene import OwnersDesk, Scene
from hub.torture.traps import Trap

_SHORTEST_LIFE_S: Final = 0.05
_LONGEST_LIFE_S: Final = 0.4
_LONGEST_DRAIN_S: Final = 0.1
_LONGEST_COPY_S: Final = 1.0
_TRAPPED_WITHIN_S: Final = 4.0
_START_WITHIN_S: Final = 60.0
_MOST_OPENINGS: Final = 14
_USUAL_START_S: Final = 0.8


class Moment(StrEnum):
    """What the hub was doing when it was killed."""

    LOAD = "load"
    """Anything: some time after it serves."""
    START = "start"
    """It recovers and does not serve yet."""
    DRAIN = "drain"
    """It was asked to stop, and finishes what it began."""
    BACKUP = "backup"
    """A copy of the journal is taken beside it; the copying is killed too, or goes on alone."""
    OPENING = "opening"
    COMMIT = "commit"
    SEAL = "seal"
    CHECKPOINT = "checkpoint"
    """The last four: inside one step of its work on the disk (``traps``)."""
    MIGRATION = "migration"
    """It opens a journal of a former version."""


_M = Moment
_WEIGHTS: Final = {
    _M.LOAD: 52, _M.START: 12, _M.DRAIN: 10, _M.BACKUP: 1, _M.OPENING: 5, _M.COMMIT: 7, _M.SEAL: 6, _M.CHECKPOINT: 7,
}  # fmt: skip


def plan(kills: int, chance: Random) -> list[Moment]:
    """Return so many moments in a drawn order: each kind at least once where there is room, the rest by weight."""
    kinds = list(_WEIGHTS)
    moments = kinds if kills >= 2 * len(kinds) else []
    moments = [*moments, *chance.choices(kinds, list(_WEIGHTS.values()), k=kills - len(moments))]
    chance.shuffle(moments)
    return moments


_CAME_TO_ITS_END: Final = frozenset({"drained", "copied"})


class Reaper:
    """Brings the hub up, lets it work, and kills it, moment by moment. Before and after each it is down."""

    def __init__(self, place: Scene, desk: OwnersDesk, line: Line, ledger: Ledger, chance: Random) -> None:
        self.hit: Counter[str] = Counter()
        """Moment -> kills that met it. What was over before it came counts as ``load``, or is not counted."""
        self.starts_s: list[float] = []
        """Seconds from a kill's restart until the hub served."""
        self.wrong: list[str] = []
        self._place = place
        self._hub = place.hub
        self._desk = desk
        self._line = line
        self._ledger = ledger
        self._chance = chance
        self._mark = place.folder / "trap.hit"

    async def kill_at(self, moment: Moment, allowed: int) -> None:
        """Let the hub live once and end it at this moment; ``allowed`` orders are added to the budget on the way."""
        match moment:
            case Moment.START:
                await self._kill_in_start()
            case Moment.OPENING | Moment.COMMIT | Moment.SEAL | Moment.CHECKPOINT:
                await self._trap(Trap(moment), Moment(moment))
            case _:
                await self.rise()
                await self._allow(allowed)
                await self._live()
                await self._end(moment)
        self._line.cut()

    def killed(self) -> int:
        """Return how often the hub was killed so far."""
        return sum(count for name, count in self.hit.items() if name not in _CAME_TO_ITS_END)

    async def _allow(self, orders: int) -> None:
        try:
            await self._desk.allow(orders)
        except HubError as error:
            self.wrong.append(f"the owner could not grant a mandate: {error}")

    async def rise(self) -> None:
        """Start the hub, and let the devices know where it is."""
        self.starts_s.append(await self._hub.start())
        self._line.connect(self._hub.url)

    async def interrupt_migrations(self, most: int) -> None:
        """Take the journal back to its first version, and kill the hub while it brings it forward, at most so often."""
        take_back(self._place.journal)
        openings = self._chance.sample(range(_MOST_OPENINGS), min(most, _MOST_OPENINGS))
        for seed in openings:
            if is_former(self._place.journal):
                await self._trap(Trap.OPENING, Moment.MIGRATION, seed)

    async def _live(self) -> None:
        await asyncio.sleep(self._chance.uniform(_SHORTEST_LIFE_S, _LONGEST_LIFE_S))

    async def _end(self, moment: Moment) -> None:
        if moment is Moment.DRAIN:
            await self._kill_in_drain()
        elif moment is Moment.BACKUP:
            await self._kill_under_backup()
        else:
            await self._kill(Moment.LOAD)

    async def _kill(self, moment: Moment) -> None:
        await self._hub.kill()
        self.hit[moment] += 1

    async def _kill_in_start(self) -> None:
        usual_s = sorted(self.starts_s)[len(self.starts_s) // 2] if self.starts_s else _USUAL_START_S
        await self._hub.spawn()
        serves = await self._hub.serves(self._chance.uniform(0.3, 1.0) * usual_s)
        await self._kill(Moment.LOAD if serves else Moment.START)

    async def _kill_in_drain(self) -> None:
        self._hub.terminate()
        code = await self._hub.ends(self._chance.uniform(0.0, _LONGEST_DRAIN_S))
        if code is None:
            await self._kill(Moment.DRAIN)
        elif code == 0:
            self.hit["drained"] += 1
        else:
            self.wrong.append(f"a hub that was asked to stop ended with {code}")

    # Traps.

    async def _trap(self, trap: Trap, moment: Moment, seed: int | None = None) -> None:
        """Run the hub on a disk that kills it; where that does not come, it is killed as any other."""
        self._mark.unlink(missing_ok=True)
        drawn = self._chance.randrange(2**32) if seed is None else seed
        await self._hub.spawn(self._trapped(trap, drawn))
        serves = await self._hub.serves(_START_WITHIN_S)
        if serves:
            self._line.connect(self._hub.url)
        code = await self._hub.ends(_TRAPPED_WITHIN_S)
        await self._hub.kill()
        if not self._mark.exists():
            self.hit[Moment.LOAD] += 1
            self.wrong += [] if code is None else [f"a hub on a disk with a trap ended by itself with {code}"]
        else:
            self.hit[Moment.COMMIT if serves and trap is Trap.OPENING else moment] += 1

    def _trapped(self, trap: Trap, seed: int) -> Sequence[str]:
        wanted = (trap.value, "--seed", str(seed), "--mark", str(self._mark), "-c", str(self._place.config))
        return ("-m", "hub.torture.trapped", *wanted)

    # Backups.

    async def _kill_under_backup(self) -> None:
        """Take a copy while the hub works and is killed: it holds all acknowledged before, or there is none."""
        copy = self._place.folder / "copy.db"
        known = dict(self._ledger.newest)
        copying = _copying(self._place, copy)
        await copying.spawn()
        await copying.ends(self._chance.uniform(0.2, _LONGEST_COPY_S))
        await self._kill(Moment.BACKUP)
        self._line.cut()
        if self._chance.random() < 0.5:
            await copying.kill()
        code = await copying.ends(_START_WITHIN_S)
        if code == 0:
            self.hit["copied"] += 1
        if copy.exists():
            self.wrong += [f"a copy lacks {name} of {thing}" for thing, name in _missing(copy, known)]
        elif code == 0:
            self.wrong.append("a backup said that it was done, and there is none")
        for left in self._place.folder.glob("copy.db*"):
            left.unlink()


def _copying(place: Scene, copy: Path) -> Child:
    arguments = ("-m", "hub", "journal", "backup", str(copy), "-c", str(place.config))
    return Child(arguments, place.folder / "backup.log", place.folder / "backup.url")


def _missing(copy: Path, known: dict[str, str]) -> list[tuple[str, str]]:
    """Return which of these messages (thing -> name) a copy does not hold."""
    file = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    query = "SELECT 1 FROM turn WHERE address = ? AND message_id IN (?, ?)"
    try:
        return [
            (thing, name)
            for thing, name in known.items()
            if file.execute(query, (f"thing/{thing}", name, f"key:{name}")).get is None
        ]
    finally:
        file.close()
