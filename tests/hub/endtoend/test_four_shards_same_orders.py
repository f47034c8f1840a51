"""One process with four shards comes to the same orders as one with a single journal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fake_crm import FakeCrm, offer
from firm import PROFILE
from served_hub import MANDATE, Client, served_hub

from actors.dialogue.placement import ShardMap
from actors.model.ids import OfferId
from actors.model.outcomes import Throttled, Transient
from hub.folding import folding_kinds
from hub.storage.shards import open_shards
from hub.storage.verify import verify

PRINTERS = ("printer-1", "printer-2", "printer-3", "printer-4", "printer-5")
OWNER_OF = {name: "other" if name in {"printer-4", "printer-5"} else "firm" for name in PRINTERS}
COMPARED = (
    "key", "reference", "owner_id", "thing_id", "kind", "subject", "correlation_id", "state", "code", "sentence",
    "next_step", "reason", "connection", "seller", "sku", "quantity", "total", "approved_by", "attempts", "record",
    "booking", "visit",
)  # fmt: skip


class Firm:
    """A hub with two sellers and five printers of two owners, and what happens there."""

    def __init__(self, client: Client, crms: dict[str, FakeCrm]) -> None:
        self.client = client
        self.crms = crms
        self.printers: dict[str, Client] = {}
        self._sent = 0

    async def tell(self, printer: str, **values: Any) -> None:
        """Let a printer report, and wait until all that follows has happened."""
        self._sent += 1
        readings = [{"name": name, "value": value} for name, value in values.items()]
        body = {"readings": readings}
        headers = {"Idempotency-Key": f"m{self._sent}"}
        status, answer = await self.printers[printer].post(f"/things/{printer}/readings", body, headers=headers)
        assert status in {200, 201, 202, 204}, answer
        await self.client.quiet()

    async def do(self, path: str, body: Any = None) -> Any:
        """Let a person act, and wait until all that follows has happened."""
        status, answer = await self.client.post(f"/api/v1{path}", body)
        assert status < 300, answer
        await self.client.quiet()
        return answer

    async def order_of(self, printer: str) -> dict[str, Any]:
        """Return a printer's newest order."""
        _, orders = await self.client.get(f"/api/v1/orders?thing_id={printer}")
        newest: dict[str, Any] = max(orders, key=lambda order: order["correlation_id"])
        return newest

    async def mandate(self, owner: str, **changes: Any) -> None:
        """Let an owner permit."""
        told = MANDATE | {"owner_id": owner, "allowed_payees": ["shop", "depot"]} | changes
        await self.do("/mandates", told)

    async def outcome(self) -> dict[str, Any]:
        """Return all that people and CRMs see in the end."""
        _, orders = await self.client.get("/api/v1/orders")
        _, mandates = await self.client.get("/api/v1/mandates")
        _, things = await self.client.get("/api/v1/things")
        _, needs = await self.client.get("/api/v1/needs")
        return {
            "orders": {order["key"]: {name: order[name] for name in COMPARED} for order in orders},
            "passages": {order["key"]: [one["code"] for one in order["passages"]] for order in orders},
            "steps": {order["key"]: await self._steps(order["key"]) for order in orders},
            "used": {each["owner_id"]: each["used_minor"] for each in mandates},
            "things": {each["thing_id"]: (each["state"], each["slot"]) for each in things},
            "needs": sorted((need["key"], need["is_open"]) for need in needs),
            "crm": {name: sorted((kind, str(key)) for kind, key in crm.records) for name, crm in self.crms.items()},
            "claims": self.client.hub.journal.counts()["claim"],
            "dead_letters": list(self.client.hub.journal.dead_letters()),
        }

    async def _steps(self, key: str) -> list[str]:
        _, links = await self.client.get(f"/api/v1/orders/{key}/trace")
        return [link["step"] for link in links]


