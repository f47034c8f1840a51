"""Durable turns on a journal that is full already, against a fresh one. Goal: ``turns.grown_vs_fresh`` >= 0.5.

Alone: ``python -m hub.bench.grown [MESSAGES] [THINGS] [SEGMENT_ROWS]``; the last line holds the figures.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from actors.runtime.journal import Batch, TurnRow
from hub.bench.turns import BenchFailed, TurnBench
from hub.storage.sqlite import JournalSettings, SqliteJournal, open_journal

Say = Callable[[str], None]
_SENDERS = 10_000
_READINGS = 10
_FILL_BATCH = 5_000
_DEFAULTS = ("1000000", "100000", "100000")


async def grown_vs_fresh(
    *, messages: int, things: int, rounds: int, total: int, settings: JournalSettings | None = None, say: Say
) -> list[tuple[float, float]]:
    """Return (grown, fresh) messages a second, a pair a round; the grown journal is filled once and grows on."""
    pairs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="iot2crm-grown-") as name:
        grown = Path(name) / "grown"
        await fill(grown, await _template(Path(name) / "template", messages // things), things, settings)
        say(f"filled a journal with {messages} messages of {things} things")
        for number in range(rounds):
            first = await _rate(grown, total, f"r{number}", settings)
            pairs.append((first, await _rate(Path(name) / f"fresh-{number}", total, "r", settings)))
            say(f"grown and fresh {number + 1} of {rounds}: {pairs[-1][0]:.0f} and {pairs[-1][1]:.0f} messages/s")
    return pairs


async def fill(folder: Path, template: Sequence[TurnRow], things: int, settings: JournalSettings | None) -> None:
    """Give ``things`` things the turns of the template each, in rounds over all things."""
    with open_journal(folder, settings) as journal:
        rows = _rows(template, things)
        while batch := list(islice(rows, _FILL_BATCH)):
            await _commit(journal, batch)


async def _template(folder: Path, turns: int) -> Sequence[TurnRow]:
    """Return the turns of one real thing: registered, then messages."""
    with open_journal(folder) as journal:
        bench = TurnBench(journal, 1)
        await bench.register()
        await bench.rate(senders=1, total=turns - 1, readings=_READINGS, boot="a")
        await bench.stop()
        return journal.turns("thing/t0")


def _rows(template: Sequence[TurnRow], things: int) -> Iterator[TurnRow]:
    for turn, row in enumerate(template):
        for thing in range(things):
            # a step that shares no factor with the number of things visits all, neighbours far apart
            name = f"thing/t{thing * 7919 % things}"
            yield replace(row, position=1 + turn * things + thing, address=name)


async def _commit(journal: SqliteJournal, rows: list[TurnRow]) -> None:
    answer: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    journal.commit(Batch(turns=rows), answer.set_result)
    error = await answer
    if error is not None:
        raise BenchFailed(str(error))


async def _rate(folder: Path, total: int, boot: str, settings: JournalSettings | None) -> float:
    with open_journal(folder, settings) as journal:
        bench = TurnBench(journal, _SENDERS)
        await bench.register()
        rate = await bench.rate(senders=_SENDERS, total=total, readings=_READINGS, boot=boot)
        await bench.stop()
    return rate


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    messages, things, segment_rows = [int(text) for text in [*arguments, *_DEFAULTS[len(arguments) :]]]
    settings = JournalSettings(segment_rows=segment_rows)
    pairs = asyncio.run(
        grown_vs_fresh(messages=messages, things=things, rounds=5, total=40_000, settings=settings, say=_say)
    )
    sys.stdout.write(f"turns.grown_vs_fresh {statistics.median(grown / fresh for grown, fresh in pairs):.3f}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
