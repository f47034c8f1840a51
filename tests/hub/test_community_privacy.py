"""Privacy of communities on a served hub: whose experience may be told, when, and what is left after forgetting."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from pieces import OFFICE, advice, bring, piece, told_by
from served_hub import Client, served_hub

from actors.dialogue import ShareExperience, chapter_address
from actors.model.advice import Abstention, ExperienceCard, Recommendation
from actors.model.ids import ThingId
from hub.storage.sqlite import FILE_NAME


@pytest.fixture(name="operator")
async def _operator(tmp_path: Path) -> AsyncIterator[Client]:
    async with served_hub(tmp_path) as operator:
        yield operator


async def test_one_owner_short_of_k_the_community_abstains(operator: Client) -> None:
    await bring(operator, [piece(f"o{n}", 500.0) for n in range(4)])
    said = await advice(operator)
    assert isinstance(said, Abstention)
    assert said.reason == "no_evidence"
    await bring(operator, [piece("o4", 500.0)])
    assert (await told_by(operator, 5)).estimate == pytest.approx(500)


async def test_an_answer_stays_the_same_byte_by_byte_until_k_owners_contributed(operator: Client) -> None:
    await bring(operator, [piece(f"o{n}", 500.0) for n in range(5)])
    before = msgspec.json.encode(await told_by(operator, 5))
    for number in range(5, 9):
        await bring(operator, [piece(f"o{number}", 900.0)])
        await bring(operator, [piece("o5", 950.0, n) for n in range(1, 9)])  # many of one owner are one
        await asyncio.sleep(0.05)
        assert msgspec.json.encode(await advice(operator)) == before
    await bring(operator, [piece("o9", 900.0)])
    after = await told_by(operator, 10)
    assert after.estimate != pytest.approx(500)


async def test_an_epoch_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with served_hub(tmp_path) as operator:
        await bring(operator, [piece(f"o{n}", 500.0) for n in range(6)])
        before = msgspec.json.encode(await told_by(operator, 6))
        await bring(operator, [piece(f"o{n}", 900.0) for n in range(6, 10)])
    async with served_hub(tmp_path) as operator:
        assert msgspec.json.encode(await advice(operator)) == before


async def test_an_owners_own_pieces_count_for_it_at_once_and_for_nobody_else(operator: Client) -> None:
    await bring(operator, [piece("me", 700.0, n) for n in range(3)])
    own = await advice(operator, "me")
    assert isinstance(own, Recommendation)
    assert own.evidence.own_fleet == 3
    assert isinstance(await advice(operator), Abstention)


async def test_a_thousand_things_of_one_owner_have_one_vote(operator: Client) -> None:
    await bring(operator, [piece(f"o{n}", 500.0) for n in range(9)])
    await bring(operator, [piece("crowd", 700.0, n) for n in range(1000)])
    await bring(operator, [piece(f"p{n}", 500.0) for n in range(5)])
    said = await told_by(operator, 15)
    assert said.estimate == pytest.approx((14 * 500 + 700) / 15)


async def shared_by_a_printer(operator: Client) -> ExperienceCard:
    """Let a printer share a card among those of others, told in the present epoch."""
    await operator.registered(shares=["supplies", "prices"])
    card = msgspec.convert(
        piece("firm", 512.25) | {"card_id": "0123456789abcdef", "price_minor": 77_313_913}, ExperienceCard
    )
    share = ShareExperience(thing_id=ThingId("printer-1"), card=card)
    await operator.hub.engine.ask(chapter_address(OFFICE, ThingId("printer-1")), share)
    await bring(operator, [piece(f"o{n}", 500.0) for n in range(20)])
    await told_by(operator, 21)
    return card


def traces(folder: Path, *words: bytes) -> list[tuple[str, bytes]]:
    """Return in which files of the journal these bytes are, free pages and log included."""
    files = sorted((folder / "data").glob(f"{FILE_NAME}*"))
    return [(file.name, word) for file in files for word in words if word in file.read_bytes()]


@pytest.mark.parametrize("by_owner", [False, True])
async def test_after_leaving_with_forgetting_there_is_no_trace(tmp_path: Path, *, by_owner: bool) -> None:
    async with served_hub(tmp_path) as operator:
        card = await shared_by_a_printer(operator)
        words = card.card_id.encode(), b"77313913", b"512.25"
        assert traces(tmp_path, *words)
        owner = await operator.owner("firm")
        who = {"owner_id": "firm"} if by_owner else {"thing_id": "printer-1"}
        status, gone = await owner.post("/api/v1/communities/office/leave", who | {"forget": True})
        assert (status, gone) == (
            200,
            {"left": 1, "withdrawn": 0, "cards": 1, "lives": 0, "models": [], "advice": 0, "under_way": 0},
        )
        assert traces(tmp_path, *words) == []
        said = await advice(operator)
        assert isinstance(said, Recommendation)
        assert said.evidence.owners == 20 - 4  # with the one who left, four others' cards sit out
        assert "firm" not in msgspec.json.encode(list(operator.hub.journal.records("card"))).decode()
    assert traces(tmp_path, *words) == []
    async with served_hub(tmp_path) as operator:
        again = await advice(operator)
        assert isinstance(again, Recommendation)
        assert again.evidence.owners == 16


async def test_leaving_stops_collection_at_once_and_changes_answers_with_the_next_epoch(operator: Client) -> None:
    card = await shared_by_a_printer(operator)
    before = await advice(operator)
    status, gone = await operator.post("/api/v1/communities/office/leave", {"thing_id": "printer-1"})
    assert (status, gone["left"], gone["withdrawn"], gone["cards"]) == (200, 1, 1, 0)
    late = msgspec.structs.replace(card, card_id="late")
    address = chapter_address(OFFICE, ThingId("printer-1"))
    await operator.hub.engine.ask(address, ShareExperience(thing_id=ThingId("printer-1"), card=late))
    await operator.quiet()
    assert operator.hub.journal.record("card", "office/late") is None
    assert await advice(operator) == before
    await bring(operator, [piece(f"p{n}", 500.0) for n in range(4)])
    assert (await told_by(operator, 24)).estimate == pytest.approx(500)


async def test_only_the_owner_takes_a_thing_out(operator: Client) -> None:
    await operator.registered(shares=["supplies"])
    other = await operator.owner("other")
    path = "/api/v1/communities/office/leave"
    assert (await other.post(path, {"thing_id": "printer-1", "forget": True}))[0] == 404
    assert (await other.post(path, {"owner_id": "firm", "forget": True}))[0] == 404
    assert (await operator.post(path, {}))[1]["code"] == "malformed"
    assert (await operator.post("/api/v1/communities/nowhere/leave", {"thing_id": "printer-1"}))[0] == 404
    assert (await operator.get("/api/v1/communities"))[1][0]["members"] == 1
