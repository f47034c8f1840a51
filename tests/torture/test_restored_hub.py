"""A hub put back to an older copy takes readings at once, and orders nothing until it is released."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from real_hub import RealHub, real_hub, until

from crm_adapters.sandboxing import SandboxRecord
from hub.torture.evidence import JournalFile


def journal(hub: RealHub, *arguments: str) -> str:
    """Run a command on the hub's journal and return what it said."""
    command = [sys.executable, "-m", "hub", "journal", *arguments, "-c", str(hub.place.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


async def records(hub: RealHub) -> Sequence[SandboxRecord]:
    """Return what all shops have, by key."""
    found = await hub.place.records()
    return sorted((record for held in found.values() for record in held), key=lambda record: record.key)


async def waiting(hub: RealHub, count: int) -> None:
    """Wait until so many pieces of work stay in the outbox, and nothing else is on its way."""

    async def probe() -> bool | None:
        file = JournalFile(hub.place.journal)
        try:
            left = file.waiting()
        finally:
            file.close()
        return True if left == {"tell": 0, "outbox": count} else None

    await until(probe)


async def put_back(hub: RealHub, copy: Path) -> None:
    """Stop the hub, put an older copy in place of its journal, and start it again."""
    await hub.place.hub.stop()
    assert "ordering is off" in journal(hub, "restore", str(copy), "--force")
    await hub.place.hub.start()


async def test_no_order_leaves_a_restored_hub_until_it_is_released_and_then_none_twice(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin(2)
        journal(hub, "backup", str(tmp_path / "copy"))
        await hub.report("printer-0", 1, 9.0)
        await hub.orders_in("confirmed", 1)
        forgotten = await records(hub)
        await put_back(hub, tmp_path / "copy")

        assert await hub.get("/api/v1/orders") == []
        for thing in ("printer-0", "printer-1"):
            await hub.report(thing, 2, 8.0)
        await waiting(hub, 2)
        assert await records(hub) == forgotten
        assert "ordering_off" in (tmp_path / "hub.log").read_text()

        await hub.place.hub.stop()
        assert "is on again" in journal(hub, "release", "--yes")
        await hub.place.hub.start()
        orders = await hub.orders_in("confirmed", 2)
        placed = await records(hub)
        assert [record.key for record in placed] == sorted(order["key"] for order in orders)
        assert forgotten[0] in placed
