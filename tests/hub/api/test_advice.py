"""Advice over the owners' API: asked for, shown with its picture, told what became of it, and reported."""

import asyncio
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from served_hub import Client, served_hub

_CYCLES = 60


def life(number: int) -> dict[str, Any]:
    chance = np.random.default_rng(number)
    worn = np.arange(_CYCLES) / _CYCLES
    rows = np.stack([np.ones(_CYCLES), worn * 10, 5 + worn], axis=1) + 0.1 * chance.standard_normal((_CYCLES, 3))
    return {"life_id": f"l{number}", "owner_id": f"o{number % 6}", "rows": rows.round(3).tolist()}


async def trained(operator: Client) -> None:
    body = {"subject": "drum", "n_settings": 1, "lives": [life(number) for number in range(12)]}
    status, told = await operator.post("/api/v1/communities/office/lives", body)
    assert status == 202, told
    async with asyncio.timeout(60):
        while True:
            _, (office,) = await operator.get("/api/v1/communities")
            if office["models"]:
                return
            await asyncio.sleep(0.1)


async def run_cycles(thing: Client, last: int) -> None:
    rows = life(99)["rows"]
    for cycle in range(1, last + 1):
        status, told = await thing.report({"snapshot": rows[cycle - 1], "cycle": cycle})
        assert status < 300, told
    await thing.quiet()


async def test_an_owner_reads_what_peers_say_sees_it_and_tells_what_became_of_it(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await trained(operator)
        thing = await operator.registered(shares=["health"])
        await run_cycles(thing, 12)
        owner = await operator.owner("firm")
        status, said = await owner.post("/api/v1/things/printer-1/advice", {"subject": "drum"})
        assert status == 200, said
        assert said["type"] == "recommendation"
        assert said["would_change"]
        assert said["evidence"]["owners"] == 6
        assert said["order_by"] >= 12

        _, shown = await owner.get("/api/v1/things/printer-1/advice/drum")
        assert shown["advice"]["sentence"] == said["sentence"]
        (row,) = shown["rows"]
        assert (row["outcome"], row["interval"]["level"]) == (None, 0.8)
        status, svg = await owner.get(shown["picture"])
        assert status == 200
        names = {each.get("id") for each in ET.fromstring(svg).iter()}  # noqa: S314 - our own
        assert {"mine", "band", "now"} <= names

        status, told = await owner.post("/api/v1/things/printer-1/advice/drum/outcome", {"outcome": "expired"})
        assert (status, told) == (200, {"closed": 1})
        status, problem = await owner.get("/api/v1/advice/report")
        assert (status, problem["code"]) == (403, "forbidden")
        _, (figures,) = await operator.get("/api/v1/advice/report?community=office")
        assert (figures["given"], figures["still_open"], figures["outcomes"]) == (1, 0, {"expired": 1})


async def test_leaving_with_forgetting_empties_the_ledger_and_no_later_life_fills_it(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await trained(operator)
        thing = await operator.registered(shares=["health"])
        await run_cycles(thing, 12)
        assert len((await operator.get("/api/v1/things/printer-1/advice"))[1]) == 1
        body = {"thing_id": "printer-1", "forget": True}
        status, gone = await operator.post("/api/v1/communities/office/leave", body)
        assert (status, gone["advice"], gone["under_way"]) == (200, 1, 0)
        await run_cycles(thing, 3)  # it was replaced: a life that is open in the ledger ends here
        assert (await operator.get("/api/v1/things/printer-1/advice"))[1] == []
        assert (await operator.get("/api/v1/advice/report?community=office"))[1] == []


async def test_nothing_is_shown_to_another_owner_and_nothing_drawn_without_a_curve(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await operator.registered()
        other = await operator.owner("other")
        assert (await other.get("/api/v1/things/printer-1/advice"))[0] == 404
        assert (await operator.get("/api/v1/things/printer-1/advice")) == (200, [])
        for path in ("drum", "drum.svg"):
            status, problem = await operator.get(f"/api/v1/things/printer-1/advice/{path}")
            assert (status, problem["code"]) == (404, "not_found")
        status, said = await operator.post("/api/v1/things/printer-1/advice", {"subject": "black"})
        assert (status, said["reason"]) == (200, "no_evidence")
        assert "shared by at least" in said["missing"]


async def test_a_fleet_asks_through_a_thing_how_many_spares_to_keep(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        wanted = {"sku": "ROLLER-1", "months": [0, 0, 1] * 8}
        for number in range(6):
            owner_id, thing_id = f"o{number}", f"printer-o{number}"
            await operator.registered(thing_id=thing_id, owner_id=owner_id, shares=["supplies"])
            status, _ = await operator.post(f"/api/v1/things/{thing_id}/spares", wanted)
            assert status == 200
        await operator.registered()
        owner = await operator.owner("firm")
        async with asyncio.timeout(30):
            while True:
                status, said = await owner.post("/api/v1/things/printer-1/spares", wanted)
                if (status, said["type"]) == (200, "recommendation"):
                    break
                await asyncio.sleep(0.05)
        assert (said["quantity"], said["sku"]) == (1, "ROLLER-1")
        assert said["evidence"]["owners"] >= 5  # an epoch tells what at least that many owners added
        status, problem = await owner.post("/api/v1/things/printer-1/spares", wanted | {"months": [1]})
        assert (status, problem["code"]) == (422, "malformed")
