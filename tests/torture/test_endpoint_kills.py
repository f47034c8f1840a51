"""SIGKILL while an owner is told: nothing is lost, and what comes again comes under its id."""

import asyncio
from pathlib import Path

import aiohttp
from real_hub import RealHub
from receiver import receiving, signatures

from hub.torture.premises import OWNER
from hub.torture.processes import owner_token
from hub.torture.scene import scene

ALLOWED = '[webhooks]\ninternal_hosts = ["127.0.0.1"]\n'


async def test_a_killed_hub_tells_all_that_happened_before_and_after(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        scene(tmp_path, more=ALLOWED) as place,
        aiohttp.ClientSession() as session,
    ):
        hub = RealHub(place, session)
        await hub.begin(things=1)
        (thing,) = hub.tokens
        headers = {"Authorization": f"Bearer {owner_token(place.data_dir)}"}
        new = {"url": receiver.url, "owner_id": OWNER}
        async with session.post(f"{place.hub.url}/api/v1/endpoints", json=new, headers=headers) as reply:
            assert reply.status == 201, await reply.text()
            secret = (await reply.json())["secret"]
        receiver.hold = asyncio.Event()
        await hub.report(thing, 1, 5.0)
        await receiver.until(lambda r: len(r.heard) == 1, within_s=100)
        await place.hub.kill()
        receiver.hold.set()
        await place.hub.start()
        await receiver.until(lambda r: ("order.changed", "confirmed") in r.told, within_s=100)
        assert receiver.ids.count(receiver.ids[0]) >= 2
        assert receiver.told[0][0] == "need.opened"
        assert {"approved", "placing", "confirmed"} <= {state for _, state in receiver.told}
        assert all(signatures(secret, told, body) == [True] for told, body in receiver.heard)
