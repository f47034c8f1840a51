"""Two hubs on real sockets exchange evidence: each asks the other with its key, and nobody else is told anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pieces import OFFICE, bring, piece, told_by
from served_hub import Client, served_hub

from hub.config import CommunityConfig, PartnerConfig
from hub.exchange import LARGEST_MESSAGE
from hub.hub_key import HubKey

PATH = "/api/v1/communities/office"
DOOR = "/federation/office"
STRANGER = HubKey("11" * 32)


def partner(fingerprint: str, **told: Any) -> PartnerConfig:
    return PartnerConfig(fingerprint=fingerprint, communities=("office",), internal_hosts=("127.0.0.1",), **told)


@asynccontextmanager
async def hub_with(path: Path, **hubs: PartnerConfig) -> AsyncIterator[Client]:
    office = CommunityConfig(members=("printer",))
    async with served_hub(path, communities={"office": office}, hubs=hubs) as operator:
        yield operator


async def key_of(path: Path) -> HubKey:
    """Start a hub for a moment, and return its key."""
    async with hub_with(path) as operator:
        return operator.hub.federation.key


@asynccontextmanager
async def two_hubs(folder: Path, *, brings: bool = False) -> AsyncIterator[tuple[Client, Client]]:
    """Serve a hub that twenty owners taught, and one of six owners that knows where the other is."""
    here_key = await key_of(folder / "here")
    async with hub_with(folder / "there", here=partner(here_key.fingerprint)) as there:
        await bring(there, [piece(f"t{n}", 1000.0) for n in range(20)])
        await told_by(there, 20)
        known = partner(there.hub.federation.fingerprint, url=there.url, brings=brings)
        async with hub_with(folder / "here", there=known) as here:
            await bring(here, [piece(f"o{n}", 400.0) for n in range(6)])
            await told_by(here, 26)  # it asks by itself when it starts
            yield there, here


def introduced(there: Client, key: HubKey, *, minutes_ago: float = 0.0, to: str = "") -> dict[str, str]:
    at = there.hub.clock.now() - timedelta(minutes=minutes_ago)
    return {"Authorization": key.introduced(to or there.hub.federation.fingerprint, OFFICE, at)}


async def test_a_hub_takes_in_what_its_partner_tells_with_a_third_of_the_weight(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (there, here):
        assert (await told_by(here, 26)).estimate == pytest.approx(400 * 2 / 3 + 1000 / 3)
        await there.post(f"{PATH}/leave", {"owner_id": "t3", "forget": True})
        status, done = await here.post(f"{PATH}/exchange")
        assert (status, done[0]["withdrawn"], done[0]["failure"]) == (200, 5, "")  # with the one who left, four sit out
        assert (await here.get("/api/v1/communities"))[1][0]["exchanges"] == done
        assert (await there.get("/api/v1/communities"))[1][0]["other_hubs"] == 0


async def test_a_hub_that_cannot_be_reached_is_told_by_its_partner(tmp_path: Path) -> None:
    async with two_hubs(tmp_path, brings=True) as (there, here):
        status, done = await here.post(f"{PATH}/exchange")
        assert (status, done[0]["brought"], done[0]["failure"]) == (200, True, "")
        assert (await told_by(there, 26)).evidence.hubs == 2


async def test_who_is_no_partner_is_told_nothing_and_brings_nothing(tmp_path: Path) -> None:
    here = await key_of(tmp_path / "here")
    async with hub_with(tmp_path / "there", here=partner(here.fingerprint)) as there:
        for headers in (
            {},
            {"Authorization": "Hub a.b.c"},
            introduced(there, STRANGER),
            introduced(there, here, minutes_ago=6),
            introduced(there, here, to=STRANGER.fingerprint),
        ):
            for method in ("GET", "POST"):
                status, problem = await there.with_token("").ask(method, DOOR, headers=headers)
                assert (status, problem["code"]) == (401, "unknown_hub"), headers
        assert (await there.with_token("").ask("GET", DOOR, headers=introduced(there, here)))[0] == 200


async def test_what_was_told_to_one_hub_cannot_be_passed_on_to_another(tmp_path: Path) -> None:
    async with two_hubs(tmp_path) as (there, here):
        export = await there.hub.exchange.told_to(STRANGER.fingerprint, OFFICE)
        status, problem = await here.post(f"{PATH}/import", msgspec.to_builtins(export))
        assert (status, problem["code"]) == (422, "not_for_us")
        mine = here.hub.federation.key
        sent = {"json": msgspec.to_builtins(export), "headers": introduced(there, mine)}
        status, problem = await there.with_token("").ask("POST", DOOR, **sent)
        assert (status, problem["code"]) == (422, "own")


async def test_an_answer_that_is_too_large_is_not_taken_in_and_the_list_says_so(tmp_path: Path) -> None:
    async def endless(_request: web.Request) -> web.Response:
        return web.Response(body=b" " * (LARGEST_MESSAGE + 1))

    application = web.Application()
    application.router.add_get(DOOR, endless)
    async with TestServer(application) as server:
        known = partner(STRANGER.fingerprint, url=str(server.make_url("/")))
        async with hub_with(tmp_path, large=known) as here:
            status, done = await here.post(f"{PATH}/exchange")
            assert status == 200
            assert f"larger than {LARGEST_MESSAGE} bytes" in done[0]["failure"]
        assert "update it" in done[0]["failure"]


async def test_the_wrong_hub_behind_an_address_is_not_believed(tmp_path: Path) -> None:
    here_key = await key_of(tmp_path / "here")
    async with (
        hub_with(tmp_path / "there", here=partner(here_key.fingerprint)) as there,
        hub_with(tmp_path / "here", there=partner(STRANGER.fingerprint, url=there.url)) as here,
    ):
        _, done = await here.post(f"{PATH}/exchange")
        assert "401" in done[0]["failure"]


@pytest.mark.parametrize("url", ["http://hub.example", "https://127.0.0.1:8080", "https://169.254.169.254", "ftp://x"])
def test_no_address_beside_the_hub_or_in_clear_text_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="url: "):
        PartnerConfig(fingerprint=STRANGER.fingerprint, communities=("office",), url=url)
