"""Owners command things that speak CoAP: the command is on disk, then a PUT or POST at the device, then the answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from coap_wire import ACK, CHANGED, GET, POST, PUT, options_of, payload_of, request, udp_peer
from firm import PROFILE
from msgspec.structs import replace
from served_hub import Client, served_hub

from actors.model.profiles import ActionSpec, PropertySpec
from hub.config.tables import ProtocolChoice
from protocols.coap import SPEC, CoapConfig

ABLE = replace(
    PROFILE,
    properties={**PROFILE.properties, "setpoint": PropertySpec(unit="%", minimum=0, maximum=100, writable=True)},
    actions={"clean": ActionSpec(title="Clean the head", arguments={"rounds": PropertySpec(minimum=1, maximum=3)})},
    sources={"coap": {"setpoint": "/setpoint", "clean": "/clean"}},
)


@asynccontextmanager
async def commanded(path: Path, peer: socket.socket) -> AsyncIterator[Client]:
    """Serve a hub with one thing, whose device is at the other end of this socket."""
    speaks = ProtocolChoice(name="coap", spec=SPEC, config=CoapConfig(port=0))
    async with served_hub(path, profile=ABLE, protocols=(speaks,)) as operator:
        options = {"uri": f"coap://127.0.0.1:{peer.getsockname()[1]}"}
        await operator.registered(connection={"protocol": "coap", "options": options})
        yield operator


async def asked(peer: socket.socket, code: int, answer: int = CHANGED) -> bytes:
    """Wait for a request of this method and answer it; the hub also observes, which is only acknowledged."""
    loop = asyncio.get_running_loop()
    while True:
        datagram, address = await loop.sock_recvfrom(peer, 2048)
        if datagram[1] == GET:
            peer.sendto(bytes([ACK, 0]) + datagram[2:4], address)
        elif datagram[1] == code:
            token = datagram[4 : 4 + (datagram[0] & 15)]
            message_id = int.from_bytes(datagram[2:4], "big")
            peer.sendto(request(message_id, code=answer, kind=ACK, token=token, body=b"so"), address)
            return datagram


async def test_a_property_is_written_at_the_device(tmp_path: Path) -> None:
    with udp_peer() as peer:
        async with commanded(tmp_path, peer) as operator, asyncio.TaskGroup() as group:
            write = group.create_task(operator.ask("PUT", "/things/printer-1/properties/setpoint", 40))
            datagram = await asked(peer, PUT)
            assert [value for number, value in options_of(datagram) if number == 11] == [b"setpoint"]
            assert payload_of(datagram) == b"40"
        assert write.result()[0] == 204


async def test_a_device_that_refuses_an_action_tells_why(tmp_path: Path) -> None:
    with udp_peer() as peer:
        async with commanded(tmp_path, peer) as operator, asyncio.TaskGroup() as group:
            action = group.create_task(operator.post("/things/printer-1/actions/clean", {"rounds": 2}))
            assert payload_of(await asked(peer, POST, answer=0x85)) == b'{"rounds":2.0}'
        status, problem = action.result()
        assert (status, problem["code"]) == (409, "rejected")
        assert "4.05 so" in problem["detail"]


async def test_a_device_that_nobody_can_find_is_told_at_once(tmp_path: Path) -> None:
    with udp_peer() as peer:
        async with commanded(tmp_path, peer) as operator:
            peer.close()
            status, problem = await operator.ask("PUT", "/things/printer-1/properties/setpoint", 40)
        assert (status, problem["code"]) == (409, "unreachable")
