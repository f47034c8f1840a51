"""CloudEvents in their three modes, batches, and keys under which a request is carried out once."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import cbor2
import pytest
from http_device import Post, connected

from actors.model.readings import ReadingRefusal
from protocols.testing import ProtocolKit

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
DATA = {"readings": [{"name": "level", "value": 41.5, "unit": "%"}]}


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    told = {"specversion": "1.0", "id": f"e{number}", "source": "urn:tank", "type": "com.example.level", "data": DATA}
    return told | changes


@pytest.fixture
async def post() -> AsyncGenerator[Post]:
    async with connected(ProtocolKit(), max_body_bytes=64 * 1024) as device:
        yield device


async def status(request: Any) -> tuple[int, dict[str, Any]]:
    async with request as response:
        body = await response.read()
        return response.status, json.loads(body) if body else dict(response.headers)


SENML = [{"n": "level", "u": "%", "v": 41.5}]
PACKED = base64.b64encode(cbor2.dumps([{0: "level", 1: "%", 2: 41.5}])).decode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": "application/senml+json", "data": SENML},
        {"datacontenttype": "application/senml+cbor", "data": None, "data_base64": PACKED},
        {"data": None, "data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()},
        {"subject": "tank-1", "traceparent": "00-1-2-00"},
    ],
)
async def test_an_event_brings_its_readings(post: Post, changes: dict[str, Any]) -> None:
    told = {name: value for name, value in event(**changes).items() if value is not None}
    assert (await status(post(told, media=STRUCTURED)))[0] == 204
    (reading,) = post.kit.sink.stored[0].readings
    assert (reading.name, reading.value, reading.unit) == ("level", 41.5, "%")


async def test_an_event_in_headers_brings_its_readings(post: Post) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "urn:t%C3%A4nk", "ce-type": "t"}
    assert (await status(post(DATA, **headers)))[0] == 204
    assert post.kit.sink.stored[0].message_id.startswith("ce:")


async def test_source_and_id_are_an_events_identity_in_every_mode(post: Post) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "urn:tank", "ce-type": "t"}
    sent = (post(event(), media=STRUCTURED), post([event()], media=BATCHED), post(DATA, **headers))
    assert [(await status(request))[0] for request in sent] == [204, 204, 204]
    assert len(post.kit.sink.stored) == 1
    assert post.adapter.counters()["duplicates"] == 2


async def test_an_events_time_is_that_of_readings_without_one(post: Post) -> None:
    await status(post(event(time="2025-12-31T23:59:00+01:00"), media=STRUCTURED))
    (reading,) = post.kit.sink.stored[0].readings
    assert reading.observed_at is not None
    assert reading.observed_at.isoformat() == "2025-12-31T22:59:00+00:00"


async def test_what_an_event_tells_relative_to_its_own_time_is_in_the_devices_time(post: Post) -> None:
    told = event(
        time="2025-12-31T22:59:00Z",
        datacontenttype="application/senml+json",
        data=[{"n": "level", "t": -60, "v": 41.5}],
    )
    await status(post(told, media=STRUCTURED))
    (reading,) = post.kit.sink.stored[0].readings
    assert (str(reading.observed_at), reading.by_receipt) == ("2025-12-31 22:58:00+00:00", False)


WRONG_EVENTS = [
    ({"specversion": "0.3"}, "specversion: expected 1.0"),
    ({"id": ""}, "$.id"),
    ({"time": "yesterday"}, "$.time"),
    ({"datacontenttype": "text/xml"}, "datacontenttype"),
    ({"data_base64": "e30="}, "got both"),
    ({"data": {"nothing": 1}}, "JSON"),
    ({"datacontenttype": "application/senml+cbor"}, "data_base64"),
]


@pytest.mark.parametrize(("changes", "detail"), WRONG_EVENTS)
async def test_a_wrong_event_is_told_where(post: Post, changes: dict[str, Any], detail: str) -> None:
    code, problem = await status(post(event(**changes), media=STRUCTURED))
    assert (code, problem["code"]) == (400, "malformed")
    assert detail in problem["detail"]


async def test_a_batch_of_plain_messages_is_stored_one_by_one(post: Post) -> None:
    batch = [{"boot": "b", "seq": number, **DATA} for number in range(3)]
    code, headers = await status(post(batch))
    assert (code, headers["Iot2crm-Stored"]) == (204, "3")
    assert [message.message_id for message in post.kit.sink.stored] == ["b:0", "b:1", "b:2"]


async def test_a_batch_in_which_one_message_cannot_be_read_stores_nothing(post: Post) -> None:
    code, problem = await status(post([DATA, {"name": 7}]))
    assert (code, [item["index"] for item in problem["items"]]) == (400, [1])
    assert not post.kit.sink.received


async def test_a_batch_tells_which_messages_were_not_stored(post: Post) -> None:
    post.kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=3.0)
    code, problem = await status(post([event(1), event(2)], media=BATCHED))
    assert (code, problem["code"], [item["index"] for item in problem["items"]]) == (503, "busy", [0, 1])


@pytest.mark.parametrize("body", [b"[]", b"[" + b"{}," * 1000 + b"{}]", b"[[", b"[1,"])
async def test_no_batch_and_too_large_a_batch_are_refused(post: Post, body: bytes) -> None:
    assert (await status(post(body=body)))[0] == 400


async def test_the_same_key_and_body_get_the_stored_reply(post: Post) -> None:
    replies = [await status(post(DATA, Idempotency_Key="k")) for _ in range(2)]
    assert [code for code, _ in replies] == [204, 204]
    assert replies[0][1]["Iot2crm-Message-Id"] == replies[1][1]["Iot2crm-Message-Id"]
    assert len(post.kit.sink.received) == 1


async def test_the_same_key_with_another_body_is_refused(post: Post) -> None:
    await status(post(DATA, Idempotency_Key="k"))
    code, problem = await status(post({"name": "level", "value": 3}, Idempotency_Key="k"))
    assert (code, problem["code"]) == (422, "key_reused")


async def test_a_key_under_way_is_not_begun_again(post: Post) -> None:
    post.kit.sink.withhold()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(status(post(DATA, Idempotency_Key="k")))
        await post.kit.sink.arrived(1)
        code, problem = await status(post(DATA, Idempotency_Key="k"))
        assert (code, problem["code"]) == (409, "in_flight")
        post.kit.sink.release()
    assert first.result()[0] == 204


async def test_a_key_whose_request_was_refused_is_free_again(post: Post) -> None:
    post.kit.sink.refuse(ReadingRefusal.BUSY)
    assert (await status(post(DATA, Idempotency_Key="k")))[0] == 503
    post.kit.sink.store()
    assert (await status(post(DATA, Idempotency_Key="k")))[0] == 204


BROKEN = {
    "cut": gzip.compress(b"{}" * 99)[:-9],
    "followed": gzip.compress(b"{}") + b"more",
    "no gzip": b"{}",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_gzip_body_is_told_so(post: Post, name: str) -> None:
    code, problem = await status(post(body=BROKEN[name], Content_Encoding="gzip"))
    assert (code, problem["code"]) == (400, "malformed")
    assert "gzip" in problem["detail"]


async def test_a_bomb_is_given_up_at_the_bound(post: Post) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 64 * 1024
    assert (await status(post(body=bomb, Content_Encoding="gzip")))[0] == 413
