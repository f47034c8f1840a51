"""The contract suite that every CRM adapter passes. See ``CrmAdapterContract`` for how to use it."""

from crm_adapters.testing.contract import CrmAdapterContract
from crm_adapters.testing.samples import (
    OWNER,
    THING,
    TickingClock,
    booking,
    deps,
    offer_query,
    order_from,
    service_request,
)

__all__ = [
    "OWNER",
    "THING",
    "CrmAdapterContract",
    "TickingClock",
    "booking",
    "deps",
    "offer_query",
    "order_from",
    "service_request",
]
