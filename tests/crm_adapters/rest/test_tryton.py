"""The shipped manifest against a Tryton server that we did not write."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from free_ports import free_port
from tryton_install import NoTryton, prepared, running
from tryton_server import TrytonServer

from actors.model.orders import RecordKind
from actors.model.outcomes import Absent, Ambiguous, Created, Duplicate, Found, Permanent, RecordStatus
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.sandboxing import Fault, FaultAction, SandboxSpec
from crm_adapters.testing import CrmAdapterContract, deps, service_request
from crm_adapters.testing.bench import Bench
from crm_adapters.testing.samples import ORDER_KEY

pytestmark = pytest.mark.timeout(600)  # the first of them may have to install Tryton
PLACE_ONCE = Path(__file__).parents[2] / "kit/place_once.py"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Generator[TrytonServer, None, None]:
    try:
        installed = prepared()
        folder, port = tmp_path_factory.mktemp("tryton"), free_port()
        shutil.copy(installed.database, folder / "crm.sqlite")
        with running(installed.binaries, folder, port):
            database = folder / "crm.sqlite"
            yield TrytonServer(url=f"http://127.0.0.1:{port}", database=database, key=installed.key)
    except NoTryton as error:
        pytest.skip(str(error))


def config_for(server: TrytonServer, base_url: str, *, key: str = "") -> RestConfig:
    return RestConfig(
        base_url=base_url,
        internal_hosts=("127.0.0.1",),
        manifest="tryton",
        api_key=Secret(key or server.key),
        variables={"database": "crm"},
        read_timeout_s=3.0,
        total_timeout_s=6.0,
    )


class TestTryton(CrmAdapterContract):
    in_steps = True
    server: TrytonServer
    sandbox: SandboxSpec

    @pytest.fixture(autouse=True)
    def use(self, tryton: TrytonServer) -> None:
        self.server, self.sandbox = tryton, tryton.spec()

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        return SPEC.open(config_for(self.server, base_url, key="wrong" if wrong_credentials else ""), deps())

    async def test_a_placed_sale_is_confirmed_and_found_again(self) -> None:
        async with self.bench() as bench:
            placed = await bench.placed()
            found = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
            assert isinstance(found, Found)
            assert (found.record.status, found.record.status_text) == (RecordStatus.CONFIRMED, "confirmed")
            assert found.record.number == placed.record.number != ""

    async def test_a_service_request_becomes_a_task(self) -> None:
        async with self.bench() as bench:
            placed = await bench.adapter.request_service(service_request())
            assert isinstance(placed, Created)
            (record,) = await bench.admin.records()
            assert (record.kind, record.status_text) == (RecordKind.SERVICE, "Open")

    async def test_a_stranger_gets_no_sale(self) -> None:
        async with self.bench() as bench:
            order = await bench.order()
            fields = {name: getattr(order, name) for name in order.__struct_fields__} | {"owner_id": "nobody"}
            refused = await bench.adapter.place_order(type(order)(**fields))
            assert isinstance(refused, Permanent)
            assert (refused.code, "code nobody" in refused.message) == ("no_customer", True)

    @pytest.mark.parametrize("cut", ["/sale.sale?", "/quote", "/confirm"])
    async def test_a_sale_cut_off_at_any_step_is_finished_as_one(self, cut: str) -> None:
        async with self.bench() as bench:
            order = await bench.order()
            await bench.admin.plan(Fault(match=f"^POST .*{re.escape(cut)}", action=FaultAction.DROP_AFTER))
            assert isinstance(await bench.adapter.place_order(order), Ambiguous)
            looked = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
            assert isinstance(looked, Found if cut == "/confirm" else Absent)
            assert isinstance(await bench.adapter.place_order(order), Duplicate)
            (record,) = await bench.admin.records()
            assert record.status is RecordStatus.CONFIRMED

    @pytest.mark.parametrize("cut", ["/sale.sale?", "/quote", "/confirm"])
    async def test_a_hub_killed_while_it_waits_for_tryton_makes_one_sale(self, cut: str) -> None:
        async with self.bench() as bench:
            hang = Fault(match=f"^POST .*{re.escape(cut)}", action=FaultAction.HANG_AFTER, delay_s=60)
            await bench.admin.plan(hang)
            await _kill_on_the_way(bench, cut, self.server.key)
            await bench.admin.plan()
            assert isinstance(await bench.adapter.place_order(await bench.order()), Duplicate)
            (record,) = await bench.admin.records()
            assert record.status is RecordStatus.CONFIRMED


async def _kill_on_the_way(bench: Bench, cut: str, key: str) -> None:
    """Start a process that places, and kill it once Tryton has committed the request that matches ``cut``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, PLACE_ONCE, bench.base_url, key, env=environment, stdout=asyncio.subprocess.PIPE
    )
    wanted = {"/sale.sale?": "draft", "/quote": "quotation", "/confirm": "confirmed"}[cut]
    async with asyncio.timeout(30):
        while [record.status_text for record in await bench.admin.records()] != [wanted]:
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.02)
    process.kill()
    output, _ = await process.communicate()
    assert output == b""
