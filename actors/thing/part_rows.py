"""The rows of parts in the ledger: opened by what peers say of their chances, closed by what then happened. Pure.

A chance is of a failure within 24 running hours: so long it is open, and an order until the warning is settled. A part
has one row open, and beside it one that calls for an order.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from msgspec.structs import replace

from actors.community.component_failure import HORIZON_H
from actors.model.advice import Recommendation
from actors.model.ids import CommunityId
from actors.model.ledger import LedgerRow, RowOutcome, is_order, row_of
from actors.model.profiles import PartSpec, ThingProfile
from actors.model.things import ThingRecord
from actors.thing.noticing import need_state
from actors.thing.state import Happened, ThingState


def opened_rows(
    happened: Happened,
    record: ThingRecord,
    profile: ThingProfile,
    community_id: CommunityId,
    advice: Recommendation,
    due: Collection[str],
) -> tuple[LedgerRow, ...]:
    """Return the rows that an answer about parts opens; those that are ``due`` are ordered."""
    return tuple(
        row_of(
            replace(advice, subject=part, estimate=advice.chances[part], action=_action(advice, part, due)),
            key=f"{record.thing_id}/{part}/{int(advice.answered_at.timestamp() * 1000):014d}",
            community_id=community_id,
            thing_id=record.thing_id,
            owner_id=record.owner_id,
            age=happened.now_h,
        )
        for part in profile.parts
        if part in advice.chances and _is_new(happened.rows.get(part, ()), is_due=part in due)
    )


def closed_rows(
    before: ThingState, after: ThingState, profile: ThingProfile, now: datetime
) -> Iterator[tuple[str, tuple[LedgerRow, ...]]]:
    """Yield the parts about whose rows it is known what came of them, with these rows."""
    happened = after.happened
    if happened is None:
        return
    for part, rows in happened.rows.items():
        ended = _ended(before.happened, happened, part)
        muted = need_state(after, part).muted
        found = [_closed(row, rows, happened.now_h, profile.parts.get(part), ended, muted=muted) for row in rows]
        closed = tuple(replace(row, closed_at=now) for row in found if row.outcome is not None)
        if closed:
            yield part, closed


def without(happened: Happened, part: str, keys: Collection[str]) -> Happened:
    """Return what is known without these rows: what became of them is known."""
    left = tuple(row for row in happened.rows.get(part, ()) if row.key not in keys)
    others = {name: rows for name, rows in happened.rows.items() if name != part}
    return replace(happened, rows={**others, part: left} if left else others)


def _action(advice: Recommendation, part: str, due: Collection[str]) -> str:
    if part in due:
        return "order_part"
    return advice.action if part == advice.subject else "none"


def _is_new(known: tuple[LedgerRow, ...], *, is_due: bool) -> bool:
    return not known or (is_due and not any(is_order(row.action) for row in known))


def _ended(before: Happened | None, after: Happened, part: str) -> str:
    """Return whether a part just failed, or was replaced before that."""
    former = after if before is None else before
    if after.failed.get(part) != former.failed.get(part) and after.failed.get(part):
        return "failed"
    return "replaced" if after.replaced.get(part) != former.replaced.get(part) and after.replaced.get(part) else ""


def _is_over(row: LedgerRow, now_h: float, spec: PartSpec | None) -> bool:
    lasts = spec.settled_after_h if spec is not None and is_order(row.action) else HORIZON_H
    return now_h > row.age + lasts or now_h < row.age  # the counter of hours began anew


def _closed(
    row: LedgerRow, rows: tuple[LedgerRow, ...], now_h: float, spec: PartSpec | None, ended: str, *, muted: bool
) -> LedgerRow:
    """Return a row with its outcome, if that is known."""
    passed = now_h - row.age
    if passed < 0:
        return replace(row, outcome=RowOutcome.EXPIRED, censored=True)
    if ended == "failed":
        outcome = RowOutcome.FAILED_BEFORE if passed <= HORIZON_H else RowOutcome.FAILED_AFTER
        missed = row is rows[-1] and not any(is_order(each.action) for each in rows)
        return replace(row, outcome=outcome, left=passed, missed=missed)
    if ended and not _is_over(row, now_h, spec):
        outcome = RowOutcome.DISMISSED if muted and is_order(row.action) else RowOutcome.ORDERED
        return replace(row, outcome=outcome, left=passed, censored=passed <= HORIZON_H)
    if not _is_over(row, now_h, spec):
        return row
    unused = RowOutcome.DISMISSED if muted else RowOutcome.RETURNED_UNUSED
    return replace(row, outcome=unused if is_order(row.action) else RowOutcome.EXPIRED, left=passed)
