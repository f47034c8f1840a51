"""What devices must not send, to a running hub: each gets a clear error, it is counted, and the hub lives on."""

import json
import socket
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cbor2
import pytest
from aiocoap import POST, Code, Context, Message
from free_ports import free_port
from real_hub import RealHub, real_hub

HTTP = "application/json"
SENML = "application/senml+json"
CBOR = "application/senml+cbor"
INK = {"boot": "b9", "seq": 1, "readings": [{"name": "ink", "value": 50.0}]}
BAD_HTTP: dict[str, tuple[str, str, str, Any, int, str]] = {
    "json that breaks off": ("printer-0", "printer-0", HTTP, b'{"readings": [', 400, "malformed"),
    "json that is no report": ("printer-0", "printer-0", HTTP, b"[1, 2]", 400, "malformed"),
    "json that is no text": ("printer-0", "printer-0", HTTP, b"\xff\xfe\x00", 400, "malformed"),
    "senml without a value": ("printer-0", "printer-0", SENML, [{"n": "ink"}], 400, "malformed"),
    "senml that is no list": ("printer-0", "printer-0", SENML, {"n": "ink", "v": 1}, 400, "malformed"),
    "cbor that breaks off": ("printer-0", "printer-0", CBOR, b"\x9f\xa1", 400, "malformed"),
    "cbor of another kind": ("printer-0", "printer-0", CBOR, cbor2.dumps("ink"), 400, "malformed"),
    "cbor nested too deeply": ("printer-0", "printer-0", CBOR, b"\x81" * 60_000, 400, "malformed"),
    "another media type": ("printer-0", "printer-0", "text/csv", b"ink,50", 415, "unsupported"),
    "an unknown thing": ("printer-0", "nobody", HTTP, INK, 403, "foreign_thing"),
    "a foreign token": ("printer-1", "printer-0", HTTP, INK, 403, "foreign_thing"),
    "an unknown token": ("", "printer-0", HTTP, INK, 401, "unauthenticated"),
    "a wrong unit": ("printer-0", "printer-0", SENML, [{"n": "ink", "u": "kg", "v": 1}], 422, "wrong_unit"),
    "an unknown unit": ("printer-0", "printer-0", SENML, [{"n": "ink", "u": "furlong", "v": 1}], 422, "wrong_unit"),
    "an unknown property": ("printer-0", "printer-0", SENML, [{"n": "oil", "v": 1}], 422, "unknown_property"),
    "a wrong type": ("printer-0", "printer-0", SENML, [{"n": "ink", "vs": "full"}], 422, "wrong_type"),
    "out of range": ("printer-0", "printer-0", SENML, [{"n": "ink", "v": 101}], 422, "out_of_range"),
    "an oversized body": ("printer-0", "printer-0", HTTP, b" " * (2 * 1024 * 1024), 413, "too_large"),
}
BAD_COAP: dict[str, tuple[str, int, Any, str, str]] = {
    "json that breaks off": ("tank-0", 50, b'{"readings": [', "4.00", "truncated"),
    "senml that is no list": ("tank-0", 110, {"n": "ink", "v": 1}, "4.00", "expected an array of records"),
    "cbor that breaks off": ("tank-0", 112, b"\x9f\xa1", "4.00", "before byte 2"),
    "an unknown format": ("tank-0", 0, b"ink 50", "4.15", "expected one of 50"),
    "an unknown thing": ("nobody", 110, [{"n": "ink", "v": 1}], "4.04", "nobody is not registered"),
    "another's address": (
        "tank-1",
        110,
        [{"n": "ink", "v": 1}],
        "4.01",
        "not the address that tank-1 is connected with",
    ),
    "a wrong unit": ("tank-0", 110, [{"n": "ink", "u": "kg", "v": 1}], "4.22", "does not convert to '%'"),
    "out of range": ("tank-0", 110, [{"n": "ink", "v": 101}], "4.22", "expected 0 to 100 %"),
    "an oversized body": ("tank-0", 110, b" " * (80 * 1024), "4.13", "up to 65536 bytes"),
}


