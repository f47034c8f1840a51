"""The shipped contract, over the sandbox on a real socket."""

from contextlib import AbstractAsyncContextManager

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.dynamics import SPEC, DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.testing import CrmAdapterContract, deps


class TestDynamics(CrmAdapterContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        known = SANDBOX.credentials
        config = DynamicsConfig(
            org_url=base_url,
            login_url=base_url,
            tenant=known["tenant"],
            client_id=known["client_id"],
            client_secret=Secret("wrong" if wrong_credentials else known["client_secret"]),
            webhook_key=Secret(known["webhook_key"]),
            timeout_s=1.0,
        )
        return SPEC.open(config, deps())
