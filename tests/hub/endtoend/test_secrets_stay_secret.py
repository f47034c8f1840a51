"""A CRM that repeats credentials in its errors: they are in no log, no API answer and nowhere on the hub's disk."""

import re
from pathlib import Path
from typing import Any

import pytest
from journeys import GRANT, SANDBOXED, Journey, journey
from structlog.testing import capture_logs

from crm_adapters.sandboxing import Fault, FaultAction
from crm_adapters.testing import OWNER

CANARY = "c4n4ry-do-not-show-me"
SECRETS = ("client_secret", "api_key", "password", "secret", "webhook_secret")
BODIES = {
    "salesforce": '[{"errorCode": "INVALID_FIELD", "message": "repeated {request}"}]',
    "dynamics": '{"error": {"code": "0x80040203", "message": "repeated {request}"}}',
    "acme": '{"problem": {"code": "wrong", "text": "repeated {request}", "field": "ref"}}',
}
PLAIN = '{"name": "wrong", "category": "wrong", "message": "repeated {request}", "error": "repeated {request}"}'
TOKEN = re.compile(rb"(?i)\b(bearer|basic|token) (?!\[secret\])[a-z0-9+/=._:!-]{12,}")


async def answers(way: Journey) -> str:
    """Return all that people are told about an order that failed."""
    device = await way.owner.registered(thing_id="printer-1", profile="ink_printer", owner_id=OWNER)
    readings = [{"name": "ink_black", "value": 5, "unit": "%"}, {"name": "pages", "value": 100}]
    await device.post("/things/printer-1/readings", {"readings": readings})
    await way.until(lambda told: "repeated" in str(told))
    told: list[Any] = [await way.owner.get(path) for path in ("/api/v1/orders", "/api/v1/health", "/metrics")]
    key = told[0][1][0]["key"]
    return str(
        [*told, await way.owner.get(f"/api/v1/orders/{key}"), await way.owner.get(f"/api/v1/orders/{key}/trace")]
    )


@pytest.mark.parametrize("name", SANDBOXED)
async def test_credentials_that_a_crm_repeats_are_nowhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(
        match=r"^(POST|PUT) (?!\S*(token|oauth|search|/json/2/\S*read))",
        action=FaultAction.STATUS,
        times=None,
        status=400,
        body=BODIES.get(name, PLAIN),
    )
    changed = {secret: f"{CANARY}-{secret}" for secret in SECRETS}
    with capture_logs() as logs:
        async with journey(name, tmp_path, monkeypatch, **changed) as way:
            assert (await way.owner.post("/api/v1/mandates", GRANT))[0] < 300
            await way.crm.plan(fault)
            told = await answers(way)
    kept = b"".join(
        file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file() and file.suffix != ".token"
    )
    for place in (told.encode(), repr(logs).encode(), kept):
        assert CANARY.encode() not in place
        assert not TOKEN.search(place), TOKEN.search(place)
