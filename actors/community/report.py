"""What became of advice: calibration, false orders and misses, by community, subject and model version. Pure.

Only lives that failed say where the true value was. A life ended by a replacement is censored: it counts beside them,
and so does how many of them had outlived the interval.
"""

from collections import Counter
from collections.abc import Iterable

from actors.model.advice import Topic
from actors.model.base import Value
from actors.model.ledger import LedgerRow, RowOutcome, is_order

_BANDS = (0.0, 0.05, 0.2, 0.5, 0.8)
"""Where bands of chances begin."""
_CAP = 125.0
"""Remaining lives are told up to here: an interval that reaches it has no upper end."""


class Calibration(Value, frozen=True, kw_only=True):
    """How often the truth lay inside intervals of one level, over the outcomes that are known exactly."""

    level: float
    known: int
    inside: int
    censored: int = 0
    outlived: int = 0
    """Censored ones that had outlived the interval."""

    @property
    def share(self) -> float | None:
        """The share inside; nothing while nothing is known."""
        return self.inside / self.known if self.known else None


class Foretold(Value, frozen=True, kw_only=True):
    """How often parts failed within the horizon that were told a chance between ``low`` and ``high``."""

    low: float
    high: float
    known: int
    chance: float
    """The mean of what was told."""
    failed: int

    @property
    def share(self) -> float:
        """The share that failed."""
        return self.failed / self.known


class ReportRow(Value, frozen=True, kw_only=True):
    """The figures of one community, subject and model version."""

    community_id: str
    subject: str
    topic: str
    model_version: str
    given: int
    still_open: int
    outcomes: dict[str, int]
    orders: int
    """Advice to order whose outcome is known."""
    false_orders: int
    false_share: float | None
    failures: int
    """Parts that failed in the time that was advised about."""
    misses: int
    """Those of them that were never advised to be replaced."""
    missed_share: float | None
    calibration: tuple[Calibration, ...]
    inside_share: dict[str, float | None]
    """Level -> share of the known outcomes inside its intervals."""
    foretold: tuple[Foretold, ...] = ()
    """Of failing parts: by what chance was told."""
    failed_share: dict[str, str] = {}
    """Chance told, from the lowest band on -> how many of how many failed within the horizon."""


def report(rows: Iterable[LedgerRow]) -> list[ReportRow]:
    """Return the figures of every community, subject and model version that gave advice."""
    groups: dict[tuple[str, str, str, str], list[LedgerRow]] = {}
    for row in rows:
        groups.setdefault((row.community_id, row.subject, row.topic, row.model_version), []).append(row)
    return [_figures(name, found) for name, found in sorted(groups.items())]


def _figures(name: tuple[str, str, str, str], rows: list[LedgerRow]) -> ReportRow:
    closed = [row for row in rows if row.outcome is not None]
    orders = [row for row in closed if is_order(row.action)]
    false = sum(row.outcome is RowOutcome.RETURNED_UNUSED for row in orders)
    failures, misses = _failures(closed), sum(row.missed for row in closed)
    calibration, foretold = _calibrations(closed), _foretold(closed)
    community, subject, topic, version = name
    return ReportRow(
        community_id=community,
        subject=subject,
        topic=topic,
        model_version=version,
        given=len(rows),
        still_open=len(rows) - len(closed),
        outcomes=dict(sorted(Counter(str(row.outcome) for row in closed).items())),
        orders=len(orders),
        false_orders=false,
        false_share=false / len(orders) if orders else None,
        failures=failures,
        misses=misses,
        missed_share=misses / failures if failures else None,
        calibration=calibration,
        inside_share={f"{each.level:.2f}": each.share for each in calibration},
        foretold=foretold,
        failed_share={f"{each.chance:.3f}": f"{each.failed} of {each.known}" for each in foretold},
    )


def _failures(closed: list[LedgerRow]) -> int:
    failed = (row for row in closed if row.outcome in {RowOutcome.FAILED_BEFORE, RowOutcome.FAILED_AFTER})
    return len({(row.thing_id, row.closed_at) for row in failed})


def _foretold(closed: list[LedgerRow]) -> tuple[Foretold, ...]:
    """Return the bands of chances in which something is known; censored rows say nothing."""
    known = [(row, row.estimate) for row in closed if row.topic is Topic.FAILURE and not row.censored]
    bands = zip(_BANDS, (*_BANDS[1:], 1.0), strict=True)
    return tuple(
        Foretold(
            low=low,
            high=high,
            known=len(found),
            chance=round(sum(chance for _, chance in found) / len(found), 4),
            failed=sum(row.outcome is RowOutcome.FAILED_BEFORE for row, _ in found),
        )
        for low, high in bands
        if (found := [(row, each) for row, each in known if each is not None and _in_band(each, low, high)])
    )


def _in_band(chance: float, low: float, high: float) -> bool:
    return low <= chance < high or chance == high == 1.0


def _calibrations(closed: list[LedgerRow]) -> tuple[Calibration, ...]:
    levels = sorted({row.interval.level for row in closed if row.interval is not None and row.left is not None})
    return tuple(_calibration(level, closed) for level in levels)


def _calibration(level: float, closed: list[LedgerRow]) -> Calibration:
    said = [row for row in closed if row.interval is not None and row.interval.level == level and row.left is not None]
    known = [row for row in said if not row.censored]
    return Calibration(
        level=level,
        known=len(known),
        inside=sum(_inside(row) for row in known),
        censored=len(said) - len(known),
        outlived=sum(_outlived(row) for row in said if row.censored),
    )


def _inside(row: LedgerRow) -> bool:
    interval, left = row.interval, row.left
    if interval is None or left is None:
        return False
    return interval.low <= left and not _outlived(row)


def _outlived(row: LedgerRow) -> bool:
    interval, left = row.interval, row.left
    return interval is not None and left is not None and interval.high < min(left, _CAP)
