"""The contract of a CRM adapter, as tests over the vendor's sandbox on a real socket."""

from crm_adapters.testing.customers import CustomerContract
from crm_adapters.testing.failures import FailureContract
from crm_adapters.testing.orders import OrderContract
from crm_adapters.testing.returns import ReturnContract
from crm_adapters.testing.secrecy import SecrecyContract
from crm_adapters.testing.services import ServiceContract
from crm_adapters.testing.visits import VisitContract
from crm_adapters.testing.webhooks import WebhookContract


class CrmAdapterContract(
    OrderContract,
    FailureContract,
    ServiceContract,
    VisitContract,
    ReturnContract,
    CustomerContract,
    WebhookContract,
    SecrecyContract,
):
    """All that must hold for an adapter.

    Subclass it in a test module of pytest-asyncio's ``auto`` mode, under a name that begins with ``Test``::

        class TestMyCrm(CrmAdapterContract):
            sandbox = SANDBOX

            def open_adapter(self, base_url, *, wrong_credentials):
                return SPEC.open(MyConfig(base_url=base_url, ...), deps())

    Set ``writes`` where the default does not match the requests that create records. A test of a capability that the
    adapter does not declare checks instead that it refuses before anything is sent.
    """
