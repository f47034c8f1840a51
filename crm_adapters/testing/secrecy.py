"""Secrets: used, and never shown."""

from structlog.testing import capture_logs

from actors.model.orders import RecordKind
from crm_adapters.sandboxing import Fault, FaultAction
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import ORDER_KEY

_SECRET_NAMES = ("secret", "password", "token", "key")


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


async def _failing(bench: Bench, action: FaultAction) -> str:
    order = await bench.order()
    await bench.admin.plan(Fault(action=action, times=None, delay_s=0.01, body='{"error": "planned"}'))
    outcomes = [await bench.adapter.place_order(order), await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)]
    await bench.admin.plan()
    return repr(outcomes)
