"""The shipped contract, over the sandbox on a real socket."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.dynamics import SPEC, DynamicsConfig
from crm_adapters.dynamics.config import ServiceTable
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.testing import CrmAdapterContract, deps
from crm_adapters.testing.customers import CustomerContract
from crm_adapters.testing.orders import OrderContract
from crm_adapters.testing.returns import ReturnContract
from crm_adapters.testing.services import ServiceContract


def config(base_url: str, *, wrong_credentials: bool, **changes: Any) -> DynamicsConfig:
    known = SANDBOX.credentials
    return DynamicsConfig(
        org_url=base_url,
        login_url=base_url,
        tenant=known["tenant"],
        client_id=known["client_id"],
        client_secret=Secret("wrong" if wrong_credentials else known["client_secret"]),
        webhook_key=Secret(known["webhook_key"]),
        timeout_s=4.0,
        **changes,
    )


class TestDynamics(CrmAdapterContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        return SPEC.open(config(base_url, wrong_credentials=wrong_credentials), deps())


class TestDynamicsWithCasesAlertsAndDeltaLinks(OrderContract, ServiceContract, ReturnContract, CustomerContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        other: dict[str, Any] = {"service_table": ServiceTable.INCIDENT, "iot_alerts": True, "changes": "delta"}
        return SPEC.open(config(base_url, wrong_credentials=wrong_credentials, **other), deps())
