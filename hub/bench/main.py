"""``iot2crm bench``: interleaved rounds, medians of the ratios of each round, flat keys."""

import asyncio
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from hub.bench import actors, coap, communities_speed, drain, fleet, http, opcua, orders
from hub.bench.appends import JournalAppender, RawAppender, rate
from hub.bench.grown import grown_vs_fresh
from hub.bench.turns import TurnBench, row_bytes
from hub.interpreter import tune_interpreter
from hub.storage.sqlite import open_journal

Say = Callable[[str], None]
_ROUNDS = 5


def run(say: Say, *, rounds: int = _ROUNDS, scale: float = 1.0) -> dict[str, float]:
    """Return the medians; ``scale`` shrinks the work for a quick look."""
    figures: dict[str, list[float]] = {}
    tune_interpreter()  # as the hub does; for the peers too
    for number in range(1, rounds + 1):
        for key, value in (asyncio.run(_round(scale)) | actors.measure_round(scale)).items():
            figures.setdefault(key, []).append(value)
        say(f"round {number} of {rounds}")
    medians = {key: round(statistics.median(values), 4) for key, values in figures.items()}
    medians |= {key: round(value, 4) for key, value in opcua.rounds(say, rounds, scale).items()}
    medians |= communities_speed.measure(scale)
    crm = orders.measure(say, orders=max(50, int(300 * scale)), rounds=rounds)
    crm |= drain.measure(say, orders=max(200, int(10_000 * scale)), requests_per_s=100)
    medians |= {key: round(value, 4) for key, value in crm.items()}
    medians |= {key: round(value, 4) for key, value in _many_things(say, rounds, scale).items()}
    return medians | {"actors.idle_bytes": round(actors.idle_bytes(), 1)}


def _many_things(say: Say, rounds: int, scale: float) -> dict[str, float]:
    """Return what 100,000 things cost, and a journal with a million of their messages."""
    things = max(1_000, int(100_000 * scale))
    pairs = asyncio.run(
        grown_vs_fresh(
            messages=10 * things, things=things, rounds=rounds, total=max(10_000, int(40_000 * scale)), say=say
        )
    )
    grown = statistics.median(grown / fresh for grown, fresh in pairs)
    return {"turns.grown_vs_fresh": grown} | fleet.measure(say, things=things, rounds=rounds)


async def _round(scale: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, senders, readings in (("100", 100, 1), ("10k", 10_000, 1), ("10k_packed", 10_000, 10)):
        total = int((20_000 if senders == 100 else 40_000) * scale)
        raw, bare, turns = await _rates(senders, readings, total)
        if readings == 1:
            found[f"journal.append_{label}_vs_raw"] = bare / raw
        found[f"turns.durable_{label}_vs_journal"] = turns / bare
        found[f"turns.durable_{label}_per_s"] = turns
    found |= await asyncio.to_thread(http.figures, scale)
    return found | await asyncio.to_thread(coap.figures, scale)


async def _rates(senders: int, readings: int, total: int) -> tuple[float, float, float]:
    body = row_bytes(readings)
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name:
        folder = Path(name)
        raw = RawAppender(folder / "raw")
        raw_rate = await rate(raw, senders=senders, total=total, body=body)
        raw.close()
        with open_journal(folder / "bare") as journal:
            bare_rate = await rate(JournalAppender(journal), senders=senders, total=total, body=body)
        with open_journal(folder / "turns") as journal:
            bench = TurnBench(journal, min(senders, 10_000))
            await bench.register()
            turn_rate = await bench.rate(senders=senders, total=total, readings=readings, boot="b")
            await bench.stop()
    return raw_rate, bare_rate, turn_rate
