from contextlib import AbstractAsyncContextManager

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.sandbox import SANDBOX
from crm_adapters.testing import CrmAdapterContract, deps


class TestShop(CrmAdapterContract):
    sandbox = SANDBOX

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        secret = "wrong" if wrong_credentials else SANDBOX.credentials["client_secret"]
        config = RestConfig(
            base_url=base_url,
            client_id=SANDBOX.credentials["client_id"],
            client_secret=Secret(secret),
            read_timeout_s=0.3,
        )
        return SPEC.open(config, deps())
