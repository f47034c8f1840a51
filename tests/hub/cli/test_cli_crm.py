"""``iot2crm crm``: over a real sandbox, as an operator calls it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crm_adapters.rest.sandbox.vendors import ODOO
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import administer
from crm_adapters.testing import OWNER, TickingClock

ROOT = Path(__file__).resolve().parents[3]
HUB = """
[hub]
name = "plant"
data_dir = "data"
profiles = ["{root}/examples/plant/profiles/ink_printer.toml"]

[protocols.http]

[crm.erp]
adapter = "rest"
base_url = "{url}"
internal_hosts = ["127.0.0.1"]
manifest = "odoo"
api_key = {{ env = "ERP_KEY" }}
"""


SENT = ("--owner", OWNER, "--sku", "FILTER-7")


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "PYTHONPATH": str(ROOT), "ERP_KEY": ODOO.credentials["api_key"]}
    command = [sys.executable, "-m", "hub", "crm", *arguments, "--json"]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=known)


@pytest.mark.parametrize(("command", "records"), [("prove", 1), ("dry-run", 0)])
async def test_a_connection_is_proved_or_shown(command: str, records: int, tmp_path: Path) -> None:
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,))
    async with listening(ODOO, options) as url:
        (tmp_path / "hub.toml").write_text(HUB.format(root=ROOT, url=url))
        done = await asyncio.to_thread(call, tmp_path, command, "erp", *SENT)
        async with administer(url) as admin:
            made = await admin.records()
    assert done.returncode == 0, done.stderr
    assert len(made) == records
    assert ODOO.credentials["api_key"] not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["holds"] if command == "prove" else [each["step"] for each in told][-1] == "confirmed"


@pytest.mark.parametrize(
    ("arguments", "lacks", "code", "state"),
    [
        (("check", "erp"), (), 0, "fine"),
        (("check", "erp"), ("sale.order.x_thing",), 1, "wrong"),
        (("prepare", "erp"), ("sale.order.x_thing",), 0, "made"),
        (("prepare", "erp", "--print"), ("sale.order.x_thing",), 0, "wanted"),
    ],
)
async def test_a_connection_is_checked_and_prepared(
    arguments: tuple[str, ...], lacks: tuple[str, ...], code: int, state: str, tmp_path: Path
) -> None:
    options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), lacks=lacks)
    async with listening(ODOO, options) as url:
        (tmp_path / "hub.toml").write_text(HUB.format(root=ROOT, url=url))
        done = await asyncio.to_thread(call, tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert ODOO.credentials["api_key"] not in done.stdout + done.stderr
    told = {each["about"]: each for each in json.loads(done.stdout)}
    thing = told["field sale.order.x_thing"]
    assert thing.get("verdict", thing.get("state")) == state
