"""Hubs that were read from their hub.toml, each with one CRM behind a real socket: nothing but the file differs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from free_ports import free_port
from served_hub import MANDATE, Client

from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, SandboxSpec, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import OWNER
from hub.bootstrap import open_hub
from hub.clock import SystemClock
from hub.config import load
from hub.plugins import SANDBOXES, Plugins

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/own_crm_adapter"
HUB = """
[hub]
name = "journey"
data_dir = "data"
listen = "127.0.0.1:{port}"
profiles = ["{root}/examples/plant/profiles/ink_printer.toml"]

[protocols.http]

[crm.shop]
{connection}
desk = {{ changes_every_s = 1 }}
"""
REST = """
adapter = "rest"
manifest = "{name}"
base_url = "{url}"
internal_hosts = ["127.0.0.1"]
"""
CONNECTIONS = {
    "rest": REST.replace("{name}", "shop") + 'client_id = "{client_id}"\nclient_secret = {{ env = "CLIENT_SECRET" }}',
    "salesforce": """
adapter = "salesforce"
login_url = "{url}"
client_id = "{client_id}"
client_secret = {{ env = "CLIENT_SECRET" }}
""",
    "dynamics": """
adapter = "dynamics"
org_url = "{url}"
login_url = "{url}"
tenant = "{tenant}"
client_id = "{client_id}"
client_secret = {{ env = "CLIENT_SECRET" }}
""",
    "odoo": REST + 'api_key = {{ env = "API_KEY" }}',
    "hubspot": REST
    + """
api_key = {{ env = "API_KEY" }}
webhook_secret = {{ env = "WEBHOOK_SECRET" }}
variables = {{ webhook_url = "http://127.0.0.1:{port}/crm/shop/webhook" }}
""",
    "servicenow": REST + 'username = "{username}"\npassword = {{ env = "PASSWORD" }}',
    "erpnext": REST
    + 'username = "{username}"\npassword = {{ env = "PASSWORD" }}\nvariables = {{ company = "Seller" }}',
    "tryton": REST + 'api_key = {{ env = "API_KEY" }}\nvariables = {{ database = "crm" }}',
    "acme": """
adapter = "acme"
url = "{url}"
client = "{client}"
secret = {{ env = "SECRET" }}
""",
}


def with_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """Return the plug-ins, those of the example distribution among them, as if it had been installed."""
    info = tmp_path / "site/iot2crm_acme-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: iot2crm-acme\nVersion: 0.1.0\n")
    groups = {"crm_adapters": "iot2crm_acme:SPEC", "sandboxes": "iot2crm_acme.sandbox:SANDBOX"}
    entries = [f"[iot2crm.{group}]\nacme = {value}\n" for group, value in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(entries))
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return Plugins.installed()


SANDBOXED = tuple(name for name in CONNECTIONS if name != "tryton")
GRANT = MANDATE | {"owner_id": OWNER}


class Journey:
    """A hub, its owner, and whoever works in the CRM."""

    def __init__(self, owner: Client, crm: SandboxAdmin, crm_url: str) -> None:
        self.owner = owner
        self.crm = crm
        self.crm_url = crm_url

    async def order_of(self, printer: str, state: str) -> dict[str, Any]:
        """Let a printer run out of ink, and wait until its order is in a state."""
        device = await self.owner.registered(thing_id=printer, profile="ink_printer", owner_id=OWNER)
        readings = [{"name": "ink_black", "value": 5, "unit": "%"}, {"name": "pages", "value": 100}]
        status, told = await device.post(f"/things/{printer}/readings", {"readings": readings})
        assert status < 300, told
        return await self.order_in(printer, state)

    async def until(self, holds: Callable[[Any], bool]) -> None:
        """Wait until the orders, as the owner sees them, are so."""
        async with asyncio.timeout(30):
            while not holds((await self.owner.get("/api/v1/orders"))[1]):  # noqa: ASYNC110 - the API tells no changes
                await asyncio.sleep(0.05)

    async def order_in(self, printer: str, state: str) -> dict[str, Any]:
        """Wait until the order of a printer is in a state."""
        async with asyncio.timeout(30):
            while True:
                _, orders = await self.owner.get("/api/v1/orders")
                mine = [order for order in orders if order["thing_id"] == printer]
                if [order["state"] for order in mine] == [state]:
                    found: dict[str, Any] = mine[0]
                    return found
                await asyncio.sleep(0.05)

    async def record_of(self, order: dict[str, Any]) -> SandboxRecord:
        """Return the one record that the CRM holds for an order."""
        (record,) = await self.crm.records(order["key"])
        return record


@asynccontextmanager
async def journey(
    name: str,
    folder: Path,
    env: pytest.MonkeyPatch,
    server: SandboxSpec | None = None,
    *,
    tables: str = "",
    **changed: str,
) -> AsyncIterator[Journey]:
    """Run a CRM (its sandbox, or a ``server``) and a hub that orders there as ``shop``.

    ``changed`` are other credentials than its own; ``tables`` are more of hub.toml.
    """
    spec = server or with_example(folder, env).load(SANDBOXES, name)
    assert isinstance(spec, SandboxSpec)
    credentials = {**spec.credentials, **changed}
    for secret, value in credentials.items():
        env.setenv(secret.upper(), value)
    options = SandboxOptions(clock=SystemClock(), accounts=(OWNER,), credentials=credentials)
    async with listening(spec, options) as url, administer(url) as crm, aiohttp.ClientSession() as session:
        port = free_port()
        connection = CONNECTIONS[name].format(url=url, port=port, name=name, **credentials)
        (folder / "hub.toml").write_text(HUB.format(root=ROOT, port=port, connection=connection) + tables)
        async with open_hub(load(folder / "hub.toml")) as running:
            if name == "hubspot":
                await crm.subscribe(f"{running.url}/crm/shop/webhook")
            token = (folder / "data/owner.token").read_text().strip()
            yield Journey(Client(session, running.url, token, running.hub), crm, url)
