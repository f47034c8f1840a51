"""The stage of a torture: shops and hub as processes, and the owner's desk."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from actors.model.errors import HubError
from crm_adapters.sandboxing import SandboxRecord
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from hub.config import HubConfig, load
from hub.storage.connection import FILE_NAME
from hub.torture.evidence import Evidence, read_evidence
from hub.torture.fleet import registrations
from hub.torture.premises import OWNER, SELLERS, mandate, write_catalog, write_hub
from hub.torture.processes import HUB_PROGRAM, Child, hub_process, owner_token, sandbox_process

_ORDER_MINOR: Final = 4_000
"""About what one order costs; budgets are told in so many orders."""


class Scene(Struct, frozen=True, kw_only=True):
    """The folder, the shops' processes and their administration, and the hub's configuration."""

    folder: Path
    config: Path
    hub: Child
    shop_urls: Mapping[str, str]
    shops: Mapping[str, SandboxAdmin]

    @property
    def data_dir(self) -> Path:
        """Where the hub keeps its journal and its owner's token."""
        return self.folder / "data"

    @property
    def journal(self) -> Path:
        """The hub's journal file."""
        return self.data_dir / FILE_NAME

    def configuration(self) -> HubConfig:
        """Return the hub's configuration."""
        return load(self.config)

    def evidence(self) -> Evidence:
        """Read the journal; the hub must have ended."""
        return read_evidence(self.journal, self.configuration().profiles)

    async def records(self) -> dict[str, list[SandboxRecord]]:
        """Return the shops' own records."""
        return {name: await shop.records() for name, shop in self.shops.items()}


@asynccontextmanager
async def scene(folder: Path, hub_program: Sequence[str] = HUB_PROGRAM, *, more: str = "") -> AsyncGenerator[Scene]:
    """Start the shops and write the hub's configuration, with ``more`` in it; whatever runs in the end is killed."""
    processes = {name: sandbox_process(folder, name, write_catalog(folder, name)) for name in SELLERS}
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            for process in processes.values():
                stack.push_async_callback(process.kill)
                group.create_task(process.start())
        urls = {name: process.url for name, process in processes.items()}
        config = write_hub(folder, urls, more=more)
        hub = hub_process(config, folder / "data", hub_program)
        stack.push_async_callback(hub.kill)
        shops = {name: await stack.enter_async_context(administer(p.url)) for name, p in processes.items()}
        yield Scene(folder=folder, config=config, hub=hub, shop_urls=urls, shops=shops)


class OwnersDesk:
    """What the owner does over the API: registers things, and raises the budget now and then."""

    def __init__(self, session: aiohttp.ClientSession, hub: Child, data_dir: Path) -> None:
        self._session = session
        self._hub = hub
        self._data_dir = data_dir
        self._budget_minor = 0

    async def register(self, things: int) -> dict[str, str]:
        """Register printers and return their tokens."""
        imported = await self._post("things/import", registrations(things))
        return {thing["thing_id"]: thing["token"] for thing in imported["things"]}

    async def allow(self, orders: int) -> None:
        """Raise the budget by what so many orders cost; orders that it blocked are tried again."""
        self._budget_minor += orders * _ORDER_MINOR
        await self._post("mandates", mandate(OWNER, self._budget_minor))

    async def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {owner_token(self._data_dir)}", "Content-Type": "application/json"}
        async with self._session.post(f"{self._hub.url}/api/v1/{path}", json=body, headers=headers) as reply:
            answer = await reply.read()
            if reply.status >= 300:
                raise HubError(f"{path}: {reply.status} {answer.decode(errors='replace')}")
            return msgspec.json.decode(answer)
