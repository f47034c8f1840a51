"""A whole hub with retention: old readings go while it serves; its states, orders and reasons stay."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fake_crm import FakeCrm
from firm import PROFILE
from served_hub import MANDATE, Client, served_hub

from actors.dialogue import thing_address
from actors.model.ids import ThingId
from hub.config.tables import StorageConfig
from hub.folding import folding_kinds
from hub.storage.connection import FILE_NAME, JournalSettings
from hub.storage.verify import verify

DISK = JournalSettings(segment_rows=20, synchronous="normal")
ADDRESS = thing_address(ThingId("printer-1"))


class LaterClock:
    """The system's clock, set forward."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by  # noqa: TID251 - a real hub wants a running clock

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


async def sent(printer: Client, number: int, ink: float) -> None:
    readings = [{"name": "ink", "value": ink, "unit": "%"}]
    body = {"boot": "b1", "seq": number, "readings": readings}
    status, told = await printer.post("/things/printer-1/readings", body)
    assert status < 300, told


async def ordered(folder: Path) -> tuple[str, Any, Any]:
    """Let a printer report and order; return its token, its state, and its order with the reasons."""
    async with served_hub(folder, FakeCrm(), disk=DISK) as operator:
        printer = await operator.registered()
        assert (await operator.post("/api/v1/mandates", MANDATE))[0] < 300
        for number in range(60):
            await sent(printer, number, max(10.0, 90.0 - 2 * number))
        await operator.order_in("confirmed")
        await operator.quiet()
        state = operator.hub.engine.read(ADDRESS)
        return printer.token, state, await reasons(operator)


async def reasons(operator: Client) -> Any:
    _, orders = await operator.get("/api/v1/orders")
    status, order = await operator.get(f"/api/v1/orders/{orders[0]['key']}")
    assert status == 200
    return order


async def test_old_readings_go_while_the_hub_serves_and_nothing_else(tmp_path: Path) -> None:
    token, state, order = await ordered(tmp_path)
    later, keep = LaterClock(timedelta(days=5)), StorageConfig(keep_readings_days=3)  # the order is not overdue yet
    async with served_hub(tmp_path, FakeCrm(), disk=DISK, clock=later, storage=keep) as operator:
        async with asyncio.timeout(30):
            while (await operator.metrics())["iot2crm_journal_pruned_messages_total"] < 20:  # noqa: ASYNC110 - it only tells
                await asyncio.sleep(0.01)
        assert operator.hub.engine.read(ADDRESS) == state
        assert await reasons(operator) == order
        for number in (0, 60):
            await sent(operator.with_token(token), number, 95.0)
        metrics = await operator.metrics()
        assert (metrics["iot2crm_sink_accepted_total"], metrics["iot2crm_sink_duplicates_total"]) == (2, 1)
    assert verify(tmp_path / "data" / FILE_NAME, folding_kinds([PROFILE]), lambda _done: None).problems == []
