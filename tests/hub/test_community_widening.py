"""Communities of a model, a family and a capability: the narrowest with enough owners answers, and says so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from firm import PROFILE
from msgspec.structs import replace
from served_hub import Client, served_hub

from actors.model.profiles import PeerPath
from hub.config import CommunityConfig
from hub.config.loading import with_peers

PATH = PeerPath(model="x200", family="inkjet", capability="printing")
COMMUNITIES = with_peers({}, {"printer": PATH.narrowest_first()})


@pytest.fixture(name="operator")
async def _operator(tmp_path: Path) -> AsyncIterator[Client]:
    async with served_hub(tmp_path, profile=replace(PROFILE, peers=PATH), communities=COMMUNITIES) as operator:
        yield operator


async def bring(operator: Client, community: str, owners: int) -> None:
    card = {"community_id": community, "topic": "material", "subject": "black", "sku": "INK-1", "lived": 500.0}
    cards = [card | {"card_id": f"c{n}", "owner_id": f"{community}-o{n}"} for n in range(owners)]
    status, told = await operator.post(f"/api/v1/communities/{community}/cards", {"cards": cards})
    assert status == 201, told
    await operator.quiet()


async def asked(printer: Client) -> dict[str, Any]:
    status, advice = await printer.post("/things/printer-1/advice", {"subject": "black"})
    assert status == 200, advice
    told: dict[str, Any] = advice
    return told


async def test_the_narrowest_community_with_enough_owners_answers(operator: Client) -> None:
    printer = await operator.registered(shares=["supplies"])
    await bring(operator, "x200", 4)
    await bring(operator, "inkjet", 7)
    await bring(operator, "printing", 9)
    advice = await asked(printer)
    assert (advice["evidence"]["widened_to"], advice["evidence"]["owners"]) == ("family", 7)
    assert "Widened to family: 7 peers." in advice["sentence"]


async def test_a_narrow_community_with_enough_owners_answers_itself(operator: Client) -> None:
    printer = await operator.registered(shares=["supplies"])
    await bring(operator, "x200", 5)
    await bring(operator, "inkjet", 7)
    advice = await asked(printer)
    assert (advice["evidence"].get("widened_to"), advice["evidence"]["owners"]) == (None, 5)


async def test_a_thing_that_left_the_narrowest_is_served_by_the_next(operator: Client) -> None:
    printer = await operator.registered(shares=["supplies"])
    await bring(operator, "x200", 6)
    await bring(operator, "inkjet", 7)
    assert (await operator.post("/api/v1/communities/x200/leave", {"thing_id": "printer-1"}))[1]["left"] == 1
    assert (await asked(printer))["evidence"]["widened_to"] == "family"


async def test_a_community_that_the_thing_left_is_not_widened_to(operator: Client) -> None:
    printer = await operator.registered(shares=["supplies"])
    await bring(operator, "inkjet", 7)
    await bring(operator, "printing", 8)
    assert (await operator.post("/api/v1/communities/inkjet/leave", {"thing_id": "printer-1"}))[1]["left"] == 1
    assert (await asked(printer))["evidence"]["widened_to"] == "capability"


def test_a_profile_makes_the_communities_that_it_names_and_joins_those_that_are_there() -> None:
    told = with_peers({"inkjet": CommunityConfig(members=("other",), k_owners=7)}, {"printer": PATH.narrowest_first()})
    assert {name: each.members for name, each in told.items()} == {
        "inkjet": ("other", "printer"),
        "x200": ("printer",),
        "printing": ("printer",),
    }
    assert told["inkjet"].k_owners == 7
