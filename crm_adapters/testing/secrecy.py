"""Secrets: used, and never shown."""

import re

from structlog.testing import capture_logs

from actors.model.orders import PurchaseOrder, RecordKind
from crm_adapters.readiness import Checks, Prepares
from crm_adapters.sandboxing import Fault, FaultAction
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import ORDER_KEY, offer_query, service_request

_SECRET_NAMES = ("secret", "password", "token", "key")
_REPEATING = (
    '[{"errorCode": "INVALID_FIELD", "message": "repeated {request}"}]',
    '{"error": {"code": "0x80040203", "message": "repeated {request}"}}',
    '{"name": "repeated", "message": "repeated {request}", "category": "repeated", "error": "repeated {request}"}',
    "repeated {request}",
)
"""Error bodies as vendors shape them, and none."""
_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic|token) (?!\[secret\])[A-Za-z0-9+/=._:-]{8,}")


class SecrecyContract(ContractBase):
    """What must hold for credentials."""

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never appear: the sandbox's credentials that are named as secrets."""
        named = self.sandbox.credentials.items()
        return tuple(value for name, value in named if any(word in name.lower() for word in _SECRET_NAMES))

    async def test_secrets_appear_in_no_outcome_and_no_log(self) -> None:
        """Neither when all is well nor when everything fails, nor in what the adapter says about itself."""
        with capture_logs() as logs:
            async with self.bench() as bench:
                shown = [repr(bench.adapter), repr(await bench.placed())]
                shown += [await _failing(bench, action) for action in FaultAction]
            async with self.open_adapter(bench.base_url, wrong_credentials=False) as adapter:
                shown.append(repr(await adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)))
        assert self.secrets(), "the sandbox's credentials name no secret"
        for secret in self.secrets():
            assert not [text for text in [*shown, repr(logs)] if secret in text]

    async def test_a_crm_that_repeats_credentials_in_its_errors_makes_nobody_else_read_them(self) -> None:
        """Whatever repeats them, on the way in or later, and wherever its text ends up."""
        with capture_logs() as logs:
            async with self.bench() as bench:
                order, shown = await bench.order(), list[str]()
                for status in (400, 401, 403, 404, 409, 417, 422, 429, 500):
                    for body in (*_REPEATING, *filter(None, [self.refusal])):
                        fault = Fault(action=FaultAction.STATUS, times=None, status=status, body=body)
                        await bench.admin.plan(fault)
                        shown += await _all_said(bench, order)
                    await bench.admin.plan()
                    await bench.admin.expire_tokens()
        told = [text for text in [*shown, repr(logs)] if "repeated" in text]
        assert told, "no failure tells what the CRM said: this test would see nothing"
        for text in told:
            assert not _CREDENTIAL.search(text), text
            assert not [secret for secret in self.secrets() if secret in text], text


async def _all_said(bench: Bench, order: PurchaseOrder) -> list[str]:
    """Return what every way to the CRM says, and what a check says, while all of it fails."""
    adapter = bench.adapter
    outcomes: list[object] = [
        await adapter.find_offers(offer_query()),
        await adapter.place_order(order),
        await adapter.request_service(service_request()),
        await adapter.find_by_key(ORDER_KEY, RecordKind.ORDER),
        await adapter.cancel(ORDER_KEY, RecordKind.ORDER, "no longer needed"),
        await adapter.changes_since(""),
    ]
    if isinstance(adapter, Checks):
        outcomes.append(await adapter.check())
    if isinstance(adapter, Prepares):
        outcomes.append(await adapter.prepare())
    return [repr(outcome) for outcome in outcomes]


async def _failing(bench: Bench, action: FaultAction) -> str:
    order = await bench.order()
    await bench.admin.plan(Fault(action=action, times=None, delay_s=0.01, body='{"error": "planned"}'))
    outcomes = [await bench.adapter.place_order(order), await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)]
    await bench.admin.plan()
    return repr(outcomes)
