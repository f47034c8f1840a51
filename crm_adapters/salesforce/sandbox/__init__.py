"""A local organisation that speaks the Salesforce REST wire."""

from crm_adapters.salesforce.sandbox.server import SalesforceSandbox
from crm_adapters.sandboxing import SandboxSpec

SANDBOX = SandboxSpec(
    name="salesforce",
    title="Salesforce REST",
    build=SalesforceSandbox,
    credentials={
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
        "username": "integration@acme.example",
    },
)
