"""Clients that are slow, speak no HTTP, or hold a token that ended: they cost the hub a line, not a thing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fake_crm import FakeCrm
from served_hub import MANDATE, Client, served_hub

from hub.config.tables import LimitsConfig

HURRIED = LimitsConfig(body_within_s=0.2)


async def exchanged(operator: Client, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the hub closes the connection."""
    host, port = operator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        await writer.drain()
        async with asyncio.timeout(9):  # before aiohttp by itself would stop to wait for the rest
            return await reader.read()
    finally:
        writer.close()


def begun(operator: Client, path: str, *headers: str) -> bytes:
    """Return the head of a POST whose body never ends."""
    lines = [f"POST {path} HTTP/1.1", "Host: hub", "Content-Type: application/json", "Content-Length: 100", *headers]
    return "\r\n".join([*lines, f"Authorization: Bearer {operator.token}", "", '{"a":']).encode()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/mandates", ()),
        ("/api/v1/mandates", ("Idempotency-Key: k1",)),
        ("/api/v1/things/import", ()),
        ("/crm/shop/webhook", ()),
    ],
)
async def test_a_body_that_does_not_end_gets_408_and_the_connection_is_closed(
    tmp_path: Path, path: str, headers: tuple[str, ...]
) -> None:
    async with served_hub(tmp_path, FakeCrm(webhooks=True), limits=HURRIED) as operator:
        answer = await exchanged(operator, begun(operator, path, *headers))
        assert answer.startswith(b"HTTP/1.1 408")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_late"


async def test_what_is_no_http_is_counted_and_leaves_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served_hub(tmp_path, FakeCrm()) as operator:
        for sent in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost\r\n\r\n", b"hello?\r\n\r\n"):
            assert b" 400 Bad Request" in await exchanged(operator, sent)
        assert (await operator.metrics())["iot2crm_http_unreadable_requests_total"] == 3
        shown = capsys.readouterr()
        assert "Traceback" not in caplog.text + shown.out + shown.err
        assert (shown.out + shown.err).count("request_unreadable") == 1


async def test_an_owners_tokens_end_at_once_and_no_stored_reply_outlives_them(tmp_path: Path) -> None:
    async with served_hub(tmp_path, FakeCrm()) as operator:
        first, second, other = await operator.owner("firm"), await operator.owner("firm"), await operator.owner("other")
        key = {"Idempotency-Key": "k1"}
        assert (await first.post("/api/v1/mandates", MANDATE, headers=key))[0] == 201
        assert (await other.ask("DELETE", "/api/v1/owners/firm/token"))[0] == 404
        assert await operator.ask("DELETE", "/api/v1/owners/firm/token") == (200, {"owner_id": "firm", "revoked": 2})
        assert [(await client.get("/api/v1/things"))[0] for client in (first, second, other)] == [401, 401, 200]
        assert (await first.post("/api/v1/mandates", MANDATE, headers=key))[0] == 401
        assert (await (await operator.owner("firm")).get("/api/v1/things"))[0] == 200
    async with served_hub(tmp_path, FakeCrm()) as operator:
        assert (await operator.with_token(first.token).get("/api/v1/things"))[0] == 401


async def test_an_owner_ends_its_own_tokens(tmp_path: Path) -> None:
    async with served_hub(tmp_path, FakeCrm()) as operator:
        firm = await operator.owner("firm")
        assert (await firm.ask("DELETE", "/api/v1/owners/firm/token"))[0] == 200
        assert (await firm.get("/api/v1/things"))[0] == 401


async def all_pages(client: Client, path: str) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    following: str | None = path
    while following is not None:
        status, page, following = await client.page(following)
        assert status == 200
        pages.append(page)
    return pages


async def test_orders_needs_and_approvals_come_in_pages(tmp_path: Path) -> None:
    async with served_hub(tmp_path, FakeCrm()) as operator:
        await operator.post("/api/v1/mandates", {**MANDATE, "approval_above": {"minor": 1, "currency": "EUR"}})
        for number in range(5):
            thing = await operator.registered(thing_id=f"printer-{number}")
            readings = {"readings": [{"name": "ink", "value": 5.0}]}
            assert (await thing.post(f"/things/printer-{number}/readings", readings))[0] == 204
        async with asyncio.timeout(30):
            while len((await operator.get("/api/v1/approvals"))[1]) < 5:  # noqa: ASYNC110 - as for others
                await asyncio.sleep(0.02)
        for kind in ("orders", "needs", "approvals"):
            pages = await all_pages(operator, f"/api/v1/{kind}?limit=2")
            assert [len(page) for page in pages] == [2, 2, 1]
            told = [row["need"]["thing_id"] if "need" in row else row["thing_id"] for page in pages for row in page]
            assert sorted(told) == [f"printer-{number}" for number in range(5)]
            if kind != "needs":
                raised = [row["passages"][0]["at"] for page in pages for row in page]
                assert raised == sorted(raised, reverse=True)
        assert (await operator.get("/api/v1/orders?after=printer-3"))[1]["next_step"].startswith("begin at the first")
        (page,) = await all_pages(operator, "/api/v1/orders?limit=2&thing_id=printer-3")
        assert [row["thing_id"] for row in page] == ["printer-3"]
        assert (await operator.get("/api/v1/orders?limit=0"))[0] == 422
        assert (await operator.with_token("").get("/api/v1/orders"))[0] == 401
