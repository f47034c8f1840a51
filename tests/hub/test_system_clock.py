"""The system's clock."""

from datetime import UTC, timedelta

from hub.clock import SystemClock


def test_the_clock_is_in_utc_and_its_monotonic_side_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
