"""OSCORE (RFC 8613): who a thing is comes from its security context, and no sequence number is used twice."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiocoap import GET, POST, Context, Message
from aiocoap.numbers.codes import Code
from aiocoap.oscore import ContextUnavailable, NotAProtectedMessage
from coap_secured import SECRET, RawDevice, keep_client_context
from coap_wire import asked, coap_listening, payload_of, post, request, udp_peer

from actors.model.errors import StoreDown
from actors.model.ids import ThingId
from actors.model.secrets import Secret
from protocols.coap import CoapAdapter, CoapConfig
from protocols.coap.config import OscoreConfig
from protocols.coap.oscore import Contexts, ThingContext
from protocols.testing import TANK, ManualClock, MemoryStore, ProtocolKit, sample_thing

OSCORE = {TANK: OscoreConfig(secret=Secret(SECRET), thing_id="01")}
SENML = b'[{"n":"level","v":41.5}]'


class SecuredDevice:
    """A client with the context of ``TANK``."""

    def __init__(self, context: Context, url: str) -> None:
        self._context = context
        self._url = url

    async def send(self, path: str, body: bytes = b"", form: int | None = 110, **more: Any) -> Any:
        message: Any = Message(**({"code": POST, "payload": body, "uri": f"{self._url}/{path}"} | more))
        if form is not None and body:
            message.opt.content_format = form
        return await self._context.request(message).response


@asynccontextmanager
async def secured(adapter: CoapAdapter, folder: Path) -> AsyncGenerator[SecuredDevice]:
    context: Any = await Context.create_client_context(transports=["oscore", "udp6"])
    url = adapter.urls[0]
    context.client_credentials.load_from_dict({f"{url}/*": {"oscore": {"basedir": str(folder)}}})
    try:
        yield SecuredDevice(context, url)
    finally:
        context.client_credentials.clear()
        await context.shutdown()


@asynccontextmanager
async def hub(kit: ProtocolKit, **config: Any) -> AsyncGenerator[CoapAdapter]:
    async with coap_listening(kit, **({"oscore": OSCORE, "plain_from": ()} | config)) as (adapter, _):
        yield adapter


async def test_a_reading_in_the_things_context_is_its_own(tmp_path: Path) -> None:
    kit = ProtocolKit()
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        assert (await device.send(f"t/{TANK}", SENML)).code is Code.CHANGED
    principal, message = kit.sink.received[0]
    assert (principal.name, principal.thing_id) == (f"coap:secured:{TANK}", TANK)
    assert message.readings[0].value == 41.5


async def test_two_posts_with_the_same_bytes_are_two_messages(tmp_path: Path) -> None:
    kit = ProtocolKit()
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        for _ in range(2):
            assert (await device.send(f"t/{TANK}", SENML)).code is Code.CHANGED
    assert len(kit.sink.stored) == 2


async def test_large_packs_come_in_protected_blocks(tmp_path: Path) -> None:
    kit = ProtocolKit()
    pack = json.dumps([{"n": "level", "t": 1.7e9 + number, "v": 1} for number in range(100)]).encode()
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        assert (await device.send(f"t/{TANK}", pack)).code is Code.CHANGED
    assert len(kit.sink.stored[0].readings) == 100


async def test_a_context_speaks_for_no_other_thing(tmp_path: Path) -> None:
    kit = ProtocolKit()
    kit.things.register(sample_thing(ThingId("other"), options={"address": "127.0.0.1"}))
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        answer = await device.send("t/other", SENML)
        assert answer.code is Code.FORBIDDEN
        assert TANK in answer.payload.decode()
    assert not kit.sink.received


@pytest.mark.parametrize("more", [(), ((60, b"\x05"),)], ids=["small post", "full stack"])
async def test_plain_coap_is_refused_for_a_thing_with_a_context(more: tuple[tuple[int, bytes], ...]) -> None:
    kit = ProtocolKit()
    async with coap_listening(kit, oscore=OSCORE) as (_, address):
        with udp_peer() as peer:
            answer = await asked(peer, address, post(1, *more))
            assert answer[1] == 0x81
            assert b"plain CoAP is refused" in payload_of(answer)
    assert not kit.sink.received


async def test_another_secret_is_refused(tmp_path: Path) -> None:
    kit = ProtocolKit()
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c", "ff" * 16)) as device:
        with pytest.raises(NotAProtectedMessage) as refused:
            await device.send(f"t/{TANK}", SENML)
        assert refused.value.plain_message.code is Code.BAD_REQUEST
    assert not kit.sink.received


async def test_without_contexts_a_protected_request_gets_402() -> None:
    async with coap_listening(ProtocolKit()) as (_, address):
        with udp_peer() as peer:
            assert (await asked(peer, address, request(1, (9, b"\x09\x00\x01"), body=b"x" * 20)))[1] == 0x82


async def test_a_replayed_request_is_not_taken_again_even_by_a_restarted_hub(tmp_path: Path) -> None:
    kit, device = ProtocolKit(), RawDevice(keep_client_context(tmp_path / "c"))
    with udp_peer() as peer:
        async with coap_listening(kit, oscore=OSCORE) as (_, address):
            assert (await device.post(peer, address, 1)).code is Code.UNAUTHORIZED  # it must show that it is fresh
            assert (await device.post(peer, address, 2)).code is Code.CHANGED
            replay = device.sent[:2] + b"\0\x09" + device.sent[4:]
            assert b"Replay detected" in await asked(peer, address, replay)
        async with coap_listening(kit, oscore=OSCORE) as (_, address):
            assert (await asked(peer, address, replay))[1] == 0x44  # the code that every protected answer shows
            assert len(kit.sink.received) == 1


async def test_a_device_goes_on_after_the_hub_was_killed(tmp_path: Path) -> None:
    kit = ProtocolKit()
    async with AsyncExitStack() as first:
        adapter = await first.enter_async_context(hub(kit))
        port = int(adapter.urls[0].rpartition(":")[2])
        async with secured(adapter, keep_client_context(tmp_path / "c")) as device:
            assert (await device.send(f"t/{TANK}", SENML)).code is Code.CHANGED
            await first.aclose()
            async with hub(kit, port=port):
                assert (await device.send(f"t/{TANK}", SENML)).code is Code.CHANGED
    assert len(kit.sink.stored) == 2


async def test_what_is_not_on_disk_is_not_used(tmp_path: Path) -> None:
    kit = ProtocolKit()
    async with hub(kit) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        kit.store.is_down = True
        with pytest.raises(NotAProtectedMessage) as refused:
            await device.send(f"t/{TANK}", SENML)
        assert refused.value.plain_message.code is Code.SERVICE_UNAVAILABLE
        kit.store.is_down = False
        assert (await device.send(f"t/{TANK}", SENML)).code is Code.CHANGED


async def context_of(contexts: Contexts) -> ThingContext:
    await contexts.prepare({4: b"\x01"})
    return contexts.find_oscore({4: b"\x01"})


async def test_no_number_is_used_twice_by_hubs_that_are_killed_at_any_time() -> None:
    store, used = MemoryStore(), list[int]()
    for life in range(5):
        context = await context_of(Contexts(OSCORE, store, ManualClock().now))
        for _ in range(700 * life + 1):
            used.append(context.new_sequence_number())
            await asyncio.sleep(0)
    assert len(set(used)) == len(used)
    assert used == sorted(used)


async def test_a_hub_that_lost_its_records_begins_behind_all_that_was_used() -> None:
    clock = ManualClock()
    context = await context_of(Contexts(OSCORE, MemoryStore(), clock.now))
    last = [context.new_sequence_number() for _ in range(200)][-1]
    clock.advance(1)
    assert (await context_of(Contexts(OSCORE, MemoryStore(), clock.now))).new_sequence_number() > last


async def test_a_number_that_is_not_on_disk_is_refused() -> None:
    store = MemoryStore()
    context = await context_of(Contexts(OSCORE, store, ManualClock().now))
    store.is_down = True
    for _ in range(1000):
        context.new_sequence_number()
        await asyncio.sleep(0)
    with pytest.raises(ContextUnavailable):
        context.new_sequence_number()


async def test_a_first_use_that_cannot_be_written_leaves_no_context() -> None:
    store = MemoryStore()
    store.is_down = True
    contexts = Contexts(OSCORE, store, ManualClock().now)
    with pytest.raises(StoreDown):
        await contexts.prepare({4: b"\x01"})
    with pytest.raises(KeyError):
        contexts.find_oscore({4: b"\x01"})


async def test_the_observed_listing_is_protected_too(tmp_path: Path) -> None:
    async with hub(ProtocolKit()) as adapter, secured(adapter, keep_client_context(tmp_path / "c")) as device:
        answer = await device.send(".well-known/core", code=GET)
        assert b"</t>" in answer.payload


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"secret": Secret("0102")}, "16 to 64 bytes"),
        ({"secret": Secret("x" * 32)}, "16 to 64 bytes"),
        ({"hub_id": "01"}, "two that differ"),
    ],
)
def test_a_context_that_could_not_work_is_a_configuration_error(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        OscoreConfig(**({"secret": Secret(SECRET), "thing_id": "01"} | wrong))


def test_two_things_with_one_context_are_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="of its own"):
        CoapConfig(oscore={"a": OSCORE[TANK], "b": OSCORE[TANK]})
