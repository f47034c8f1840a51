"""Power cuts under a journal: what was acknowledged at the moment of the cut must be on the disk that is left.

Alone: ``PYTHONPATH=.:tests/kit python -m power_cuts 200``; the last line holds the figures.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Literal

import apsw
from faulty_disk import FaultyDisk
from journal_rows import outcome, record, snapshot, turn
from msgspec import Struct

from actors.runtime.journal import TurnRow
from hub.storage.sqlite import FILE_NAME, JournalSettings, SqliteJournal, open_journal

_CUTS_A_RUN = 20
_WORK_BETWEEN = 160
"""Writes and syncs between two cuts, at most."""


class Cut(Struct, frozen=True):
    """The disk as it was left, and what senders had been told by then."""

    files: dict[str, bytes]
    acknowledged: int


class Figures(Struct):
    """What became of the acknowledged rows; all but the first two should be zero."""

    cuts: int = 0
    acknowledged: int = 0
    cuts_with_loss: int = 0
    lost: int = 0
    corrupt: int = 0
    torn_batches: int = 0


class _Load:
    """Batches of random size, each a whole number of tens of rows; cuts the power at random moments of its work."""

    def __init__(self, disk: FaultyDisk, chance: Random) -> None:
        self._disk = disk
        self._chance = chance
        self._left = self._wait()
        self._acknowledged = 0
        self.cuts: list[Cut] = []
        disk.before = self._work

    async def run(self, journal: SqliteJournal) -> None:
        position = 1
        while len(self.cuts) < _CUTS_A_RUN:
            rows = self._rows(position, 10 * self._chance.randint(1, 12))
            position += len(rows)
            last = snapshot(position - 1, rows[-1].address)
            error = await outcome(journal, turns=rows, snapshots=[last], records=[record(last.address)])
            if error is not None:
                raise error
            self._acknowledged = position - 1

    def _rows(self, first: int, count: int) -> list[TurnRow]:
        body = self._chance.randbytes(100)
        return [
            turn(position, f"thing/{self._chance.randrange(500)}", message=body)
            for position in range(first, first + count)
        ]

    def _wait(self) -> int:
        return self._chance.randint(1, _WORK_BETWEEN)

    def _work(self) -> None:
        """Runs on the writer's thread, in the middle of a batch or a checkpoint."""
        self._left -= 1
        if self._left == 0 and len(self.cuts) < _CUTS_A_RUN:
            self.cuts.append(Cut(self._disk.cut(self._chance), self._acknowledged))
            self._left = self._wait()


def measure(cuts: int, synchronous: Literal["full", "normal"] = "full", seed: int = 1) -> Figures:
    """Cut the power and look at what is left."""
    figures = Figures()
    for run in range(-(-cuts // _CUTS_A_RUN)):
        for cut in asyncio.run(_loaded(seed * 1000 + run, synchronous)):
            _judge(cut, figures)
    return figures


async def _loaded(seed: int, synchronous: Literal["full", "normal"]) -> list[Cut]:
    settings = JournalSettings(vfs="power", synchronous=synchronous, checkpoint_pages=150)
    with tempfile.TemporaryDirectory(prefix="power-") as name, FaultyDisk("power") as disk:
        with open_journal(Path(name), settings) as journal:
            load = _Load(disk, Random(seed))
            await load.run(journal)
            disk.before = None
        return load.cuts


def _judge(cut: Cut, figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="after-") as name:
        for file, content in cut.files.items():
            (Path(name) / file).write_bytes(content)
        try:
            left = _rows_left(Path(name) / FILE_NAME)
        except (apsw.CorruptError, apsw.NotADBError):
            figures.corrupt += 1
            left = set()
    lost = sum(1 for position in range(1, cut.acknowledged + 1) if position not in left)
    figures.cuts += 1
    figures.acknowledged += cut.acknowledged
    figures.lost += lost
    figures.cuts_with_loss += lost > 0
    figures.torn_batches += len(left) % 10 != 0 or left != set(range(1, len(left) + 1))


def _rows_left(path: Path) -> set[int]:
    file = apsw.Connection(str(path))
    try:
        if file.pragma("integrity_check") != "ok":
            raise apsw.CorruptError
        if file.execute("SELECT 1 FROM sqlite_master WHERE name = 'turn'").get is None:
            return set()  # cut before the tables were on disk
        return {position for (position,) in file.execute("SELECT position FROM turn")}
    finally:
        file.close()


def main(cuts: int) -> int:
    """Print both figures; 0 when the journal lost nothing and the control did."""
    full, normal = measure(cuts), measure(cuts, "normal")
    sys.stdout.write(f"full: {full}\nnormal: {normal}\n")
    return int(full.lost + full.corrupt + full.torn_batches > 0 or normal.lost == 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
