"""The administration of a running sandbox, from the side of who judges it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from actors.model.outcomes import RecordStatus
from crm_adapters.sandboxing.application import ADMIN, LoggedRequest
from crm_adapters.sandboxing.contract import SandboxRecord
from crm_adapters.sandboxing.faults import Fault


class SandboxAdmin:
    """Reads a sandbox's records and requests, plans its faults, and acts as a person in its CRM."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def records(self, key: str | None = None) -> list[SandboxRecord]:
        """Return the records under a key (compared without regard to case), or all."""
        records: list[SandboxRecord] = await self._call("GET", "records", wanted=list[SandboxRecord])
        return [record for record in records if key is None or record.key.casefold() == key.casefold()]

    async def requests(self) -> list[LoggedRequest]:
        """Return the requests that came, oldest first; those to the administration are not among them."""
        answer: list[LoggedRequest] = await self._call("GET", "requests", wanted=list[LoggedRequest])
        return answer

    async def plan(self, *faults: Fault) -> None:
        """Replace the planned faults; none ends them."""
        await self._call("PUT", "faults", faults)

    async def outage(self, *, down: bool) -> None:
        """Begin or end an outage."""
        await self._call("POST", "outage", {"down": down})

    async def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person would."""
        await self._call("POST", "advance", {"record_id": record_id, "status": status})

    async def expire_tokens(self) -> None:
        """Let every access token expire."""
        await self._call("POST", "expire-tokens")

    async def _call(self, method: str, name: str, body: Any = None, wanted: Any = Any) -> Any:
        content = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, f"{ADMIN}/{name}", data=content) as reply:
            answer = await reply.read()
            if reply.status >= 400:
                raise ValueError(f"sandbox administration {name}: {reply.status} {answer.decode(errors='replace')}")
            return msgspec.json.decode(answer, type=wanted) if answer else None


@asynccontextmanager
async def administer(base_url: str) -> AsyncGenerator[SandboxAdmin, None]:
    """Open the administration of the sandbox at this address."""
    async with aiohttp.ClientSession(base_url) as session:
        yield SandboxAdmin(session)
