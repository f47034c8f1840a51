"""Calls of an adapter: inside the connection's limits and in time, whatever the adapter does; the breaker hears all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from actors.desk.health import Breaker
from actors.desk.pace import Lane, Pace
from actors.dialogue import BookTime, PlaceRequest
from actors.model.orders import PurchaseOrder
from actors.model.outcomes import (
    Ambiguous,
    AuthFailed,
    Conflict,
    Permanent,
    PlaceOutcome,
    Throttled,
    Transient,
    Unsupported,
)
from actors.ports import CrmAdapter

_OutcomeT = TypeVar("_OutcomeT")

log = structlog.get_logger(__name__)


class Calls:
    """One adapter's methods, made safe to call."""

    def __init__(self, connection: str, adapter: CrmAdapter, pace: Pace, breaker: Breaker, *, request_s: float) -> None:
        self._connection = connection
        self._adapter = adapter
        self._pace = pace
        self._breaker = breaker
        self._request_s = request_s

    async def read(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make a call that is safe to repeat; it is made once."""
        async with self._pace.passing(Lane.READ):
            return await self.heard(call)

    async def inquire(
        self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]], waits: Callable[[], None], *, again_s: float
    ) -> _OutcomeT | Transient | Permanent:
        """Repeat a call that is safe to repeat until the CRM says something; ``waits`` is told once when it is down."""
        told = False
        while True:
            await self._breaker.usable()
            outcome = await self.read(call)
            if not _is_retryable(outcome):
                return outcome
            if not told and not self._breaker.is_usable:
                waits()
                told = True
            await asyncio.sleep(again_s)

    async def heard(self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]) -> _OutcomeT | Transient | Permanent:
        """Make a call that was let through already, and let the breaker hear what came of it."""
        outcome = await self._within_time(call)
        self._breaker.hear(outcome)
        return outcome

    async def _within_time(
        self, call: Callable[[CrmAdapter], Awaitable[_OutcomeT]]
    ) -> _OutcomeT | Transient | Permanent:
        try:
            async with asyncio.timeout(self._request_s):
                return await call(self._adapter)
        except TimeoutError:
            return Transient(reason=f"no answer within {self._request_s:g} s")
        except Exception as error:
            log.exception("adapter_failed", connection=self._connection)
            return Permanent(code="adapter_failed", message=f"{type(error).__name__}: see the hub's log")

    async def write(self, job: PlaceRequest | BookTime) -> PlaceOutcome:
        """Make a call that writes, once; without a clear answer it is in doubt. It was let through already."""
        outcome = await self._written(job)
        self._breaker.hear(outcome)
        return outcome

    async def _written(self, job: PlaceRequest | BookTime) -> PlaceOutcome:
        try:
            async with asyncio.timeout(self._request_s):
                return await self._send(job)
        except TimeoutError:
            return Ambiguous(reason=f"no answer within {self._request_s:g} s")
        except Exception as error:
            log.exception("adapter_failed", connection=self._connection)
            return Ambiguous(reason=f"the adapter failed: {type(error).__name__}")

    async def _send(self, job: PlaceRequest | BookTime) -> PlaceOutcome:
        can = self._adapter.capabilities
        match job:
            case BookTime(booking=booking):
                return await self._adapter.book_appointment(booking)
            case PlaceRequest(request=request):
                if isinstance(request, PurchaseOrder):
                    return await self._adapter.place_order(request) if can.orders else Unsupported(capability="orders")
                if not can.service:
                    return Unsupported(capability="service")
                return await self._adapter.request_service(request)


def _is_retryable(outcome: Any) -> bool:
    return isinstance(outcome, Transient | Throttled | Conflict | Ambiguous | AuthFailed)
