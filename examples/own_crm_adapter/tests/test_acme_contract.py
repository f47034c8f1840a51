from contextlib import AbstractAsyncContextManager

from iot2crm_acme import SPEC, AcmeConfig
from iot2crm_acme.sandbox import SANDBOX

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.testing import CrmAdapterContract, deps


class TestAcme(CrmAdapterContract):
    sandbox = SANDBOX
    refusal = '{"problem": {"code": "wrong", "text": "repeated {request}", "field": "ref"}}'

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        secret = "wrong" if wrong_credentials else SANDBOX.credentials["secret"]
        config = AcmeConfig(url=base_url, client="hub", secret=Secret(secret), read_timeout_s=1.0, total_timeout_s=2.0)
        return SPEC.open(config, deps())
