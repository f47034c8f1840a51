"""A sandbox as small as can be: notes under a key."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.sandboxing import (
    Sandbox,
    SandboxOptions,
    SandboxRecord,
    SandboxSpec,
    Tables,
    UnknownRecord,
    listening,
)


class SteadyClock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class NoteSandbox:
    """PUT makes a note; the judge sees it as an order."""

    name = "notes"

    def __init__(self, options: SandboxOptions) -> None:
        self._tables = Tables(options.data_file)
        self.expired = 0

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.put("/notes/{key}", self._put), web.get("/notes/{key}", self._get)]

    def records(self) -> Sequence[SandboxRecord]:
        return [_record(row) for row in self._tables.all("note")]

    def advance(self, record_id: str, status: RecordStatus) -> None:
        row = self._tables.get("note", record_id)
        if row is None:
            raise UnknownRecord(record_id)
        if row["status"] == "cancelled":
            raise ValueError("a cancelled note stays cancelled")
        with self._tables.transaction():
            self._tables.put("note", record_id, {**row, "status": status})

    def expire_tokens(self) -> None:
        self.expired += 1

    def close(self) -> None:
        self._tables.close()

    async def _put(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        with self._tables.transaction():
            row = {"id": key, "number": self._tables.next_number("note"), "status": "open"}
            self._tables.put("note", key, row)
        return web.json_response(row, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        row = self._tables.get("note", request.match_info["key"])
        if row is None:
            raise web.HTTPNotFound
        return web.json_response(dict(row))


def _record(row: Any) -> SandboxRecord:
    status = RecordStatus(row["status"])
    return SandboxRecord(kind=RecordKind.ORDER, record_id=row["id"], number=str(row["number"]), status=status)


def _build(options: SandboxOptions) -> Sandbox:
    return NoteSandbox(options)


NOTES = SandboxSpec(name="notes", title="Notes", build=_build, credentials={"user": "demo"})


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def spec() -> SandboxSpec:
    return NOTES


@pytest.fixture
async def client(clock: SteadyClock) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """A client of a running sandbox of notes; paths are relative to it."""
    async with (
        listening(NOTES, SandboxOptions(clock=clock)) as base_url,
        aiohttp.ClientSession(base_url) as session,
    ):
        yield session
