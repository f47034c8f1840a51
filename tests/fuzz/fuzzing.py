"""Runs many inputs through what is fuzzed: no crash, nothing that takes long, and a code for every refusal."""

import time
from collections import Counter
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import Struct
from mutating import inputs
from targets import Fuzzed

LONGEST_S: Final = 0.1


class Slow(AssertionError):
    """An input took too long."""


class Tally(Struct, frozen=True, kw_only=True):
    """What came of the inputs. ``slowest_ms`` is CPU time: other programs on this machine do not count."""

    inputs: int
    slowest_ms: float
    codes: dict[str, int]


def fuzz(target: Fuzzed, count: int, seed: int) -> Tally:
    """Examine so many inputs.

    Raises:
        Exception: what the first input raised that crashed it, made small; or ``Slow``.
    """
    codes: Counter[str] = Counter()
    slowest_s = 0.0

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target.samples))
    def one(data: bytes) -> None:
        nonlocal slowest_s
        began = time.thread_time()
        found = target.examine(data)
        took_s = time.thread_time() - began
        if took_s > LONGEST_S / 10:  # it may have paid for others: a collection of garbage, a first time
            took_s = min(took_s, _again_s(target, data))
        if took_s > LONGEST_S:
            raise Slow(f"{target.name}: {took_s * 1000:.0f} ms for {data!r}")
        slowest_s = max(slowest_s, took_s)
        assert all(found), f"{target.name}: a refusal without a code for {data!r}"
        codes.update(found or ["taken"])
        codes["#"] += 1

    one()
    return Tally(inputs=codes.pop("#"), slowest_ms=round(slowest_s * 1000, 2), codes=dict(sorted(codes.items())))


def _again_s(target: Fuzzed, data: bytes) -> float:
    """Return the time of a second look."""
    began = time.thread_time()
    target.examine(data)
    return time.thread_time() - began
