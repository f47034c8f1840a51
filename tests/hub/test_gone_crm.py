"""A CRM connection that is taken out of the configuration: its orders wait with a reason, and go on when it is back."""

import asyncio
from pathlib import Path

from fake_crm import FakeCrm
from served_hub import MANDATE, served_hub

from actors.model.outcomes import Transient


async def test_orders_of_a_missing_connection_wait_with_the_reason_and_go_on_later(tmp_path: Path) -> None:
    down = FakeCrm()
    down.plan("place_order", *[Transient(reason="down")] * 50)
    down.plan("find_by_key", *[Transient(reason="down")] * 50)
    async with served_hub(tmp_path, down) as operator:
        await operator.post("/api/v1/mandates", MANDATE)
        printer = await operator.registered()
        await printer.report({"ink": 5.0})
        await operator.order_in("approved")
    async with served_hub(tmp_path, connection="other") as operator:
        key = (await operator.order_in("approved"))["key"]
        async with asyncio.timeout(30):
            while "no [crm.shop]" not in str((await operator.get(f"/api/v1/orders/{key}"))[1]["waiting"]):  # noqa: ASYNC110 - asks as people do
                await asyncio.sleep(0.01)
    async with served_hub(tmp_path, FakeCrm()) as operator:
        await operator.order_in("confirmed")
