"""The stage: every process of the demo, ready to be played, and ended when the demo is over."""

import socket
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, final

import aiohttp
from msgspec import Struct

from actors.ports import Clock
from hub.demo.clients import HubClient, Row, SandboxClient
from hub.demo.processes import Crew, NeverHappened, Worker, until
from hub.demo.scenery import (
    CONNECTIONS,
    OFFICE,
    Addresses,
    EngineKind,
    free_port,
    ink_experience,
    secrets_of,
    vendors,
    write_catalogs,
    write_config,
)

_SETTLE_S: Final = 60.0
_BERLIN: Final = {"street": "Example Road 1", "postal_code": "10115", "city": "Berlin", "country": "DE"}


class Cast(Struct, frozen=True, kw_only=True):
    """What is fixed before anything starts."""

    folder: Path
    kinds: tuple[EngineKind, ...]
    swap: bool
    clock: Clock
    chance: Random


@final
class Stage:
    """The running processes, and what the stories do with them."""

    def __init__(self, cast: Cast, crew: Crew, session: aiohttp.ClientSession, addresses: Addresses) -> None:
        self.cast = cast
        self.clock = cast.clock
        self.addresses = addresses
        self.hub = HubClient(session, "", "")
        self.vendors = vendors(swap=cast.swap)
        self.sandboxes = {
            name: SandboxClient(session, name, self.vendors[name], addresses.crm_urls[name]) for name in CONNECTIONS
        }
        self._crew = crew
        self._session = session
        self._hub_process: Worker | None = None

    # The hub.

    @property
    def token_file(self) -> Path:
        """Where the operator's token is."""
        return self.cast.folder / "data" / "owner.token"

    async def start_hub(self) -> None:
        """Start the hub and wait until it is well enough to answer."""
        url_file = self.cast.folder / "data" / "hub.url"
        url_file.unlink(missing_ok=True)  # a killed hub leaves it behind
        secrets = secrets_of(self.vendors)
        worker = await self._crew.start(
            "hub", "hub", "run", "-c", str(self.cast.folder / "hub.toml"), "--log-level", "info", secrets=secrets
        )
        url = await self._crew.content_of(url_file, worker)
        self._hub_process = worker
        self.hub = HubClient(self._session, url, self.token_file.read_text(encoding="utf-8").strip())
        await self.hub.get("/healthz")

    async def kill_hub(self) -> None:
        """End the hub as a power loss would."""
        if self._hub_process is not None:
            await self._hub_process.kill()

    # Things.

    async def register(self, things: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Register things and return the tokens of those that have one.

        Raises:
            NeverHappened: the hub takes one of them not.
        """
        answer = await self.hub.post("/api/v1/things/import", things)
        if answer["rejected"]:
            raise NeverHappened(f"the hub took not all things: {answer['rejected']}")
        return {row["thing_id"]: row["token"] for row in answer["things"] if row["token"]}

    async def printer(self, thing_id: str, owner_id: str) -> Worker:
        """Register an ink printer and start it."""
        tokens = await self.register([thing(thing_id, owner_id, "ink_printer", "http", shares=("supplies", "prices"))])
        token_file = self.cast.folder / f"{thing_id}.token"
        token_file.touch(mode=0o600)
        token_file.write_text(tokens[thing_id], encoding="utf-8")
        arguments = ("--url", self.hub.url, "--token-file", str(token_file), "--boot", "b1")
        return await self._crew.start(
            thing_id, "hub.demo.printer", "--thing", thing_id, "--level-name", "ink_black", *arguments, played=True
        )

    async def tank(self, thing_id: str, owner_id: str) -> Worker:
        """Register a tank sensor and start it."""
        await self.register(
            [thing(thing_id, owner_id, "tank_sensor", "coap", options={"address": "127.0.0.1"}, shares=("supplies",))]
        )
        arguments = ("--url", f"coap://127.0.0.1:{self.addresses.coap_port}", "--level-unit", "l")
        return await self._crew.start(thing_id, "hub.demo.tank", "--thing", thing_id, *arguments, played=True)

    async def machines(self, owner_id: str, profile: str, machines: Mapping[str, str]) -> None:
        """Register machines of the plant: thing id -> its name there."""
        await self.register(
            [
                thing(thing_id, owner_id, profile, "opcua", options={"endpoint": "plant", "machine": machine})
                for thing_id, machine in machines.items()
            ]
        )

    # Owners.

    async def grant(self, mandate_id: str, owner_id: str, levels: Mapping[str, str], **terms: Any) -> None:
        """Grant a mandate; amounts in ``terms`` are in cents."""
        money = {name: euro(terms.pop(name)) for name in ("budget", "per_order_limit")}
        until_when = self.clock.now() + timedelta(days=365)
        mandate = {"mandate_id": mandate_id, "owner_id": owner_id, "levels": levels, "valid_until": until_when}
        await self.hub.post("/api/v1/mandates", {**mandate, **money, **terms})

    # What is waited for.

    async def all_records(self) -> list[Row]:
        """Return every record of every sandbox."""
        return [row for sandbox in self.sandboxes.values() for row in await sandbox.records()]

    async def messages_of(self, thing_id: str) -> int:
        """Return how many messages of a thing the hub holds."""
        shown = await self.hub.get(f"/api/v1/things/{thing_id}")
        return int(shown["messages"])

    async def until_down(self, connection: str) -> Row:
        """Wait until the hub knows that a CRM is down, and return what it says of it."""

        async def probe() -> Row | None:
            known = await self.hub.get("/api/v1/connections")
            return next(
                (row for row in known["crm"] if row["connection"] == connection and row["state"] == "down"), None
            )

        return await until(self.clock, f"the hub knows that {connection} is down", probe)


@final
class Plant:
    """The plant's machines."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def define(self, machines: Mapping[str, Mapping[str, str]]) -> None:
        """Make machines with their variables."""
        await self._worker.tell(do="define", machines=machines)

    async def set(self, values: Mapping[str, Any]) -> None:
        """Write values."""
        await self._worker.tell(do="set", values=values)

    async def settle(self) -> None:
        """Wait until the hub has acknowledged everything that was written.

        Raises:
            NeverHappened: it does not.
        """
        answer = await self._worker.tell(do="settle", within_s=_SETTLE_S)
        if not answer["settled"]:
            raise NeverHappened(f"the hub acknowledged not everything of the plant: {answer}")


@asynccontextmanager
async def open_stage(cast: Cast) -> AsyncGenerator[tuple[Stage, Plant]]:
    """Start everything; when the context ends, so does everything."""
    async with Crew(cast.folder, cast.clock) as crew, aiohttp.ClientSession(timeout=_patience()) as session:
        plant, addresses = await _start_surroundings(cast, crew)
        write_config(cast.folder, addresses, vendors(swap=cast.swap), cast.kinds)
        stage = Stage(cast, crew, session, addresses)
        await stage.start_hub()
        await stage.hub.post(f"/api/v1/communities/{OFFICE}/cards", {"cards": ink_experience(Random(1))})
        yield stage, Plant(plant)


def thing(
    thing_id: str,
    owner_id: str,
    profile: str,
    protocol: str,
    *,
    options: Mapping[str, str] | None = None,
    shares: Iterable[str] = ("health",),
) -> dict[str, Any]:
    """Return what is told about a thing to register it."""
    return {
        "thing_id": thing_id,
        "owner_id": owner_id,
        "profile": profile,
        "serial": f"SN-{thing_id}",
        "place": {"name": f"Site of {thing_id}", **_BERLIN},
        "connection": {"protocol": protocol, "options": options or {}},
        "shares": list(shares),
    }


def euro(minor: int) -> dict[str, Any]:
    """Return an amount of cents as the API takes it."""
    return {"minor": minor, "currency": "EUR"}


async def _start_surroundings(cast: Cast, crew: Crew) -> tuple[Worker, Addresses]:
    """Start the plant and the sandboxes side by side."""
    folder, catalogs = cast.folder, write_catalogs(cast.folder)
    plant = await crew.start("plant", "hub.demo.plant", "--announce", str(folder / "plant.url"), played=True)
    sandboxes: dict[str, Worker] = {}
    for name, vendor in vendors(swap=cast.swap).items():
        files = ("--catalog", str(catalogs[name]), "--url-file", str(folder / f"{name}.url"))
        sandboxes[name] = await crew.start(name, "hub", "sandbox", vendor, "--port", "0", *files)
    addresses = Addresses(
        http_port=free_port(socket.SOCK_STREAM, cast.chance),
        coap_port=free_port(socket.SOCK_DGRAM, cast.chance),
        plant_url=await crew.content_of(folder / "plant.url", plant),
        crm_urls={name: await crew.content_of(folder / f"{name}.url", each) for name, each in sandboxes.items()},
    )
    return plant, addresses


def _patience() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=300)
