"""What every sandbox has: catalogue, tables, faults, request log, administration, life as a process."""

from crm_adapters.sandboxing.application import ADMIN, build_application
from crm_adapters.sandboxing.catalog import DEFAULT_CATALOG, CatalogItem, CouponRefusal, Quote, load_catalog, quote
from crm_adapters.sandboxing.contract import (
    RequestLimit,
    Sandbox,
    SandboxOptions,
    SandboxRecord,
    SandboxSpec,
    UnknownRecord,
)
from crm_adapters.sandboxing.faults import Fault, FaultAction, FaultPlan, load_faults
from crm_adapters.sandboxing.process import announce_in, find_sandbox, listening, run_sandbox, serve
from crm_adapters.sandboxing.tables import Tables
from crm_adapters.sandboxing.tokens import TokenDesk
from crm_adapters.sandboxing.webhooks import Outgoing, SendsWebhooks

__all__ = [
    "ADMIN",
    "DEFAULT_CATALOG",
    "CatalogItem",
    "CouponRefusal",
    "Fault",
    "FaultAction",
    "FaultPlan",
    "Outgoing",
    "Quote",
    "RequestLimit",
    "Sandbox",
    "SandboxOptions",
    "SandboxRecord",
    "SandboxSpec",
    "SendsWebhooks",
    "Tables",
    "TokenDesk",
    "UnknownRecord",
    "announce_in",
    "build_application",
    "find_sandbox",
    "listening",
    "load_catalog",
    "load_faults",
    "quote",
    "run_sandbox",
    "serve",
]
