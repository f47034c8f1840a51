"""Evidence of one hub for another: signed, under pseudonyms, a third of the weight at most, and withdrawn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pieces import advice, bring, piece, told_by
from served_hub import Client, served_hub

from actors.model.advice import Recommendation
from hub.config import CommunityConfig

PATH = "/api/v1/communities/office"


@asynccontextmanager
async def hub_that_trusts(path: Path, *trusted: str) -> AsyncIterator[Client]:
    office = CommunityConfig(members=("printer",), trusted_hubs=trusted)
    async with served_hub(path, communities={"office": office}) as operator:
        yield operator


@asynccontextmanager
async def two_hubs(folder: Path, pieces: Sequence[dict[str, Any]]) -> AsyncIterator[tuple[Client, Client]]:
    """Serve a hub that knows these pieces, and another that trusts it."""
    async with hub_that_trusts(folder / "there") as there:
        await bring(there, pieces)
        async with hub_that_trusts(folder / "here", there.hub.federation.fingerprint) as here:
            yield there, here


async def exported(hub: Client) -> dict[str, Any]:
    status, told = await hub.get(f"{PATH}/export")
    assert status == 200, told
    file: dict[str, Any] = told
    return file


async def test_imported_evidence_weighs_a_third_at_most_and_the_answer_says_how_many_hubs(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(20)]) as (there, here):
        await told_by(there, 20)
        await bring(here, [piece(f"o{n}", 400.0) for n in range(6)])
        await told_by(here, 6)
        status, taken = await here.post(f"{PATH}/import", await exported(there))
        assert (status, taken["added"], taken["withdrawn"]) == (200, 20, 0)
        said = await told_by(here, 26)
        assert said.estimate == pytest.approx(400 * 2 / 3 + 1000 / 3)
        assert said.evidence.hubs == 2
        assert said.sentence.endswith("They are owners of 2 hubs.")
        assert there.hub.federation.fingerprint not in msgspec.json.encode(said).decode()


async def test_no_owner_is_named_and_few_owners_are_not_told(tmp_path: Path) -> None:
    few = [piece(f"x{n}", 700.0) | {"sku": "RARE"} for n in range(4)]
    async with two_hubs(tmp_path, [*few, *(piece(f"owner-name-{n}", 1000.0) for n in range(6))]) as (there, _):
        await told_by(there, 6)
        text = (await exported(there))["content"]
        assert "owner-name" not in text
        assert "RARE" not in text
        assert len(msgspec.json.decode(text)["cards"]) == 6


async def test_importing_twice_is_importing_once(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(6)]) as (there, here):
        await told_by(there, 6)
        file = await exported(there)
        added = [(await here.post(f"{PATH}/import", file))[1]["added"] for _ in range(2)]
        assert added == [6, 0]
        assert (await here.get("/api/v1/communities"))[1][0]["other_hubs"] == 1


async def test_what_was_forgotten_there_is_withdrawn_here_and_no_older_export_brings_it_back(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(20)]) as (there, here):
        await told_by(there, 20)
        old = await exported(there)
        await here.post(f"{PATH}/import", old)
        await there.post(f"{PATH}/leave", {"owner_id": "t3", "forget": True})
        status, taken = await here.post(f"{PATH}/import", await exported(there))
        assert (status, taken["withdrawn"]) == (200, 5)  # with the one who left, four sit out
        status, problem = await here.post(f"{PATH}/import", old)
        assert (status, problem["code"]) == (422, "older")


async def test_a_tampered_a_foreign_and_an_own_export_are_refused(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(6)]) as (there, here):
        await told_by(there, 6)
        file = await exported(there)
        forged = file | {"content": file["content"].replace("1000.0", "9000.0")}
        cut = file | {"signature": "no hex"}
        for hub, sent, code in (
            (here, forged, "tampered"),
            (here, cut, "tampered"),
            (there, file, "own"),
            (there, await exported(here), "not_trusted"),
        ):
            status, problem = await hub.post(f"{PATH}/import", sent)
            assert (status, problem["code"]) == (422, code)
        assert not isinstance(await advice(here), Recommendation)
        other = await there.owner("t1")
        assert (await other.get(f"{PATH}/export"))[0] == 403