@asynccontextmanager
async def firm(path: Path, shards: int, crms: dict[str, FakeCrm] | None = None) -> AsyncIterator[Firm]:
    with open_shards(path / "data", shards) as journals:
        journals[0].setting("installation", lambda: "installation-1")
    held = crms or {"shop": FakeCrm(), "depot": FakeCrm()}
    async with served_hub(path, held["shop"], shards=shards, others={"depot": held["depot"]}) as client:
        yield Firm(client, held)


async def play(place: Firm) -> None:
    """Two owners' days: lost answers, a seller that is down, budgets, approvals, a visit, switches, second needs."""
    shop, depot = place.crms["shop"], place.crms["depot"]
    depot.offers = (offer(minor=2400, connection="depot"),)
    for name in PRINTERS:
        owner = OWNER_OF[name]
        place.printers[name] = await place.client.registered(thing_id=name, owner_id=owner, shares=["supplies"])
    await place.mandate("firm", budget={"minor": 5000, "currency": "EUR"})
    await place.mandate("other", approval_above={"minor": 1500, "currency": "EUR"})
    for name in PRINTERS:
        await place.tell(name, ink=60.0, pages=100)
    shop.plan("place_order", "lost")
    await place.tell("printer-1", ink=9.0, pages=900)
    shop.plan("place_order", Transient(reason="refused"), Throttled(retry_after_s=0.01, reason="slower"))
    await place.tell("printer-2", ink=8.0, pages=950)
    await place.tell("printer-3", ink=7.0, pages=800)
    assert (await place.order_of("printer-3"))["code"] == "over_budget"
    await place.mandate("firm", budget={"minor": 7000, "currency": "EUR"})
    await place.tell("printer-4", ink=6.0, pages=700)
    await place.do(f"/orders/{(await place.order_of('printer-4'))['key']}/approve")
    await place.tell("printer-5", fault="E1")
    await go_on(place)


async def go_on(place: Firm) -> None:
    """The second half: refilled, ordered too soon, cancelled in the CRM, switched off and on, retired."""
    await place.tell("printer-1", ink=100.0, pages=901)
    await place.tell("printer-1", ink=5.0, pages=1900)
    assert (await place.order_of("printer-1"))["code"] == "too_soon"
    await place.do(f"/orders/{(await place.order_of('printer-2'))['key']}/cancel", {"reason": "bought elsewhere"})
    await place.do("/owners/other/off")
    await place.tell("printer-5", ink=3.0, pages=10)
    assert (await place.order_of("printer-5"))["state"] in {"blocked", "confirmed"}
    place.crms["shop"].offers = (offer(minor=2600, offer_id=OfferId("dearer")),)
    await place.do("/owners/other/on")
    await place.do("/things/printer-3/retire")


async def test_four_shards_come_to_the_same_orders_as_one(tmp_path: Path) -> None:
    async with firm(tmp_path / "one", 1) as place:
        await play(place)
        alone = await place.outcome()
    async with firm(tmp_path / "four", 4) as place:
        await play(place)
        spread = await place.outcome()
        assert place.client.hub.engine.counters()["letters"] > 50
    states = {order["state"] for order in alone["orders"].values()}
    assert states == {"confirmed", "fulfilled", "cancelled", "blocked", "awaiting_approval"}
    assert spread == alone


async def test_four_shards_are_the_same_after_a_restart_and_each_holds_what_is_its_own(tmp_path: Path) -> None:
    crms = {"shop": FakeCrm(), "depot": FakeCrm()}
    async with firm(tmp_path, 4, crms) as place:
        await play(place)
        before = await place.outcome()
    async with firm(tmp_path, 4, crms) as place:
        assert await place.outcome() == before
    places = ShardMap(4)
    with open_shards(tmp_path / "data", 4) as journals:
        for shard, journal in enumerate(journals):
            assert journal.counts()["turn"] > 0
            held = [f"{row.kind}/{row.key}" for kind in ("thing", "order") for row in journal.records(kind)]
            assert {places.shard_of(address) for address in held} == {shard}
    for path in sorted((tmp_path / "data" / "shards").glob("*/journal.db")):
        verdict = verify(path, folding_kinds([PROFILE]), lambda _actors: None)
        assert (verdict.problems, verdict.actors > 0) == ([], True)
