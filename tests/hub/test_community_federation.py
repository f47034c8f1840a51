"""Evidence of one hub for another: signed, under pseudonyms, a third of the weight at most, and withdrawn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from exports import Told, exported, hub_that_trusts, taken_in, told_in_whole
from pieces import OFFICE, advice, bring, piece, told_by
from served_hub import Client

from actors.model.advice import Recommendation
from hub.exports import Export
from hub.taking_in import Intake

PATH = "/api/v1/communities/office"


@asynccontextmanager
async def two_hubs(folder: Path, pieces: Sequence[dict[str, Any]]) -> AsyncIterator[tuple[Client, Client]]:
    """Serve a hub that knows these pieces, and another that trusts it."""
    async with hub_that_trusts(folder / "there") as there:
        await bring(there, pieces)
        async with hub_that_trusts(folder / "here", there.hub.federation.fingerprint) as here:
            yield there, here


async def test_imported_evidence_weighs_a_third_at_most_and_the_answer_says_how_many_hubs(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(20)]) as (there, here):
        await told_by(there, 20)
        await bring(here, [piece(f"o{n}", 400.0) for n in range(6)])
        await told_by(here, 6)
        status, taken = await taken_in(here, await exported(there))
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
        told = await exported(there)
        text = msgspec.json.encode(told).decode()
        assert "owner-name" not in text
        assert "RARE" not in text
        assert sum(len(msgspec.json.decode(each)["cards"]) for each in told.pieces.values()) == 6


async def test_importing_twice_is_importing_once(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(6)]) as (there, here):
        await told_by(there, 6)
        file = await exported(there)
        added = [(await taken_in(here, file))[1]["added"] for _ in range(2)]
        assert added == [6, 0]
        assert (await here.get("/api/v1/communities"))[1][0]["other_hubs"] == 1


async def test_what_was_forgotten_there_is_withdrawn_here_and_no_older_export_brings_it_back(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(20)]) as (there, here):
        await told_by(there, 20)
        old = await exported(there)
        await taken_in(here, old)
        await there.post(f"{PATH}/leave", {"owner_id": "t3", "forget": True})
        status, taken = await taken_in(here, await exported(there))
        assert (status, taken["withdrawn"]) == (200, 5)  # with the one who left, four sit out
        status, problem = await taken_in(here, old)
        assert (status, problem["code"]) == (422, "older")


async def test_a_tampered_a_foreign_and_an_own_export_are_refused(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(6)]) as (there, here):
        await told_by(there, 6)
        file = await exported(there)
        listed = file.listed
        forged = listed | {"content": listed["content"].replace('"cards":6', '"cards":7')}
        cut = listed | {"signature": "no hex"}
        for hub, sent, code in (
            (here, forged, "tampered"),
            (here, cut, "tampered"),
            (there, listed, "own"),
            (there, (await exported(here)).listed, "not_trusted"),
        ):
            status, problem = await hub.post(f"{PATH}/import", sent)
            assert (status, problem["code"]) == (422, code)
        assert not isinstance(await advice(here), Recommendation)
        other = await there.owner("t1")
        assert (await other.get(f"{PATH}/export"))[0] == 403


async def test_a_piece_that_was_changed_or_left_out_is_noticed_and_nothing_is_taken_in(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(70)]) as (there, here):
        await told_by(there, 70)
        file = await exported(there)
        assert len(file.pieces) == 3
        _, first = await here.post(f"{PATH}/import", file.listed)
        assert first["wanted"] == list(file.pieces)
        sha256 = first["wanted"][1]
        broken = file.pieces[sha256].replace(b"1000.0", b"9000.0")
        status, problem = await here.ask("POST", f"{PATH}/import/{sha256}", data=broken)
        assert (status, problem["code"]) == (422, "broken_piece")
        assert "piece 2 of 3 of the export" in problem["detail"]
        assert f"SHA-256 {sha256}" in problem["detail"]
        assert (await here.ask("POST", f"{PATH}/import/{'0' * 64}", data=b"{}"))[1]["code"] == "not_wanted"
        _, again = await taken_in(here, file, without=sha256)
        assert (again["added"], again["wanted"]) == (0, [sha256])
        assert not here.hub.compute.peers.evidence.books()
        assert (await taken_in(here, file))[1]["added"] == 70


async def test_a_piece_whose_cards_cannot_be_used_is_refused_before_any_is_taken_in(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(40)]) as (there, here):
        await told_by(there, 40)
        file = await exported(there)
        bent = file.resigned(there.hub.federation.key, lambda each: each.replace(b'"curve":[]', b'"curve":[1.0]'))
        status, problem = await taken_in(here, bent)
        assert (status, problem["code"]) == (422, "broken_piece")
        assert "expected 63 levels or none, got 1" in problem["detail"]
        assert not here.hub.compute.peers.evidence.books()


async def test_an_older_hubs_export_is_taken_in_whole_or_refused_with_the_remedy(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, [piece(f"t{n}", 1000.0) for n in range(70)]) as (there, here):
        await told_by(there, 70)
        key, file = there.hub.federation.key, await exported(there)
        assert (await here.post(f"{PATH}/import", told_in_whole(key, file)))[1]["added"] == 70
        status, problem = await here.post(f"{PATH}/import", told_in_whole(key, file, times=20))
        assert (status, problem["code"]) == (422, "too_large")
        assert "update that hub, and export again" in problem["detail"]


async def test_a_hub_that_ended_in_the_middle_takes_in_the_rest_and_nothing_twice(tmp_path: Path) -> None:
    async with hub_that_trusts(tmp_path / "there") as there:
        await bring(there, [piece(f"t{n}", 1000.0) for n in range(70)])
        await told_by(there, 70)
        file, trusted = await exported(there), there.hub.federation.fingerprint
    async with hub_that_trusts(tmp_path / "here", trusted) as here:
        with pytest.raises(Ended):
            await ending_after(here, file, trusted, cards=64)
    async with hub_that_trusts(tmp_path / "here", trusted) as here:
        assert sum(len(book.cards) for book in here.hub.compute.peers.evidence.books()) == 64
        assert (await here.get("/api/v1/communities"))[1][0]["unfinished"] == [trusted]
        assert (await taken_in(here, file))[1]["added"] == 6
        assert sum(len(book.cards) for book in here.hub.compute.peers.evidence.books()) == 70
        assert (await here.get("/api/v1/communities"))[1][0]["unfinished"] == []


class Ended(Exception):
    """The hub ends here."""


async def ending_after(hub: Client, file: Told, trusted: str, *, cards: int) -> None:
    """Take a file in on a hub that ends when so many of its cards are in the journal. Raises: Ended."""
    intake = Intake(hub.hub.journal, hub.hub.compute.peers, hub.hub.federation.fingerprint)
    listed = msgspec.convert(file.listed, Export)
    added = 0

    async def counted(more: int) -> None:
        nonlocal added
        added += more
        if added >= cards:
            raise Ended

    wanted = (await intake.take_in(OFFICE, listed, {trusted}, counted)).wanted
    for sha256 in wanted:
        await intake.gather(OFFICE, sha256, file.pieces[sha256])
    await intake.take_in(OFFICE, listed, {trusted}, counted)
