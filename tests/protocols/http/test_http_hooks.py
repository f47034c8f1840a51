"""Device clouds push readings: who they are is proved, whom they speak for is the operator's word."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest
from http_device import Post, connected
from msgspec import structs

from actors.model.ids import OwnerId, ThingId
from actors.model.readings import PrincipalKind
from actors.model.secrets import Secret
from protocols.http import HttpConfig
from protocols.http.config import HookConfig
from protocols.testing import OWNER, TANK, ProtocolKit, sample_thing

KEY, NEXT = b"k" * 32, b"n" * 24
TOKEN = "a-token-of-the-cloud"
ENVELOPE = {
    "type": "reading.created",
    "timestamp": "2025-12-31T23:59:00Z",
    "data": {"thing": TANK, "readings": [{"name": "level", "value": 41.5, "unit": "%"}]},
}
EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "urn:cloud",
    "type": "reading",
    "subject": TANK,
    "data": {"readings": [{"name": "level", "value": 41.5}]},
}


def secret(key: bytes) -> Secret:
    return Secret("whsec_" + base64.b64encode(key).decode())


def hook(**changes: Any) -> HookConfig:
    return HookConfig(**{"owner": str(OWNER), "secrets": (secret(KEY), secret(NEXT)), **changes})


def signed(body: bytes, message_id: str = "msg_1", key: bytes = KEY, at: float | None = None) -> dict[str, str]:
    """Sign as a sender does who knows nothing of our code."""
    timestamp = str(int(at if at is not None else datetime(2026, 1, 1, tzinfo=UTC).timestamp()))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


class Cloud:
    """A sender with a connection to the hub's hook ``cloud``."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.sink = post.kit.sink

    async def send(
        self, data: Any = ENVELOPE, *, media: str = "application/json", to: str = "cloud", **told: Any
    ) -> tuple[int, dict[str, str], Any]:
        body = json.dumps(data).encode()
        headers = told.pop("headers", None)
        headers = signed(body, **told) if headers is None else headers
        async with self.post.session.post(
            f"{self.post.url}/hooks/{to}", data=body, headers={"Content-Type": media, **headers}
        ) as reply:
            read = await reply.read()
            return reply.status, dict(reply.headers), json.loads(read) if read else None

    async def ask(self, **headers: str) -> tuple[int, dict[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.post.session.options(f"{self.post.url}/hooks/cloud", headers=sent) as reply:
            return reply.status, dict(reply.headers)


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    hooks = {
        "cloud": hook(origins=("events.example.com",)),
        "named": hook(things={"device 77": TANK}),
        "plain": hook(secrets=(), tokens=(Secret(TOKEN),)),
        "slow": hook(per_minute=6),
        "other": hook(owner="somebody-else"),
    }
    async with connected(ProtocolKit(), hooks=hooks) as post:
        yield Cloud(post)


async def test_a_signed_message_is_a_reading_of_the_thing_that_it_names(cloud: Cloud) -> None:
    status, headers, _ = await cloud.send()
    assert status == 204
    assert headers["Iot2crm-Message-Id"].startswith("hook:")
    (principal, message) = cloud.sink.received[0]
    assert (principal.kind, principal.name, principal.owner_id) == (PrincipalKind.LINK, "hook cloud", OWNER)
    (reading,) = message.readings
    assert (message.thing_id, reading.value) == (TANK, 41.5)
    assert reading.observed_at == datetime(2025, 12, 31, 23, 59, tzinfo=UTC)


async def test_a_message_that_comes_again_is_known_by_its_id(cloud: Cloud) -> None:
    at = datetime(2026, 1, 1, 0, 1, tzinfo=UTC).timestamp()
    assert [(await cloud.send())[0], (await cloud.send(at=at))[0]] == [204, 204]
    assert (await cloud.send(at=at))[1]["Iot2crm-Duplicate"] == "true"
    assert len(cloud.sink.stored) == 1
    await cloud.send(message_id="msg_2")
    assert len(cloud.sink.stored) == 2


async def test_while_secrets_are_exchanged_both_are_believed_and_one_of_several_signatures_is_enough(
    cloud: Cloud,
) -> None:
    body = json.dumps(ENVELOPE).encode()
    new, former = signed(body, key=NEXT), signed(body, key=b"x" * 32)
    both = new | {"webhook-signature": f"v1a,AAAA {former['webhook-signature']} {new['webhook-signature']}"}
    assert (await cloud.send(key=NEXT))[0] == 204
    assert (await cloud.send(headers=both))[0] == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"another body"),
        signed(json.dumps(ENVELOPE).encode(), key=b"x" * 32),
        signed(json.dumps(ENVELOPE).encode(), at=datetime(2025, 12, 31, 23, 54, 59, tzinfo=UTC).timestamp()),
        signed(json.dumps(ENVELOPE).encode(), at=datetime(2026, 1, 1, 0, 5, 1, tzinfo=UTC).timestamp()),
        signed(json.dumps(ENVELOPE).encode(), message_id="msg.1"),
        signed(json.dumps(ENVELOPE).encode()) | {"webhook-timestamp": "soon"},
        signed(json.dumps(ENVELOPE).encode()) | {"webhook-signature": "v1,\u00e4"},
        {"Authorization": f"Bearer {TOKEN}"},
    ],
)
async def test_what_is_not_proved_is_not_heard(cloud: Cloud, headers: dict[str, str]) -> None:
    status, _, problem = await cloud.send(headers=headers)
    assert (status, problem["code"]) == (401, "not_proved")
    assert not cloud.sink.received


