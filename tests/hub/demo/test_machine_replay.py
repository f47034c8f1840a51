"""Orders for parts against failures: how they are judged, and a slice of the real way over sockets."""

import os
from pathlib import Path

import pytest

from hub.demo.machine_orders import judged
from hub.demo.machine_replay import REPLAYED_FROM_H, ReplayOptions, in_words, replay_machines

DATA = Path(os.environ.get("IOT2CRM_DATA", Path(__file__).parents[4] / "shared" / "data")) / "azure_pdm"
PUMP, FAN = ("m1", "pump"), ("m1", "fan")


def test_an_order_is_caught_in_time_late_false_or_missed() -> None:
    failures = {PUMP: [100.0, 500.0, 900.0], FAN: [300.0]}
    orders = [(PUMP, 80.0), (PUMP, 495.0), (FAN, 200.0), (FAN, 700.0)]
    found = judged(failures, orders, (0.0, 1000.0), data="made up", machines=1)
    assert (found.failures, found.caught, found.in_time) == (4, 2, 1)
    assert (found.orders, found.false_orders, found.false_share) == (4, 2, 0.5)
    assert found.missed == ["m1 pump at hour 900", "m1 fan at hour 300"]
    assert (found.lead_h_p50, found.lead_h_p10) == (12.5, 5.0)


def test_failures_outside_of_the_span_make_orders_needed_but_are_not_counted() -> None:
    found = judged({PUMP: [10.0, 1010.0]}, [(PUMP, 990.0)], (48.0, 1000.0), data="made up", machines=1)
    assert (found.failures, found.orders, found.false_orders) == (0, 1, 0)
    assert found.caught_share is None


@pytest.mark.skipif(not DATA.exists(), reason=f"Microsoft's simulated machines are not at {DATA}: set IOT2CRM_DATA")
def test_real_errors_over_http_become_orders_in_the_shop_before_the_parts_fail() -> None:
    options = ReplayOptions(machines=4, until_h=REPLAYED_FROM_H + 24.0 * 30, day_s=0.4)
    said: list[str] = []
    found = replay_machines(DATA, options, said.append)
    assert found.failures >= 1
    assert found.caught == found.failures, found.missed
    assert found.false_orders <= 1
    assert "simulated" in in_words(found)
