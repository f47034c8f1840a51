"""The Salesforce adapter keeps the contract of CRM adapters, over its sandbox on a real socket."""

from contextlib import AbstractAsyncContextManager

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.salesforce import SPEC
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.testing import CrmAdapterContract, deps
from crm_adapters.testing.orders import OrderContract
from crm_adapters.testing.services import ServiceContract


def config(base_url: str, *, wrong_credentials: bool = False, **changes: object) -> SalesforceConfig:
    secret = "wrong" if wrong_credentials else SANDBOX.credentials["client_secret"]
    return SalesforceConfig(
        login_url=base_url,
        client_id=SANDBOX.credentials["client_id"],
        client_secret=Secret(secret),
        connect_timeout_s=4.0,
        timeout_s=4.0,
        **changes,  # type: ignore[arg-type] -- keyword arguments of a Struct
    )


class TestSalesforce(CrmAdapterContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        return SPEC.open(config(base_url, wrong_credentials=wrong_credentials), deps())


class TestSalesforceWithCasesAndChargeFields(OrderContract, ServiceContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        other = config(
            base_url,
            wrong_credentials=wrong_credentials,
            service_object="Case",
            charges="fields",
            currency="EUR",
        )
        return SPEC.open(other, deps())
