"""The limits of the sandbox's organisation: a rolling day, and long requests at the same time."""

import pytest

from crm_adapters.salesforce.sandbox.errors import Refusal
from crm_adapters.salesforce.sandbox.limits import ApiLimits, Usage
from crm_adapters.testing import TickingClock


def use(usage: Usage, times: int) -> None:
    for _ in range(times):
        usage.leave(usage.enter())


def test_the_day_rolls_and_the_header_tells_how_much_of_it_is_used() -> None:
    clock = TickingClock()
    usage = Usage(ApiLimits(daily=3), clock)
    use(usage, 3)
    assert usage.header() == {"Sforce-Limit-Info": "api-usage=3/3"}
    with pytest.raises(Refusal, match="TotalRequests"):
        usage.enter()
    clock.advance(24 * 3600)
    use(usage, 1)
    assert usage.report() == {"DailyApiRequests": {"Max": 3, "Remaining": 2}}


def test_only_long_requests_count_as_concurrent() -> None:
    clock = TickingClock()
    usage = Usage(ApiLimits(concurrent=2), clock)
    first, _ = usage.enter(), usage.enter()
    use(usage, 5)
    clock.advance(20)
    with pytest.raises(Refusal, match="ConcurrentRequests"):
        usage.enter()
    usage.leave(first)
    use(usage, 1)