def body_of(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


async def counted(hub: RealHub, protocol: str) -> dict[str, float]:
    prefix = f"iot2crm_protocol_{protocol}_"
    lines = [line for line in (await hub.text("/metrics")).splitlines() if line.startswith(prefix)]
    named = {line.split()[0].removeprefix(prefix): float(line.split()[1]) for line in lines}
    return {name.removesuffix("_total"): value for name, value in named.items()}


async def register_tank(hub: RealHub, thing: str, address: str) -> None:
    told = {
        "thing_id": thing,
        "owner_id": "acme",
        "profile": "printer_xl",
        "connection": {"protocol": "coap", "options": {"address": address}},
    }
    headers = {"Authorization": f"Bearer {(hub.place.data_dir / 'owner.token').read_text().strip()}"}
    async with hub.session.post(f"{hub.place.hub.url}/api/v1/things", json=told, headers=headers) as reply:
        assert reply.status == 201, await reply.text()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RealHub]:
    async with real_hub(tmp_path) as hub:
        await hub.begin()
        yield hub


async def refused_over_http(hub: RealHub, case: tuple[str, str, str, Any, int, str]) -> None:
    holder, thing, media_type, content, status, code = case
    headers = {"Authorization": f"Bearer {hub.tokens.get(holder, 'nobody')}", "Content-Type": media_type}
    url = f"{hub.place.hub.url}/things/{thing}/readings"
    async with hub.session.post(url, data=BytesIO(body_of(content)), headers=headers) as reply:
        assert (reply.status, reply.content_type) == (status, "application/problem+json")
        problem = await reply.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["detail"]
    assert problem["next_step"]


async def test_every_bad_request_over_http_is_told_counted_and_survived(hub: RealHub) -> None:
    for case in BAD_HTTP.values():
        await refused_over_http(hub, case)
    counts = await counted(hub, "http")
    codes = [code for *_, code in BAD_HTTP.values()]
    assert counts["malformed"] == codes.count("malformed")
    assert counts["refused"] == len(codes) - codes.count("malformed")
    assert all(counts[f"refused_{code}"] == codes.count(code) for code in set(codes) - {"malformed"})
    assert json.loads(await hub.text("/healthz"))["state"] == "ok"
    await hub.report("printer-0", 1, 50.0)
    await hub.place.hub.stop()
    assert hub.place.evidence().messages == 1


async def test_every_bad_request_over_coap_is_told_counted_and_survived(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    more = f'\n[protocols.coap]\nport = {port}\nplain_from = ["127.0.0.1"]\n'
    async with real_hub(tmp_path, more=more) as hub:
        await hub.begin()
        await register_tank(hub, "tank-0", "127.0.0.1")
        await register_tank(hub, "tank-1", "127.0.0.9")
        device = await Context.create_client_context(transports=["udp6"])
        try:
            for case in BAD_COAP.values():
                await refused_over_coap(device, port, case)
            good = await sent_over_coap(device, port, "tank-0", 50, INK)
            assert good.code is Code.CHANGED
        finally:
            await device.shutdown()
        counts = await counted(hub, "coap")
        assert counts["accepted"] == 1
        assert counts["refused"] + counts["malformed"] == len(BAD_COAP)
        assert json.loads(await hub.text("/healthz"))["state"] == "ok"


async def sent_over_coap(device: Context, port: int, thing: str, form: int, content: Any) -> Message:
    request = Message(code=POST, payload=body_of(content), uri=f"coap://127.0.0.1:{port}/t/{thing}")
    request.opt.content_format = form
    return await device.request(request).response


async def refused_over_coap(device: Context, port: int, case: tuple[str, int, Any, str, str]) -> None:
    thing, form, content, code, told = case
    answer = await sent_over_coap(device, port, thing, form, content)
    assert answer.code.dotted == code
    assert told in answer.payload.decode()
