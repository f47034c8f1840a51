"""Owners are told at endpoints of their own what happens to their things: signed, again until taken, over restarts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fake_crm import FakeCrm
from firm import PROFILE
from msgspec.structs import replace
from receiver import Receiver, receiving, signatures
from served_hub import MANDATE, Client, served_hub, thing

from actors.model.profiles import ActionSpec
from hub.config import WebhooksConfig

HERE = WebhooksConfig(internal_hosts=("127.0.0.1",))


async def registered(operator: Client, receiver: Receiver, **changes: Any) -> dict[str, Any]:
    status, told = await operator.post("/api/v1/endpoints", {"url": receiver.url, "owner_id": "firm", **changes})
    assert status == 201, told
    found: dict[str, Any] = told
    return found


async def shown(operator: Client, endpoint: dict[str, Any]) -> dict[str, Any]:
    status, told = await operator.get(f"/api/v1/endpoints/{endpoint['endpoint_id']}")
    assert status == 200, told
    found: dict[str, Any] = told
    return found


async def shown_as(
    operator: Client, endpoint: dict[str, Any], state: str, waiting: int | None = None
) -> dict[str, Any]:
    """Wait until an endpoint is in a state (and so many wait for it), and return it."""
    async with asyncio.timeout(30):
        while True:
            told = await shown(operator, endpoint)
            if told["state"] == state and waiting in {None, told["waiting"]}:
                return told
            await asyncio.sleep(0.01)


async def order(operator: Client) -> None:
    """Let the printer need ink, and wait until it is ordered."""
    await operator.post("/api/v1/mandates", MANDATE)
    await (await operator.registered()).report({"ink": 5.0})
    await operator.order_in("confirmed")


@pytest.mark.parametrize("shards", [1, 4])
async def test_an_owner_is_told_what_becomes_of_a_need_in_order_and_signed(tmp_path: Path, shards: int) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE, shards=shards) as operator:
        endpoint = await registered(operator, receiver)
        await order(operator)
        await receiver.until(lambda r: ("order.changed", "confirmed") in r.told)
        topics = [topic for topic, _ in receiver.told]
        assert topics[0] == "need.opened"
        states = [state for topic, state in receiver.told if topic == "order.changed"]
        assert states == ["approved", "placing", "placed", "confirmed"]
        assert all(signatures(endpoint["secret"], headers, body) == [True] for headers, body in receiver.heard)
        assert len(set(receiver.ids)) == len(receiver.ids)
        data = json.loads(receiver.heard[-1][1])["data"]
        assert (data["thing_id"], data["owner_id"], bool(data["sentence"])) == ("printer-1", "firm", True)
        assert receiver.most_open == 1
        assert (await shown_as(operator, endpoint, "up"))["failing_since"] is None


async def test_an_owner_is_told_why_a_need_ended_and_reads_it_at_the_need(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        await registered(operator, receiver, topics=["need.ended"])
        await operator.post("/api/v1/mandates", MANDATE)
        printer = await operator.registered()
        await printer.report({"ink": 5.0})
        await operator.order_in("confirmed")
        await printer.report({"ink": 100.0})
        await receiver.until(lambda r: len(r.heard) == 1)
        told = json.loads(receiver.heard[0][1])
        assert (told["type"], told["data"]["code"], told["data"]["subject"]) == ("need.ended", "met", "black")
        _, (need,) = await operator.get("/api/v1/needs")
        assert (need["is_open"], need["closed_because"], need["code"]) == (False, told["data"]["sentence"], "met")


async def test_what_is_not_taken_comes_again_under_its_id_also_after_a_restart(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.status = 500
        async with served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
            endpoint = await registered(operator, receiver, topics=["order.changed"])
            await order(operator)
            await receiver.until(lambda r: len(r.heard) >= 2)
            told = await shown_as(operator, endpoint, "failing", waiting=4)
            assert told["last_failure"] == "it answered 500"
        assert len(set(receiver.ids)) == 1, "the next one waits for the first"
        receiver.status = 200
        async with served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
            await receiver.until(lambda r: ("order.changed", "confirmed") in r.told)
            told = await shown_as(operator, endpoint, "up", waiting=0)
            assert (told["dropped"], told["delivered"], len(set(receiver.ids))) == (0, 4, 4)
        first = receiver.ids[0]
        again = [headers for headers, _ in receiver.heard if headers["webhook-id"] == first]
        assert len(again) >= 3
        assert all(signatures(endpoint["secret"], headers, body) == [True] for headers, body in receiver.heard)


async def test_gone_disables_at_once_and_enabling_goes_on(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        receiver.status = 410
        endpoint = await registered(operator, receiver)
        await order(operator)
        told = await shown_as(operator, endpoint, "disabled")
        assert "410 Gone" in told["disabled"]
        assert len(receiver.heard) == 1
        receiver.status = 204
        status, told = await operator.post(f"/api/v1/endpoints/{endpoint['endpoint_id']}/enable")
        assert (status, told["disabled"]) == (200, "")
        await receiver.until(lambda r: len(r.heard) >= 2)
        assert receiver.ids[1] == receiver.ids[0]


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        receiver.status, receiver.headers = 302, {"Location": receiver.url + "?elsewhere"}
        endpoint = await registered(operator, receiver)
        told = await operator.post(f"/api/v1/endpoints/{endpoint['endpoint_id']}/test")
        assert told[1]["delivered"] is False
        assert "redirects are not followed" in told[1]["detail"]
        assert len(receiver.heard) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://0x7f000001/hook",
        "https://localhost/hook",
        "http://example.com/hook",
        "https://user:secret@example.com/hook",
        "file:///etc/passwd",
        "nonsense",
        "https://example.com:99999/",
    ],
)
async def test_addresses_inside_are_refused(tmp_path: Path, url: str) -> None:
    async with served_hub(tmp_path, FakeCrm()) as operator:
        status, problem = await operator.post("/api/v1/endpoints", {"url": url, "owner_id": "firm"})
        assert (status, problem["code"]) == (422, "unusable_url")
        assert problem["next_step"]


async def test_a_name_that_leads_inside_is_refused_when_it_is_spoken_to(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        endpoint = await registered(operator, receiver)
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm()) as operator:
        _, told = await operator.post(f"/api/v1/endpoints/{endpoint['endpoint_id']}/test")
        assert told["delivered"] is False
        assert "nothing was sent" in told["detail"]


async def test_a_new_secret_signs_beside_the_former_one(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        endpoint = await registered(operator, receiver)
        path = f"/api/v1/endpoints/{endpoint['endpoint_id']}"
        status, changed = await operator.post(f"{path}/secret")
        assert status == 201
        assert changed["secret"] != endpoint["secret"]
        assert (await operator.post(f"{path}/test"))[1] == {"delivered": True, "detail": "it answered 204"}
        headers, body = receiver.heard[0]
        assert signatures(changed["secret"], headers, body) == [True, False]
        assert signatures(endpoint["secret"], headers, body) == [False, True]
        told = json.dumps([await shown(operator, endpoint), await operator.get("/api/v1/endpoints")])
        assert "whsec_" not in told


async def test_owners_have_their_own_endpoints_and_hear_of_their_own_things(tmp_path: Path) -> None:
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=HERE) as operator:
        other = await operator.owner("other")
        endpoint = await registered(other, receiver, owner_id="other")
        assert (await operator.with_token("").post("/api/v1/endpoints", {"url": receiver.url}))[0] == 401
        assert (await other.post("/api/v1/endpoints", {"url": receiver.url, "owner_id": "firm"}))[0] == 404
        firm = await operator.owner("firm")
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/secret"), ("POST", "/enable")):
            status, _ = await firm.ask(method, f"/api/v1/endpoints/{endpoint['endpoint_id']}{path}")
            assert status == 404
        assert (await firm.get("/api/v1/endpoints"))[1] == []
        await order(operator)
        await operator.quiet()
        assert not receiver.heard


async def test_a_deleted_endpoint_hears_nothing_and_only_so_many_may_be(tmp_path: Path) -> None:
    limits = WebhooksConfig(internal_hosts=("127.0.0.1",), most_endpoints=1)
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), webhooks=limits) as operator:
        endpoint = await registered(operator, receiver)
        again = {"url": receiver.url, "owner_id": "firm"}
        assert (await operator.post("/api/v1/endpoints", again))[1]["code"] == "too_many_endpoints"
        path = f"/api/v1/endpoints/{endpoint['endpoint_id']}"
        assert (await operator.ask("DELETE", path))[0] == 200
        assert (await operator.get(path))[0] == 404
        await order(operator)
        await operator.quiet()
        assert not receiver.heard
        assert (await operator.post("/api/v1/endpoints", again))[0] == 201


async def test_commands_tell_how_they_ended(tmp_path: Path) -> None:
    profile = replace(PROFILE, actions={"reset": ActionSpec(title="Reset")})
    async with receiving() as receiver, served_hub(tmp_path, FakeCrm(), profile, webhooks=HERE) as operator:
        await registered(operator, receiver, topics=["command.ended"])
        await operator.post("/api/v1/things", thing())
        body = {"body": {"type": "invoke", "name": "reset"}, "reason": "a test", "within_s": 0.05}
        status, told = await operator.post("/api/v1/things/printer-1/commands", body)
        assert status == 202, told
        await receiver.until(lambda r: r.told == [("command.ended", "")])
        assert json.loads(receiver.heard[0][1])["data"]["outcome"]["code"] == "late"
