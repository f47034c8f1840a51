"""A whole hub in this process on a free loopback port, with a CRM in memory, and clients of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from fake_crm import FakeCrm
from firm import PROFILE
from journal_rows import commit, record
from msgspec import Struct

from actors.model.ids import OwnerId
from actors.model.profiles import ThingProfile
from actors.ports import Clock, CrmDeps, CrmSpec
from hub.api.context import Hub
from hub.bootstrap import open_hub
from hub.config import CommunityConfig, HubConfig, PartnerConfig
from hub.config.listen import Listen
from hub.config.tables import CrmChoice, LimitsConfig, OwnerConfig, ProtocolChoice, StorageConfig, WebhooksConfig
from hub.logs import LogFormat
from hub.storage.connection import JournalSettings
from protocols.http import SPEC as HTTP
from protocols.http.config import HttpConfig

MANDATE: dict[str, Any] = {
    "mandate_id": "m1",
    "owner_id": "firm",
    "levels": {"supply": "adaptable", "service": "adaptable"},
    "budget": {"minor": 10_000, "currency": "EUR"},
    "per_order_limit": {"minor": 10_000, "currency": "EUR"},
    "allowed_payees": ["shop"],
    "valid_until": "2099-01-01T00:00:00Z",
}


def thing(thing_id: str = "printer-1", owner_id: str = "firm", **changes: Any) -> dict[str, Any]:
    """Return what is posted to register a thing."""
    told = {"thing_id": thing_id, "owner_id": owner_id, "profile": "printer", "connection": {"protocol": "http"}}
    return told | changes


class Client:
    """Somebody with a token (or none)."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, hub: Hub) -> None:
        self._session = session
        self.url = url
        self.token = token
        self.hub = hub

    def with_token(self, token: str) -> "Client":
        """Return somebody else."""
        return Client(self._session, self.url, token, self.hub)

    async def ask(self, method: str, path: str, body: Any = None, **sent: Any) -> tuple[int, Any]:
        """Return status and decoded body."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        options = {"json": body} if body is not None else {}
        headers |= sent.pop("headers", {})
        async with self._session.request(method, self.url + path, headers=headers, **options, **sent) as reply:
            is_json = "json" in reply.content_type
            return reply.status, await reply.json(content_type=None) if is_json else await reply.text()

    async def page(self, path: str) -> tuple[int, Any, str | None]:
        """Return status and body of a page, and where the next one is."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.get(self.url + path, headers=headers) as reply:
            link = reply.links.get("next")
            following = None if link is None else str(link["url"]).removeprefix(self.url)
            return reply.status, await reply.json(content_type=None), following

    async def get(self, path: str) -> tuple[int, Any]:
        """Return status and decoded body."""
        return await self.ask("GET", path)

    async def post(self, path: str, body: Any = None, **sent: Any) -> tuple[int, Any]:
        """Return status and decoded body."""
        return await self.ask("POST", path, body, **sent)

    async def report(self, values: dict[str, Any], **sent: Any) -> tuple[int, Any]:
        """Post readings of the thing ``printer-1``."""
        readings = [{"name": name, "value": value} for name, value in values.items()]
        return await self.post("/things/printer-1/readings", {"readings": readings}, **sent)

    async def registered(self, **changes: Any) -> "Client":
        """Register a thing and return it as a client."""
        status, told = await self.post("/api/v1/things", thing(**changes))
        assert status == 201, told
        return self.with_token(told["token"])

    async def owner(self, owner_id: str) -> "Client":
        """Return an owner as a client; only an operator may."""
        status, told = await self.post(f"/api/v1/owners/{owner_id}/token")
        assert status == 201, told
        return self.with_token(told["token"])

    async def order_in(self, state: str) -> dict[str, Any]:
        """Wait until the one order is in a state, and return it."""
        async with asyncio.timeout(30):
            while True:
                _, orders = await self.get("/api/v1/orders")
                if [order["state"] for order in orders] == [state]:
                    found: dict[str, Any] = orders[0]
                    return found
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Wait until nothing is on its way inside the hub, nor at a CRM, and all have heard of what is written.

        Disks know before the loop does. Behind a commit to every shard the loop knows what was in line before it; what
        that set going shows in what is counted then.
        """
        journal, before = self.hub.journal, {}
        async with asyncio.timeout(30):
            while (counted := journal.counts()) != before or counted["tell"] or counted["outbox"]:
                before = counted
                await commit(journal, records=[record("nobody", body=None)])

    async def metrics(self) -> dict[str, float]:
        """Return the counters by name, as Prometheus reads them."""
        _, text = await self.get("/metrics")
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}


@asynccontextmanager
async def served_hub(
    path: Path,
    crm: FakeCrm | None = None,
    profile: ThingProfile = PROFILE,
    connection: str = "shop",
    *,
    shards: int = 1,
    others: Mapping[str, FakeCrm] | None = None,
    storage: StorageConfig | None = None,
    clock: Clock | None = None,
    disk: JournalSettings | None = None,
    choices: Sequence[CrmChoice] = (),
    protocols: Sequence[ProtocolChoice] = (),
    http: HttpConfig | None = None,
    communities: Mapping[str, CommunityConfig] | None = None,
    webhooks: WebhooksConfig | None = None,
    limits: LimitsConfig | None = None,
    owners: Mapping[OwnerId, OwnerConfig] | None = None,
    hubs: Mapping[str, PartnerConfig] | None = None,
) -> AsyncIterator[Client]:
    """Serve a hub and yield its operator. ``others`` are more connections and the CRMs behind them.

    With ``choices`` its connections are these, whatever stands behind them; ``protocols`` are spoken beside HTTP.
    """
    held = {connection: crm or FakeCrm(), **(others or {})}

    @asynccontextmanager
    async def opened(_config: Any, deps: CrmDeps) -> AsyncIterator[FakeCrm]:
        yield held[deps.connection]

    spec = CrmSpec(name="fake", title="Fake", config_type=Struct, open=opened)
    config = HubConfig(
        file=path / "hub.toml",
        name="test",
        data_dir=path / "data",
        listen=Listen(host="127.0.0.1", port=0),
        log=LogFormat.JSON,
        profiles={"printer": profile},
        protocols=(ProtocolChoice(name="http", spec=HTTP, config=http or HttpConfig()), *protocols),
        crm=tuple(choices) or tuple(CrmChoice(name=name, spec=spec, config=Struct()) for name in held),
        communities=communities or {"office": CommunityConfig(members=("printer",))},
        limits=limits or LimitsConfig(),
        storage=storage or StorageConfig(),
        webhooks=webhooks or WebhooksConfig(),
        owners=owners or {},
        hubs=hubs or {},
        shards=shards,
    )
    async with open_hub(config, clock, disk) as running, aiohttp.ClientSession() as session:
        yield Client(session, running.url, (path / "data" / "owner.token").read_text().strip(), running.hub)


async def sent_raw(client: Client, request: bytes, header: bytes) -> int:
    """Send a request with a header that no client library would send; return the status of the answer."""
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request + b" HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n" + header + b"\r\n\r\n")
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status
