"""Posting readings over a real socket: acknowledgement, identity of messages, and every error."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from http_device import Post, connected

from actors.model.readings import Principal, PrincipalKind, Reading, ReadingRefusal
from protocols.testing import (
    OWNER,
    TANK,
    ProtocolAdapterContract,
    ProtocolKit,
    sample_profile,
    sample_thing,
)

LEVEL = {"readings": [{"name": "level", "value": 41.5, "unit": "%"}]}
SENML = [{"bn": "urn:dev:tank:", "n": "level", "u": "%", "v": 41.5}]


@pytest.fixture
async def post() -> AsyncGenerator[Post]:
    async with connected(ProtocolKit()) as device:
        yield device


class TestHttpContract(ProtocolAdapterContract):
    """The contract of all protocol adapters."""

    def connect(self, kit: ProtocolKit) -> Any:
        return connected(kit)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/json", json.dumps(LEVEL).encode()),
        ("application/json; charset=utf-8", b'{"name": "level", "value": 41.5, "unit": "%"}'),
        ("application/senml+json", json.dumps(SENML).encode()),
        ("application/senml+cbor", cbor2.dumps([{-2: "urn:dev:tank:", 0: "level", 1: "%", 2: 41.5}])),
    ],
)
async def test_each_media_type_brings_the_reading(post: Post, media: str, body: bytes) -> None:
    async with post(body=body, media=media) as response:
        assert response.status == 204
        assert await response.read() == b""
    (message,) = post.kit.sink.stored
    assert message.readings == (Reading(name="level", value=41.5, unit="%"),)
    assert (message.thing_id, message.protocol, message.received_at) == (TANK, "http", post.kit.clock.now())


async def test_relative_times_refer_to_the_hubs_clock(post: Post) -> None:
    async with post([{"n": "level", "t": -60, "v": 1}], media="application/senml+json") as response:
        assert response.status == 204
    assert post.kit.sink.stored[0].readings[0].observed_at == post.kit.clock.now() - timedelta(seconds=60)


async def test_names_of_the_wire_become_the_profiles_properties(post: Post) -> None:
    profile = sample_profile()
    mapped = type(profile)(
        **{f: getattr(profile, f) for f in profile.__struct_fields__} | {"sources": {"http": {"level": "lvl"}}}
    )
    post.kit.things.register(sample_thing(profile=mapped))
    async with post({"name": "lvl", "value": 3}) as response:
        assert response.status == 204
    assert post.kit.sink.stored[0].readings[0].name == "level"


async def test_boot_and_sequence_number_are_the_identity(post: Post) -> None:
    for expected in (None, "true"):
        async with post(LEVEL | {"boot": "b1", "seq": 7}, Idempotency_Key="other") as response:
            assert response.status == 204
            assert response.headers["Iot2crm-Message-Id"] == "b1:7"
            assert response.headers.get("Iot2crm-Duplicate") == expected
    assert [message.message_id for message in post.kit.sink.stored] == ["b1:7"]
    assert post.adapter.counters()["duplicates"] == 1


async def test_the_idempotency_key_is_the_next_best_identity(post: Post) -> None:
    for key in ("k-1", '"k-1"', "k-2"):
        async with post(LEVEL, Idempotency_Key=key) as response:
            assert response.status == 204
    assert [message.message_id for message in post.kit.sink.stored] == ["key:k-1", "key:k-2"]


async def test_a_body_that_names_its_times_is_its_own_identity(post: Post) -> None:
    timed = [{"n": "level", "t": 1.7e9, "v": 1}]
    for _ in range(2):
        async with post(timed, media="application/senml+json") as response:
            assert response.status == 204
    assert len(post.kit.sink.stored) == 1


async def test_the_same_value_later_is_a_message_of_its_own(post: Post) -> None:
    for _ in range(2):
        async with post(LEVEL) as response:
            assert response.status == 204
    assert len(post.kit.sink.stored) == 2


async def test_no_answer_comes_before_the_commit(post: Post) -> None:
    post.kit.sink.withhold()
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(post.report(41.5))
        await post.kit.sink.arrived(1)
        assert not answer.done()
        post.kit.sink.release()
    assert answer.result()


@dataclass
class Wrong:
    """A request that is refused, and what the device is told."""

    status: int
    code: str
    request: dict[str, Any]
    detail: str = ""


WRONG = [
    Wrong(401, "unauthenticated", {"data": LEVEL, "token": None}, "no bearer token"),
    Wrong(401, "unauthenticated", {"data": LEVEL, "token": "stolen"}, "nobody holds"),
    Wrong(401, "unauthenticated", {"data": LEVEL, "token": None, "Authorization": "Basic eDp5"}, "no bearer token"),
    Wrong(403, "foreign_thing", {"data": LEVEL, "thing": "tank-2"}, "speaks only for itself"),
    Wrong(403, "foreign_thing", {"data": LEVEL, "token": "owners"}, "speaks only for itself"),
    Wrong(404, "unknown_thing", {"data": LEVEL, "thing": "ghost", "token": "ghosts"}, "ghost is not registered"),
    Wrong(415, "unsupported", {"data": LEVEL, "media": "text/xml"}, "application/senml+cbor"),
    Wrong(415, "unsupported", {"body": gzip.compress(b"{}"), "Content_Encoding": "gzip"}, "expected identity"),
    Wrong(413, "too_large", {"body": b" " * 4097}, "up to 4096 bytes"),
    Wrong(400, "malformed", {"body": b""}, "JSON"),
    Wrong(400, "malformed", {"body": b'{"readings": ['}, "truncated"),
    Wrong(400, "malformed", {"data": {"name": "level"}}, "expected 'readings'"),
    Wrong(400, "malformed", {"data": [{"n": "a"}], "media": "application/senml+json"}, "record 0"),
    Wrong(400, "malformed", {"body": b"\xff", "media": "application/senml+cbor"}, "CBOR"),
    Wrong(400, "malformed", {"data": LEVEL, "Idempotency_Key": "two words"}, "Idempotency-Key"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.status} {wrong.detail}")
async def test_a_wrong_request_gets_a_problem_and_stores_nothing(wrong: Wrong) -> None:
    kit = ProtocolKit()
    kit.authenticator.principals["ghosts"] = Principal(kind=PrincipalKind.THING, name="ghost", thing_id="ghost")  # type: ignore[arg-type]
    kit.authenticator.principals["owners"] = Principal(kind=PrincipalKind.OWNER, name="o", owner_id=OWNER)
    async with connected(kit, max_body_bytes=4096, accept_gzip=False) as post, post(**wrong.request) as response:
        assert response.status == wrong.status
        assert response.content_type == "application/problem+json"
        problem = await response.json(content_type=None)
        assert problem["code"] == wrong.code
        assert problem["status"] == wrong.status
        assert wrong.detail in problem["detail"]
        assert problem["title"]
        assert problem["next_step"]
        assert problem["type"] == f"urn:iot2crm:problem:{wrong.code}"
        counts = post.adapter.counters()
    assert not kit.sink.received
    assert counts["malformed"] + counts["refused"] == 1
    assert wrong.code == "malformed" or counts[f"refused_{wrong.code}"] == 1


REFUSALS = {
    ReadingRefusal.UNKNOWN_THING: 404,
    ReadingRefusal.RETIRED_THING: 404,
    ReadingRefusal.FOREIGN_THING: 403,
    ReadingRefusal.EMPTY: 400,
    ReadingRefusal.UNKNOWN_PROPERTY: 422,
    ReadingRefusal.WRONG_UNIT: 422,
    ReadingRefusal.WRONG_TYPE: 422,
    ReadingRefusal.OUT_OF_RANGE: 422,
    ReadingRefusal.BUSY: 503,
    ReadingRefusal.STORAGE_DOWN: 503,
    ReadingRefusal.INTERNAL: 500,
    ReadingRefusal.STOPPING: 503,
}


@pytest.mark.parametrize("code", ReadingRefusal)
async def test_each_refusal_of_the_inside_has_its_status(post: Post, code: ReadingRefusal) -> None:
    post.kit.sink.refuse(code, "level is 400 %, the profile says 0 to 100")
    async with post(LEVEL) as response:
        assert response.status == REFUSALS[code]
        problem = await response.json(content_type=None)
        assert ("Retry-After" in response.headers) == (response.status == 503)
    assert (problem["code"], problem["detail"]) == (code, "level is 400 %, the profile says 0 to 100")


@pytest.mark.parametrize(("told_s", "header"), [(2.2, "3"), (0.0, "1"), (None, "7")])
async def test_busy_says_when_to_come_again(told_s: float | None, header: str) -> None:
    kit = ProtocolKit()
    kit.sink.refuse(ReadingRefusal.BUSY, retry_after_s=told_s)
    async with connected(kit, retry_after_s=7.0) as post, post(LEVEL) as response:
        assert response.headers["Retry-After"] == header


async def test_a_message_not_stored_in_time_is_not_acknowledged() -> None:
    kit = ProtocolKit()
    kit.sink.withhold()
    async with connected(kit, reply_within_s=0.05) as post:
        async with post(LEVEL) as response:
            assert response.status == 503
            assert (await response.json(content_type=None))["code"] == "not_stored_yet"
        kit.sink.release()
        assert len(kit.sink.stored) == 1


async def _trickle(size: int) -> AsyncGenerator[bytes]:
    for _ in range(size // 1024):
        yield b" " * 1024


async def test_a_body_of_unknown_length_is_cut_at_the_limit() -> None:
    async with connected(ProtocolKit(), max_body_bytes=4096) as post, post(body=_trickle(1024 * 1024)) as response:
        assert response.status == 413


async def test_gzip_is_taken_where_allowed_and_bounded_after_unpacking() -> None:
    async with connected(ProtocolKit(), accept_gzip=True, max_body_bytes=4096) as post:
        small, bomb = json.dumps(LEVEL).encode(), b" " * 1_000_000
        for body, status in ((gzip.compress(small), 204), (gzip.compress(bomb), 413), (small, 400)):
            async with post(body=body, Content_Encoding="gzip") as response:
                assert response.status == status


async def test_a_slow_body_is_given_up() -> None:
    stalled = asyncio.Event()

    async def never_ending() -> AsyncGenerator[bytes]:
        yield b"{"
        await stalled.wait()

    async with connected(ProtocolKit(), body_within_s=0.05) as post, post(body=never_ending()) as response:
        assert response.status == 408
        stalled.set()
