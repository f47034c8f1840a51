"""Device clouds at a whole hub: what they push is on disk, known again after a restart, and they are listed."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

from served_hub import Client, served_hub

from actors.model.secrets import Secret
from protocols.http.config import HookConfig, HttpConfig

KEY = b"c" * 32
SECRET = Secret("whsec_" + base64.b64encode(KEY).decode())
CLOUDS = HttpConfig(hooks={"cloud": HookConfig(owner="firm", secrets=(SECRET,))})


async def push(operator: Client, message_id: str, ink: float, thing: str = "printer-1") -> tuple[int, Any]:
    data = {"thing": thing, "readings": [{"name": "ink", "value": ink}]}
    body = json.dumps({"type": "reading", "timestamp": "2026-01-01T00:00:00Z", "data": data}).encode()
    timestamp = str(int(time.time()))  # noqa: TID251 - the hub in this test lives in real time
    mac = hmac.new(KEY, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    return await operator.with_token("").ask("POST", "/hooks/cloud", data=body, headers=headers)


async def told_by(operator: Client) -> tuple[float, float]:
    counters = await operator.metrics()
    return counters["iot2crm_sink_accepted_total"], counters["iot2crm_sink_duplicates_total"]


async def test_what_a_cloud_pushed_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async with served_hub(tmp_path, http=CLOUDS) as operator:
        await operator.registered()
        assert (await push(operator, "msg_1", 41.0))[0] == 204
    async with served_hub(tmp_path, http=CLOUDS) as operator:
        assert (await push(operator, "msg_1", 41.0))[0] == 204
        assert (await push(operator, "msg_2", 40.0))[0] == 204
        assert await told_by(operator) == (2.0, 1.0)
        _, shown = await operator.get("/api/v1/things/printer-1")
        assert "40" in json.dumps(shown)


async def test_a_cloud_is_listed_among_the_links_and_speaks_for_its_owner_alone(tmp_path: Path) -> None:
    async with served_hub(tmp_path, http=CLOUDS) as operator:
        await operator.registered(owner_id="else")
        status, problem = await push(operator, "msg_1", 41.0)
        assert (status, problem["code"]) == (403, "foreign_thing")
        _, connections = await operator.get("/api/v1/connections")
        (link,) = [link for link in connections["links"] if link["name"] == "hook cloud"]
        assert link["state"] == "up"
        assert SECRET.reveal() not in json.dumps(connections)
