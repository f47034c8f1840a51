"""What CRMs were told of things is durable: a hub that is started again does not tell it again."""

import asyncio
from pathlib import Path
from typing import Any

from fake_crm import FakeCrm
from served_hub import MANDATE, served_hub

from actors.model.customers import CustomerThing
from actors.model.outcomes import Upserted
from hub.introductions import JournalledIntroductions


class AssetCrm(FakeCrm):
    """A CRM that keeps things."""

    def __init__(self) -> None:
        super().__init__(customers=True)

    async def upsert_thing(self, thing: CustomerThing) -> Any:
        return await self._read("upsert_thing", thing, Upserted(record_id="A-1", created=True))


async def test_a_thing_is_told_once_over_the_lives_of_a_hub(tmp_path: Path) -> None:
    crm = AssetCrm()
    async with served_hub(tmp_path, crm) as operator:
        await operator.post("/api/v1/mandates", MANDATE)
        await (await operator.registered(serial="SN-1")).report({"ink": 5.0})
        await operator.order_in("confirmed")
        await operator.quiet()
    async with served_hub(tmp_path, crm) as operator:
        known = JournalledIntroductions(operator.hub.journal)
        assert known.version("shop", crm.called("upsert_thing")[0].thing_id)
        await (await operator.registered(serial="SN-1")).report({"fault": "E1"})
        await _placed(crm, 2)
        assert len(crm.called("upsert_thing")) == 1


async def _placed(crm: FakeCrm, count: int) -> None:
    async with asyncio.timeout(30):
        while len(crm.called("place_order")) + len(crm.called("request_service")) < count:  # noqa: ASYNC110 - asks as people do
            await asyncio.sleep(0.01)
