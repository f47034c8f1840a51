"""The owner's off switch works on a full disk: it holds at once, and is written before anything else is decided."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from fake_crm import FakeCrm
from faulty_disk import FaultyDisk
from served_hub import MANDATE, Client, served_hub
from structlog.testing import capture_logs

from actors.model.offers import OfferQuery
from hub.storage.connection import JournalSettings
from hub.storage.reserve import FILE_NAME as RESERVE


class SlowShop(FakeCrm):
    """A shop that makes its offers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_offer = asyncio.Event()

    async def find_offers(self, query: OfferQuery) -> Any:
        await self.may_offer.wait()
        return await super().find_offers(query)


async def wanting(operator: Client) -> None:
    """Let the printer want ink, and its order wait for the shop's offers."""
    await operator.post("/api/v1/mandates", MANDATE)
    await (await operator.registered()).report({"ink": 5.0})
    await operator.order_in("drafted")


async def until_written(operator: Client) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            _, thing = await operator.get("/api/v1/things/printer-1")
            if "off_is_written" not in thing:
                found: dict[str, Any] = thing
                return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/api/v1/things/printer-1/off", "/api/v1/owners/firm/off"])
async def test_off_on_a_full_disk_holds_at_once_and_is_written_before_anything_leaves(
    tmp_path: Path, path: str
) -> None:
    shop = SlowShop()
    with FaultyDisk("full") as disk:
        async with served_hub(tmp_path, shop, disk=JournalSettings(vfs="full")) as operator:
            await wanting(operator)
            disk.full = True
            status, told = await operator.post(path)
            assert (status, told["state"], told["written"], told["already_under_way"]) == (202, "off", False, [])
            assert "over a restart of the hub too" in told["detail"]
            shop.may_offer.set()
            _, thing = await operator.get("/api/v1/things/printer-1")
            assert (thing["state"], thing["off_is_written"]) == ("off", False)
            assert (await operator.post(path))[0] == 202
            disk.full = False
            assert (await until_written(operator))["state"] == "off"
            order = await operator.order_in("blocked")
            assert order["code"] in {"thing_off", "all_off"}
        async with served_hub(tmp_path, shop) as operator:
            assert (await operator.get("/api/v1/things/printer-1"))[1]["state"] == "off"
    assert shop.writes() == 0


@pytest.mark.parametrize("path", ["/api/v1/things/printer-1/off", "/api/v1/owners/firm/off"])
async def test_off_on_a_full_disk_outlives_a_restart_before_it_was_written(tmp_path: Path, path: str) -> None:
    shop = SlowShop()
    shop.may_offer.set()
    with FaultyDisk("stays_full") as disk, suppress(apsw.FullError):
        async with served_hub(tmp_path, shop, disk=JournalSettings(vfs="stays_full")) as operator:
            await operator.post("/api/v1/mandates", MANDATE)
            printer = await operator.registered()
            disk.full = True
            assert (await operator.post(path))[0] == 202
    async with served_hub(tmp_path, shop) as operator:
        assert (await until_written(operator))["state"] == "off"
        await operator.with_token(printer.token).report({"ink": 5.0})
        assert (await operator.order_in("blocked"))["code"] in {"thing_off", "all_off"}
        assert (await operator.post(path.replace("off", "on")))[0] == 200
        await operator.order_in("confirmed")
    async with served_hub(tmp_path, shop) as operator:
        assert (await operator.get("/api/v1/things/printer-1"))[1]["state"] == "on"


async def test_off_where_nothing_can_be_put_on_disk_says_503_and_holds(tmp_path: Path) -> None:
    (tmp_path / "data" / RESERVE).mkdir(parents=True)
    shop = SlowShop()
    with FaultyDisk("nothing") as disk:
        async with served_hub(tmp_path, shop, disk=JournalSettings(vfs="nothing")) as operator:
            await wanting(operator)
            disk.full = True
            for _ in range(2):
                status, told = await operator.post("/api/v1/things/printer-1/off")
                assert (status, told["code"]) == (503, "off_not_durable")
                assert "off from now on" in told["detail"]
            assert (await operator.get("/api/v1/things/printer-1"))[1]["state"] == "off"
            disk.full = False
            shop.may_offer.set()
            await operator.order_in("blocked")
    assert shop.writes() == 0


async def test_an_off_that_was_never_written_is_told_as_lost_when_the_hub_ends(tmp_path: Path) -> None:
    (tmp_path / "data" / RESERVE).mkdir(parents=True)
    with FaultyDisk("ends_full") as disk:
        with capture_logs() as logs, suppress(apsw.FullError):  # of the last checkpoint: a real disk's is not raised
            async with served_hub(tmp_path, SlowShop(), disk=JournalSettings(vfs="ends_full")) as operator:
                await wanting(operator)
                disk.full = True
                assert (await operator.post("/api/v1/things/printer-1/off"))[0] == 503
        events = [entry["event"] for entry in logs]
        assert (events.count("off_not_written_yet"), events.count("off_lost")) == (1, 1)


async def test_off_that_is_written_says_so(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await operator.registered()
        assert await operator.post("/api/v1/things/printer-1/off") == (
            200,
            {"thing_id": "printer-1", "state": "off", "written": True, "already_under_way": []},
        )
