"""What every contract test stands on: a sandbox on a real socket and the adapter connected to it."""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.offers import Offer
from actors.model.orders import PurchaseOrder
from actors.model.outcomes import Created, Offers, Unsupported
from actors.ports import CrmAdapter
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions, SandboxSpec, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing.samples import ORDER_KEY, OWNER, TickingClock, offer_query, order_from


class Bench(Struct, frozen=True, kw_only=True):
    """A running sandbox and the adapter that speaks to it."""

    adapter: CrmAdapter
    admin: SandboxAdmin
    base_url: str
    writes: str

    async def offer(self, *skus: str, quantity: int = 2) -> Offer:
        """Return the first offer for the sample goods."""
        found = await self.adapter.find_offers(offer_query(*skus, quantity=quantity))
        assert isinstance(found, Offers), found
        assert found.offers, "the sandbox of a contract test sells INK-XL-BK"
        return found.offers[0]

    async def order(self, key: OrderKey = ORDER_KEY, *, fingerprint: str = "f00df00df00df00d") -> PurchaseOrder:
        """Return an order for the sample goods, priced by the sandbox's own offer."""
        return order_from(await self.offer(), key, fingerprint=fingerprint)

    async def placed(self) -> Created:
        """Place the sample order."""
        outcome = await self.adapter.place_order(await self.order())
        assert isinstance(outcome, Created), outcome
        return outcome

    async def refuses(self, capability: str | None, call: Awaitable[object]) -> None:
        """Check that a call is refused for a missing capability (None: whichever), and that nothing is sent."""
        seen = len(await self.admin.requests())
        outcome = await call
        assert isinstance(outcome, Unsupported), outcome
        assert capability in {None, outcome.capability}, outcome
        assert len(await self.admin.requests()) == seen

    async def fail_writes(self, action: FaultAction, **details: Any) -> None:
        """Let the next writing requests of the adapter, all of them, meet a fault."""
        await self.admin.plan(Fault(match=self.writes, action=action, times=None, **details))

    async def writes_seen(self) -> int:
        """Return how many writing requests came."""
        return sum(
            1 for request in await self.admin.requests() if re.search(self.writes, f"{request.method} {request.path}")
        )


class ContractBase(ABC):
    """What a subclass supplies."""

    sandbox: SandboxSpec
    """The sandbox of the adapter's vendor."""
    credentials: Mapping[str, str] = {}
    """What the sandbox knows beside its development credentials, such as the certificate of the app."""
    writes = r"^(POST|PUT|PATCH) (?!\S*(token|oauth))"
    """Matches "METHOD /path?query" of the requests that create orders, service requests and bookings."""
    in_steps = False
    """Placing takes several requests: an order is absent until all are done, and placing it again does them."""

    refusal = ""
    """How your CRM's errors look where not as most do: a body in which ``{request}`` stands for what was sent."""

    @abstractmethod
    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        """Open the adapter against the sandbox at ``base_url``, as connection ``crm``, with deadlines of a second."""

    @asynccontextmanager
    async def bench(self, *, wrong_credentials: bool = False) -> AsyncGenerator[Bench, None]:
        """Start a fresh sandbox and connect the adapter to it."""
        options = SandboxOptions(clock=TickingClock(), accounts=(OWNER,), credentials=self.credentials)
        async with (
            listening(self.sandbox, options) as base_url,
            administer(base_url) as admin,
            self.open_adapter(base_url, wrong_credentials=wrong_credentials) as adapter,
        ):
            yield Bench(adapter=adapter, admin=admin, base_url=base_url, writes=self.writes)
