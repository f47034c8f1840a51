"""An outage of a CRM with many orders waiting: how they drain, and whether the limits that were declared are kept.

The CRM is a sandbox in a process of its own that takes so many requests in any ten seconds and counts what exceeds it.
Orders are approved, in a hub that was started anew, while it is down. When it is up again the desk works them off at
the rate that it was told; each is judged once more (mandate, budget, off switch) before it leaves.

Goals: ``crm.drain_violations`` = 0; ``crm.drain_rate_vs_limit`` near 1 and not above. Orders that are lost or doubled,
in the sandbox's own records, fail the benchmark.

Alone: ``python -m hub.bench.drain [ORDERS] [REQUESTS_PER_S]``; the last lines hold the figures.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from actors.desk.desk import DeskSettings
from actors.model.ids import OrderKey
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from hub.bench.orders import CRMS, OrderingHub, hub_loop, ordering_hub, sandbox_of
from hub.bench.turns import BenchFailed

Say = Callable[[str], None]
_WINDOW_S: Final = 10
_AT_A_TIME: Final = 2_000
_WITHIN_S: Final = 600.0


def measure(say: Say, *, orders: int, requests_per_s: float) -> dict[str, float]:
    """Return the figures of one outage."""
    with (
        tempfile.TemporaryDirectory(prefix="iot2crm-drain-") as name,
        asyncio.Runner(loop_factory=hub_loop()) as runner,
    ):
        return runner.run(_measured(Path(name), orders, requests_per_s, say))


async def _measured(folder: Path, orders: int, requests_per_s: float, say: Say) -> dict[str, float]:
    settings = DeskSettings(requests_per_s=requests_per_s)
    # What is under way when a window begins belongs to the one before: as many more as a desk has hands.
    limit = f"{int(requests_per_s * _WINDOW_S) + settings.parallel}/{_WINDOW_S}"
    async with sandbox_of(CRMS[0], folder, "--limit", limit) as url, administer(url) as crm:
        async with sandbox_of(CRMS[0], folder) as quiet, ordering_hub(folder / "hub", CRMS[0], quiet) as hub:
            keys = await _waiting(hub, orders, say)  # another shop, so that asking for prices counts nowhere
        async with ordering_hub(folder / "hub", CRMS[0], url, settings) as hub:
            before = await crm.limit()
            took_s = await _outage(hub, crm, keys)
            after = await crm.limit()
        judge(keys, [record.key for record in await crm.records()])
    sent = after.requests - before.requests
    return {
        "crm.drain_violations": after.violations,
        "crm.drain_orders": len(keys),
        "crm.drain_rate_vs_limit": sent / took_s / requests_per_s,
        "crm.drain_s": took_s,
    }


async def _waiting(hub: OrderingHub, orders: int, say: Say) -> list[OrderKey]:
    keys: list[OrderKey] = []
    while len(keys) < orders:
        keys += await hub.prepare(min(_AT_A_TIME, orders - len(keys)), within_s=_WITHIN_S)
        say(f"{len(keys)} of {orders} orders wait for their owners")
    return keys


async def _outage(hub: OrderingHub, crm: SandboxAdmin, keys: Sequence[OrderKey]) -> float:
    """Approve orders while the CRM is down; return the seconds from its return until all are confirmed."""
    await crm.outage(down=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.place(keys, within_s=_WITHIN_S))
        while hub.desk.status().state != "down":  # noqa: ASYNC110 - the desk tells nobody
            await asyncio.sleep(0.05)
        await crm.outage(down=False)
        began = time.perf_counter()
    return time.perf_counter() - began


def judge(keys: Sequence[str], records: Sequence[str]) -> None:
    """Hold the sandbox's own records against the orders.

    Raises:
        BenchFailed: an order was lost or doubled.
    """
    counted = Counter(records)
    lost = sum(key not in counted for key in keys)
    doubled = sum(number > 1 for number in counted.values())
    if lost or doubled:
        raise BenchFailed(f"{lost} orders were lost and {doubled} doubled")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    orders, per_s = [int(text) for text in [*arguments, *("10000", "100")[len(arguments) :]]]
    for key, value in measure(_say, orders=orders, requests_per_s=per_s).items():
        sys.stdout.write(f"{key:40} {value:12.3f}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
