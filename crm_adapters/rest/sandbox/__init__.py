"""The sandbox of the generic REST adapter: a shop with an HTTP API."""

from crm_adapters.rest.sandbox.shop import ShopSandbox
from crm_adapters.sandboxing import SandboxSpec

SANDBOX = SandboxSpec(
    name="rest",
    title="A shop with an HTTP API",
    build=ShopSandbox,
    credentials={
        "client_id": "iot2crm-development",
        "client_secret": "not-a-secret-shop",
        "api_key": "not-a-key-shop",
    },
)
