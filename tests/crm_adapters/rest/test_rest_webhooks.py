"""Messages of a CRM: which are believed, and what they are about."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from actors.model.orders import RecordKind
from actors.model.outcomes import Permanent
from actors.model.secrets import Secret
from actors.ports import Webhook
from crm_adapters.rest import RestConfig
from crm_adapters.rest.adapter import load_program
from crm_adapters.rest.program import Program
from crm_adapters.rest.webhooks import Hint, challenge_of, hints_of

SECRET = Secret("webhook-secret")
URL = "https://hub.example/crm/hubspot"
NOW_S = 1_795_000_000.0
EVENTS = [
    {"subscriptionType": "order.propertyChange", "objectId": 7},
    {"subscriptionType": "order.propertyChange", "objectId": 7},
    {"subscriptionType": "contact.creation", "objectId": 8},
    {"subscriptionType": "ticket.creation", "objectId": 9},
]


@pytest.fixture
def program() -> Program:
    config = RestConfig(
        base_url="https://api.hubapi.com", manifest="hubspot", api_key=Secret("key"), variables={"webhook_url": URL}
    )
    return load_program(config)


def signed(body: bytes, *, sent_s: float = NOW_S, url: str = URL) -> Webhook:
    timestamp = str(int(sent_s * 1000))
    text = f"POST{url}{body.decode()}{timestamp}"
    digest = hmac.new(SECRET.reveal().encode(), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": timestamp}
    return Webhook(headers=headers, body=body)


def test_each_record_of_a_batch_is_named_once_and_strangers_are_passed_over(program: Program) -> None:
    hints = hints_of(program, SECRET, signed(msgspec.json.encode(EVENTS)), NOW_S)
    assert hints == (
        Hint(kind=RecordKind.ORDER, key=None, record_id="7"),
        Hint(kind=RecordKind.SERVICE, key=None, record_id="9"),
    )


@pytest.mark.parametrize("late_s", [-301, 301])
def test_an_old_message_or_one_from_the_future_is_refused(program: Program, late_s: float) -> None:
    refused = hints_of(program, SECRET, signed(b"[]", sent_s=NOW_S + late_s), NOW_S)
    assert isinstance(refused, Permanent)
    assert "signed more than 300 s ago" in refused.message


@pytest.mark.parametrize(
    "message",
    [
        Webhook(headers={}, body=b"[]"),
        signed(b"[]", url="https://elsewhere.example"),
        Webhook(headers=signed(b"[]").headers, body=b"[{}]"),
        Webhook(headers={"x-hubspot-signature-v3": "guess"}, body=b"[]"),
    ],
)
def test_what_is_not_signed_by_the_crm_is_refused(program: Program, message: Webhook) -> None:
    assert isinstance(hints_of(program, SECRET, message, NOW_S), Permanent)
    assert isinstance(hints_of(program, Secret(""), message, NOW_S), Permanent)


@pytest.mark.parametrize("body", [b"", b"{", b'{"objectId": 7}', b'"x"', b"[" * 5000])
def test_a_signed_message_that_cannot_be_read_is_refused_and_says_so(program: Program, body: bytes) -> None:
    refused = hints_of(program, SECRET, signed(body), NOW_S)
    assert isinstance(refused, Permanent)
    assert refused.code == "unreadable"


HOOK = """
[webhook]
verify = { kind = "header", header = "X-Secret" }
kind = "'order'"
kinds = { order = "order" }
key = "item.key"
challenge = "query.challenge"
"""


def test_who_asks_whether_somebody_listens_is_answered_and_proves_nothing(edited_shop: Callable[..., Path]) -> None:
    manifest = edited_shop(("\n[operations.find_offers]", HOOK + "\n[operations.find_offers]"))
    known = {"client_id": "hub", "client_secret": SECRET}
    program = load_program(RestConfig(base_url="https://shop.example", manifest_file=manifest, **known))
    asked = Webhook(headers={}, query={"challenge": "7"}, body=b"")
    assert challenge_of(program, asked) == "7"
    assert challenge_of(program, replace(asked, query={"challenge": "x" * 513})) == ""
    assert challenge_of(program, replace(asked, query={}, body=b"[")) == ""
    assert isinstance(hints_of(program, SECRET, replace(asked, query={}, body=b"{}"), NOW_S), Permanent)
