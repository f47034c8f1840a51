"""One journey, from a need to what a person does in the CRM later, over every adapter: only hub.toml differs."""

import asyncio
import shutil
from pathlib import Path

import pytest
from free_ports import free_port
from journeys import GRANT, SANDBOXED, Journey, journey
from tryton_install import NoTryton, prepared, running
from tryton_server import TrytonServer

from actors.model.outcomes import RecordStatus
from crm_adapters.testing import OWNER


async def tell(way: Journey) -> None:
    """Two printers need ink: one order is fulfilled by people in the CRM, the other is cancelled there."""
    assert (await way.owner.post("/api/v1/mandates", GRANT))[0] < 300
    for printer, done in (("printer-1", RecordStatus.FULFILLED), ("printer-2", RecordStatus.CANCELLED)):
        order = await way.order_of(printer, "confirmed")
        record = await way.record_of(order)
        assert (record.owner, record.status) == (OWNER, RecordStatus.CONFIRMED)
        assert order["record"]["record_id"] == record.record_id
        assert order["total"]["minor"] == record.total_minor
        await way.crm.advance(record.record_id, done)
        assert (await way.order_in(printer, done))["record"]["status"] == done


@pytest.mark.parametrize("name", SANDBOXED)
async def test_a_need_becomes_a_confirmed_order_and_people_have_the_last_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journey(name, tmp_path, monkeypatch) as way:
        await tell(way)


@pytest.mark.timeout(600)  # Tryton may have to be installed
async def test_the_same_journey_goes_over_a_tryton_that_we_did_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        installed = await asyncio.to_thread(prepared)
    except NoTryton as error:
        pytest.skip(str(error))
    database, port = tmp_path / "crm.sqlite", free_port()
    shutil.copy(installed.database, database)
    with running(installed.binaries, tmp_path, port):
        server = TrytonServer(url=f"http://127.0.0.1:{port}", database=database, key=installed.key)
        async with journey("tryton", tmp_path, monkeypatch, server.spec()) as way:
            await tell(way)
