"""The benchmark of an outage: its limit is kept, and its judge sees what is lost or doubled."""

import pytest

from hub.bench import drain
from hub.bench.turns import BenchFailed


def test_a_quick_look_keeps_the_limit_and_loses_nothing() -> None:
    figures = drain.measure(lambda _: None, orders=30, requests_per_s=30)
    assert (figures["crm.drain_orders"], figures["crm.drain_violations"]) == (30, 0)
    assert 0 < figures["crm.drain_rate_vs_limit"] < 1.4  # thirty orders begin with a token that was saved, and a probe


@pytest.mark.parametrize("records", [["a"], ["a", "b", "b"]])
def test_a_lost_or_doubled_order_fails_the_benchmark(records: list[str]) -> None:
    with pytest.raises(BenchFailed):
        drain.judge(["a", "b"], records)
