"""What one served hub tells another of a community: a signed list and its pieces, as a file holds them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from served_hub import Client, served_hub

from hub.config import CommunityConfig
from hub.exports import name_of
from hub.hub_key import HubKey

PATH = "/api/v1/communities/office"


@asynccontextmanager
async def hub_that_trusts(path: Path, *trusted: str) -> AsyncIterator[Client]:
    """Serve a hub with an office that takes in what these hubs tell."""
    office = CommunityConfig(members=("printer",), trusted_hubs=trusted)
    async with served_hub(path, communities={"office": office}) as operator:
        yield operator


class Told(Struct, frozen=True, kw_only=True):
    """An export: what is signed, and the pieces by their SHA-256."""

    listed: dict[str, Any]
    pieces: dict[str, bytes]

    def resigned(self, key: HubKey, change: Callable[[bytes], bytes]) -> "Told":
        """Return what a hub would tell that has other pieces."""
        changed = [change(each) for each in self.pieces.values()]
        names = [name_of(each, len(msgspec.json.decode(each)["cards"])) for each in changed]
        content = msgspec.json.decode(self.listed["content"]) | {"pieces": msgspec.to_builtins(names)}
        return Told(
            listed=signed(key, content), pieces={n.sha256: each for n, each in zip(names, changed, strict=True)}
        )


def signed(key: HubKey, content: dict[str, Any]) -> dict[str, Any]:
    packed = msgspec.json.encode(content)
    listed: dict[str, Any] = msgspec.to_builtins(key.sign(packed)) | {"content": packed.decode()}
    return listed


def told_in_whole(key: HubKey, told: Told, *, times: int = 1) -> dict[str, Any]:
    """Return it as releases before pieces exported it; or so many times as large."""
    parts = [msgspec.json.decode(each) for each in told.pieces.values()]
    content = msgspec.json.decode(told.listed["content"])
    del content["pieces"]
    content |= {"format": "iot2crm-community-1", "cards": [card for part in parts for card in part["cards"]] * times}
    return signed(key, content)


async def exported(hub: Client) -> Told:
    """Return what a hub tells."""
    status, listed = await hub.get(f"{PATH}/export")
    assert status == 200, listed
    pieces = {}
    for name in msgspec.json.decode(listed["content"])["pieces"]:
        status, piece = await hub.get(f"{PATH}/export/{name['sha256']}")
        assert status == 200, piece
        pieces[name["sha256"]] = msgspec.json.encode(piece)
    return Told(listed=listed, pieces=pieces)


async def taken_in(hub: Client, told: Told, *, without: str = "") -> tuple[int, Any]:
    """Bring it to a hub, all wanted pieces but one, and return the last answer."""
    status, taken = await hub.post(f"{PATH}/import", told.listed)
    if status != 200 or not taken["wanted"]:
        return status, taken
    for sha256 in taken["wanted"]:
        if sha256 != without:
            status, problem = await hub.ask("POST", f"{PATH}/import/{sha256}", data=told.pieces[sha256])
            assert status == 200, problem
    return await hub.post(f"{PATH}/import", told.listed)
