"""Orders for parts judged against the failures that came, as a purchaser would: caught, in time, false, missed."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

USEFUL_H: Final = 72.0
"""An order that is followed by no failure of its part for so long was not needed."""
IN_TIME_H: Final = 12.0

Place = tuple[str, str]
"""(machine, part)."""


class Judged(Struct, frozen=True, kw_only=True):
    """What came of it; shares are None where there is nothing to take them of."""

    data: str
    machines: int
    failures: int
    caught: int
    """Failures before which the CRM held an order for the part, at most 72 h old."""
    caught_share: float | None
    in_time: int
    """Those at least 12 h before."""
    in_time_share: float | None
    lead_h_p10: float | None
    lead_h_p50: float | None
    orders: int
    false_orders: int
    false_share: float | None
    missed: list[str]
    """Machine, part and hour of each failure that no order preceded."""


def judged(
    failures: Mapping[Place, Sequence[float]],
    orders: Iterable[tuple[Place, float]],
    span: tuple[float, float],
    *,
    data: str,
    machines: int,
) -> Judged:
    """Judge orders, each with the running hour at which the CRM had it, against the failures in a span of hours.

    ``failures`` holds those outside of the span, too: an order just before its end may have been needed.
    """
    ordered: dict[Place, list[float]] = {}
    for place, at in orders:
        ordered.setdefault(place, []).append(at)
    places = [(place, at) for place, each in failures.items() for at in each if span[0] <= at < span[1]]
    leads = {(place, at): _lead(ordered.get(place, ()), at) for place, at in places}
    caught = [lead for lead in leads.values() if lead is not None]
    in_time = sum(lead >= IN_TIME_H for lead in caught)
    n_orders = sum(map(len, ordered.values()))
    false = sum(not _needed(failures.get(place, ()), at) for place, each in ordered.items() for at in each)
    return Judged(
        data=data,
        machines=machines,
        failures=len(leads),
        caught=len(caught),
        caught_share=_share(len(caught), len(leads)),
        in_time=in_time,
        in_time_share=_share(in_time, len(leads)),
        lead_h_p10=sorted(caught)[len(caught) // 10] if caught else None,
        lead_h_p50=median(caught) if caught else None,
        orders=n_orders,
        false_orders=false,
        false_share=_share(false, n_orders),
        missed=[f"{place[0]} {place[1]} at hour {at:g}" for (place, at), lead in leads.items() if lead is None],
    )


def _lead(ordered: Sequence[float], failed_h: float) -> float | None:
    """Return how long before a failure the earliest useful order stood."""
    return max((failed_h - at for at in ordered if 0 < failed_h - at <= USEFUL_H), default=None)


def _needed(failed: Sequence[float], ordered_h: float) -> bool:
    return any(0 < at - ordered_h <= USEFUL_H for at in failed)


def _share(some: int, of_all: int) -> float | None:
    return round(some / of_all, 4) if of_all else None