async def test_a_cloud_speaks_for_its_owners_things_alone(cloud: Cloud) -> None:
    status, _, problem = await cloud.send(to="other")
    assert (status, problem["code"]) == (403, "foreign_thing")
    cloud.post.kit.things.register(structs.replace(sample_thing(ThingId("tank-2")), owner_id=OwnerId("umbrella")))
    told = {**ENVELOPE, "data": {**ENVELOPE["data"], "thing": "tank-2"}}  # type: ignore[dict-item]
    assert (await cloud.send(told))[0] == 403
    assert not cloud.sink.received


async def test_a_cloud_may_call_devices_by_names_of_its_own_and_then_by_no_others(cloud: Cloud) -> None:
    told = {**ENVELOPE, "data": {**ENVELOPE["data"], "thing": "device 77"}}  # type: ignore[dict-item]
    assert (await cloud.send(told, to="named"))[0] == 204
    assert cloud.sink.stored[0].thing_id == TANK
    assert (await cloud.send(to="named", message_id="msg_2"))[0] == 403


async def test_of_a_batch_all_is_stored_but_what_the_cloud_may_not_say(cloud: Cloud) -> None:
    foreign = EVENT | {"id": "e2", "subject": "elsewhere"}
    unnamed = {name: value for name, value in EVENT.items() if name != "subject"} | {"id": "e3"}
    events = [EVENT, foreign, unnamed, EVENT | {"id": "e4"}]
    status, _, problem = await cloud.send(events, media="application/cloudevents-batch+json")
    assert (status, [item["index"] for item in problem["items"]]) == (404, [1, 2])
    assert len(cloud.sink.stored) == 2
    assert len({message.message_id for message in cloud.sink.stored}) == 2


@pytest.mark.parametrize("by", ["header", "query"])
async def test_a_cloud_that_does_not_sign_brings_its_token(cloud: Cloud, by: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"} if by == "header" else {}
    to = "plain" if by == "header" else f"plain?access_token={TOKEN}"
    for _ in range(2):
        status, _, _ = await cloud.send(EVENT, media="application/cloudevents+json", to=to, headers=headers)
        assert status == 204
    assert len(cloud.sink.stored) == 1, "source and id tell it"
    assert (await cloud.send(EVENT, media="application/cloudevents+json", to="plain", headers={}))[0] == 401


async def test_only_what_is_proved_counts_against_the_rate(cloud: Cloud) -> None:
    for _ in range(20):
        assert (await cloud.send(to="slow", key=b"x" * 32))[0] == 401
    assert (await cloud.send(to="slow"))[0] == 204
    status, headers, problem = await cloud.send(to="slow", message_id="msg_2")
    assert (status, problem["code"], headers["Retry-After"]) == (429, "too_many_messages", "10")
    cloud.post.kit.clock.advance(10)
    assert (await cloud.send(to="slow", message_id="msg_2"))[0] == 204


async def test_a_sender_may_push_where_the_operator_lists_its_origin(cloud: Cloud) -> None:
    status, headers = await cloud.ask(WebHook_Request_Origin="events.example.com", WebHook_Request_Rate="120")
    assert status == 200
    assert headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert headers["WebHook-Allowed-Rate"] == "120"
    status, headers = await cloud.ask(WebHook_Request_Origin="events.example.com", WebHook_Request_Rate="999999")
    assert headers["WebHook-Allowed-Rate"] == "6000"
    status, headers = await cloud.ask(WebHook_Request_Origin="elsewhere.example.com")
    assert (status, "WebHook-Allowed-Origin" in headers) == (403, False)


async def test_each_hook_is_listed_with_how_it_does_and_without_its_secrets(cloud: Cloud) -> None:
    await cloud.send()
    await cloud.send(headers={})
    (status,) = [link for link in cloud.post.adapter.links() if link.name == "hook cloud"]
    assert status.state == "up"
    assert "1 messages, 1 without proof" in status.reason
    told = repr((cloud.post.adapter.links(), hook(tokens=(Secret(TOKEN),))))
    assert base64.b64encode(KEY).decode() not in told
    assert TOKEN not in told


async def test_what_cannot_be_read_says_why(cloud: Cloud) -> None:
    assert (await cloud.send({"type": "x"}))[2]["code"] == "malformed"
    assert (await cloud.send(ENVELOPE, media="text/plain"))[0] == 415
    assert (await cloud.send([], media="application/senml+json"))[0] == 400
    assert (await cloud.send(to="nowhere"))[2]["code"] == "unknown_hook"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": ()},
        {"secrets": (Secret("whsec_c2hvcnQ="),)},
        {"secrets": (Secret("?"),)},
        {"tokens": (Secret("x"),)},
    ],
)
def test_a_hook_that_could_prove_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        HttpConfig(hooks={"cloud": hook(**wrong)})
    assert "c2hvcnQ" not in str(refused.value)
