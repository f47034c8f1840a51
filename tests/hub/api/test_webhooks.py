"""Messages of CRMs at the hub's door: proved by the adapter, read again, and told to their order."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import firm
import pytest
from fake_crm import FakeCrm
from msgspec.structs import replace
from served_hub import MANDATE, Client, sent_raw, served_hub

from actors.model.orders import RecordKind
from actors.model.outcomes import AuthFailed, Heard, Permanent, RecordStatus, Transient, Unsupported
from actors.model.profiles import SkuChoice
from actors.model.secrets import Secret
from actors.ports import Webhook
from crm_adapters import dynamics, rest
from crm_adapters.dynamics import DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX as DATAVERSE
from crm_adapters.rest import RestConfig
from crm_adapters.rest.sandbox.vendors import ERPNEXT
from crm_adapters.sandboxing import SandboxOptions
from crm_adapters.sandboxing.client import administer
from crm_adapters.sandboxing.process import listening
from hub.clock import SystemClock
from hub.config.tables import CrmChoice, DeskConfig

DOOR = "/crm/shop/webhook"
INK = replace(firm.PROFILE.slots["black"], skus=(SkuChoice(sku="INK-XL-BK"),))
PROFILE = replace(firm.PROFILE, slots={"black": INK})
NEVER = DeskConfig(changes_every_s=100_000.0)
"""What people do in the CRM comes from messages alone."""


class TellingCrm(FakeCrm):
    """A CRM that sends messages; ``answer`` says what one comes to."""

    def __init__(self, **capabilities: Any) -> None:
        super().__init__(**({"webhooks": True} | capabilities))
        self.answer: Any = None
        self.heard: list[Webhook] = []
        self.proof = ""

    def doubt_webhook(self, message: Webhook) -> Permanent | None:
        proved = message.headers.get("x-sig", "") == self.proof or not self.proof
        return None if proved else Permanent(code="not_proved", message="no signature")

    async def take_webhook(self, message: Webhook) -> Any:
        self.heard.append(message)
        return self.answer or Heard(records=tuple(self.records.values()))


async def confirmed(operator: Client) -> dict[str, Any]:
    await operator.post("/api/v1/mandates", MANDATE)
    await (await operator.registered()).report({"ink": 5.0})
    return await operator.order_in("confirmed")


async def test_a_message_leads_to_the_order_and_needs_no_token(tmp_path: Path) -> None:
    crm = TellingCrm()
    async with served_hub(tmp_path, crm) as operator:
        order = await confirmed(operator)
        crm.set_status(order["key"], RecordStatus.CANCELLED)
        assert await operator.with_token("").post(f"{DOOR}?code=7", {"id": 1}, headers={"X-Sig": "s"}) == (204, "")
        assert (await operator.order_in("cancelled"))["code"] == "cancelled_in_crm"
        (message,) = crm.heard
        assert (message.query, message.headers["x-sig"], message.body) == ({"code": "7"}, "s", b'{"id": 1}')


async def test_adapters_see_headers_that_are_text(tmp_path: Path) -> None:
    crm = TellingCrm()
    async with served_hub(tmp_path, crm) as operator:
        reply = await sent_raw(operator, b"POST " + DOOR.encode(), b"X-Sig: s\xff")
        assert (reply, crm.heard[0].headers["x-sig"]) == (204, "s\ufffd")


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Permanent(code="not_proved", message="no signature"), 401, "not_proved"),
        (Permanent(code="not_authentic", message="no key"), 401, "not_proved"),
        (Permanent(code="unreadable", message="no JSON"), 422, "unreadable"),
        (Unsupported(capability="webhooks"), 404, "not_found"),
        (Transient(reason="10.0.0.7 refused the password"), 503, "crm_not_readable"),
        (AuthFailed(reason="invalid_client"), 503, "crm_not_readable"),
    ],
)
async def test_a_message_that_leads_nowhere_is_refused_with_a_problem(
    tmp_path: Path, answer: Any, status: int, code: str
) -> None:
    crm = TellingCrm()
    crm.answer = answer
    async with served_hub(tmp_path, crm) as operator:
        told, problem = await operator.with_token("").post(DOOR, {})
        assert (told, problem["code"]) == (status, code)
        assert "10.0.0.7" not in str(problem)


async def test_who_asks_whether_somebody_listens_is_answered(tmp_path: Path) -> None:
    crm = TellingCrm()
    crm.answer = Heard(records=(), challenge="<b>7")
    async with served_hub(tmp_path, crm) as operator:
        assert await operator.with_token("").get(f"{DOOR}?challenge=7") == (200, "<b>7")


async def test_messages_are_bounded_in_size_and_number(tmp_path: Path) -> None:
    crm = TellingCrm()
    async with served_hub(tmp_path, crm) as operator:
        stranger = operator.with_token("")
        assert (await stranger.ask("POST", DOOR, data=b"x" * 262_145))[1]["code"] == "too_large"
        assert (await stranger.post("/crm/nobody/webhook"))[1]["code"] == "not_found"
        async with asyncio.TaskGroup() as group:
            sent = [group.create_task(stranger.post(DOOR, {})) for _ in range(300)]
        refused = [problem["code"] for status, problem in map(asyncio.Task.result, sent) if status != 204]
        assert set(refused) == {"too_many_messages"}
        assert len(crm.heard) == 300 - len(refused)


async def test_what_is_not_the_crms_uses_up_nothing_that_the_crm_may_send(tmp_path: Path) -> None:
    crm = TellingCrm()
    crm.proof = "s"
    async with served_hub(tmp_path, crm) as operator:
        stranger = operator.with_token("")
        for _ in range(150):
            assert (await stranger.post(DOOR, {}))[1]["code"] == "not_proved"
        assert not crm.heard, "nothing of it reached the connection"
        for _ in range(100):
            assert (await stranger.post(DOOR, {}, headers={"X-Sig": "s"}))[0] == 204


def _secrets(credentials: Mapping[str, str]) -> dict[str, Any]:
    return {name: value if name == "username" else Secret(value) for name, value in credentials.items()}


def erpnext(base_url: str) -> CrmChoice:
    config = RestConfig(
        base_url=base_url,
        internal_hosts=("127.0.0.1",),
        manifest="erpnext",
        variables={"company": "Seller"},
        **_secrets(ERPNEXT.credentials),
    )
    return CrmChoice(name="shop", spec=rest.SPEC, config=config, desk=NEVER)


def dataverse(base_url: str) -> CrmChoice:
    known = DATAVERSE.credentials
    config = DynamicsConfig(
        org_url=base_url,
        login_url=base_url,
        tenant=known["tenant"],
        client_id=known["client_id"],
        client_secret=Secret(known["client_secret"]),
        webhook_key=Secret(known["webhook_key"]),
    )
    return CrmChoice(name="shop", spec=dynamics.SPEC, config=config, desk=NEVER)


@asynccontextmanager
async def joined(path: Path, sandbox: Any, choice: Any) -> AsyncIterator[tuple[Client, Any]]:
    options = SandboxOptions(clock=SystemClock(), accounts=("firm",))
    async with (
        listening(sandbox, options) as base_url,
        administer(base_url) as admin,
        served_hub(path, profile=PROFILE, choices=(choice(base_url),)) as operator,
    ):
        await admin.subscribe(f"{operator.url}{DOOR}")
        yield operator, admin


@pytest.mark.parametrize(("sandbox", "choice"), [(ERPNEXT, erpnext), (DATAVERSE, dataverse)], ids=["rest", "dynamics"])
async def test_over_real_sockets_what_people_do_in_the_crm_reaches_the_order(
    tmp_path: Path, sandbox: Any, choice: Any
) -> None:
    async with joined(tmp_path, sandbox, choice) as (operator, admin):
        order = await confirmed(operator)
        (record,) = await admin.records(order["key"])
        await admin.advance(record.record_id, RecordStatus.FULFILLED)
        order = await operator.order_in("fulfilled")
        assert (order["code"], order["record"]["kind"]) == ("fulfilled_in_crm", RecordKind.ORDER)
