"""A local Dynamics 365 environment that speaks Dataverse Web API v9.2."""

from typing import Final

from crm_adapters.dynamics.sandbox.limits import ServiceLimits
from crm_adapters.dynamics.sandbox.service import DynamicsSandbox
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec


def build(options: SandboxOptions) -> DynamicsSandbox:
    """Return a seeded environment."""
    return DynamicsSandbox(options)


SANDBOX: Final = SandboxSpec(
    name="dynamics",
    title="Dynamics 365 (Dataverse Web API v9.2)",
    build=build,
    credentials={
        "tenant": "00000000-0000-0000-0000-00000000c0de",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": "development-only",
        "webhook_key": "development-webhook",
    },
)

__all__ = ["SANDBOX", "DynamicsSandbox", "ServiceLimits", "build"]
