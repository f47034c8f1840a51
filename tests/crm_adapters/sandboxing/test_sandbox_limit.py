"""A limit that a sandbox is given: kept in any window, and counted where it is exceeded."""

import aiohttp

from crm_adapters.rest.sandbox import SANDBOX
from crm_adapters.sandboxing import RequestLimit, SandboxOptions, listening
from crm_adapters.sandboxing.client import administer
from crm_adapters.testing import TickingClock


async def test_what_exceeds_the_limit_is_refused_and_counted() -> None:
    clock = TickingClock()
    options = SandboxOptions(clock=clock, limit=RequestLimit(requests=2, window_s=10.0))
    async with listening(SANDBOX, options) as url, administer(url) as admin, aiohttp.ClientSession(url) as session:
        seen = [(await session.get("/api/v1/offers")).status for _ in range(3)]
        refused = await session.get("/api/v1/offers")
        clock.advance(11)
        later = (await session.get("/api/v1/offers")).status
        report = await admin.limit()
    assert [status == 429 for status in [*seen, later]] == [False, False, True, False]
    assert refused.headers["Retry-After"] == "10"
    assert (report.requests, report.violations, report.most_in_window) == (5, 2, 4)
