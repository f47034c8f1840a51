"""DTLS with pre-shared keys (experimental), spoken by libcoap: the key says who it is, and a wrong one is refused."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from coap_wire import asked, coap_listening, post, udp_peer
from free_ports import free_port
from libcoap import NoLibcoap, client

from actors.model.secrets import Secret
from protocols.coap import CoapConfig
from protocols.coap.config import DtlsConfig
from protocols.testing import DEADLINE_S, TANK, ProtocolKit

KEY = b"secretPSK-of-tank"
KEYS = {TANK: DtlsConfig(identity="tank", key=Secret(KEY.hex()))}
PACK = json.dumps([{"n": "level", "v": 41.5}])


@asynccontextmanager
async def secured_hub(kit: ProtocolKit, **config: Any) -> AsyncGenerator[int]:
    pytest.importorskip("DTLSSocket", reason="DTLSSocket is not installed (extra dtls; needs autoconf)")
    port = free_port(socket.SOCK_DGRAM)
    async with coap_listening(kit, **({"dtls_port": port, "dtls": KEYS} | config)):
        yield port


async def report(port: int, key: bytes, kind: str = "openssl") -> str:
    try:
        found = await asyncio.to_thread(client, kind)
    except NoLibcoap as why:
        pytest.skip(str(why))
    options = ["-B", "3", "-v", "7", "-m", "post", "-t", "110", "-e", PACK, "-k", key.decode(), "-u", "tank"]
    url = f"coaps://127.0.0.1:{port}/t/{TANK}"
    process = await asyncio.create_subprocess_exec(
        found,
        *options,
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(3 * DEADLINE_S):
        printed, _ = await process.communicate()
    return printed.decode(errors="replace")


@pytest.mark.parametrize("kind", ["openssl", "gnutls"])
async def test_a_reading_under_the_things_key_is_its_own(kind: str) -> None:
    kit = ProtocolKit()
    async with secured_hub(kit, plain_from=()) as port:
        assert "2.04" in await report(port, KEY, kind)
    principal, message = kit.sink.received[0]
    assert (principal.thing_id, message.readings[0].value) == (TANK, 41.5)


async def test_a_wrong_key_is_refused() -> None:
    kit = ProtocolKit()
    async with secured_hub(kit) as port:
        assert "2.04" not in await report(port, b"another key")
    assert not kit.sink.received


async def test_plain_coap_is_refused_for_a_thing_with_a_key() -> None:
    pytest.importorskip("DTLSSocket", reason="DTLSSocket is not installed")
    async with coap_listening(ProtocolKit(), dtls_port=free_port(socket.SOCK_DGRAM), dtls=KEYS) as (_, address):
        with udp_peer() as peer:
            assert (await asked(peer, address, post(1)))[1] == 0x81


async def test_sessions_are_bounded() -> None:
    kit = ProtocolKit()
    async with secured_hub(kit, dtls_sessions=2) as port:
        for _ in range(4):
            assert "2.04" in await report(port, KEY)
    assert len(kit.sink.received) == 4


def test_keys_without_a_port_or_in_another_form_are_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="dtls_port"):
        CoapConfig(dtls=KEYS)
    with pytest.raises(ValueError, match="8 to 32 bytes"):
        DtlsConfig(identity="tank", key=Secret("abc"))
