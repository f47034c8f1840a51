"""The rows of a component's life in the ledger: opened by its peers' answers, closed when the life ends. Pure.

An answer opens a row when it says something else than the row before, or 25 cycles after it: at most 24 rows a life.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from msgspec.structs import replace

from actors.community.cards import card_curve
from actors.community.lives import OUTCOME_CAP
from actors.model.advice import Advice, ExperienceCard, Recommendation, Topic
from actors.model.ids import CommunityId
from actors.model.ledger import LedgerRow, RowOutcome, is_order, row_of
from actors.model.profiles import ThingProfile
from actors.model.things import Purpose, ThingRecord
from actors.runtime.turns import Put
from actors.thing.levels import extended, unpacked
from actors.thing.sharing import Told
from actors.thing.state import ComponentFailed, ComponentState, EstimateTaken, NeedState, ThingState

_ROW_EVERY: Final = 25.0
_MOST_ROWS: Final = 24
_FEWEST_POINTS: Final = 5


def opened_row(
    component: ComponentState, record: ThingRecord, community_id: CommunityId, advice: Advice, *, due: bool
) -> LedgerRow | None:
    """Return the row that an answer about a component opens, if it opens one."""
    if not isinstance(advice, Recommendation):
        return None
    told = replace(advice, action="order_replacement") if due else advice
    last = component.rows[-1] if component.rows else None
    if last is not None and last.action == told.action and component.cycle < last.age + _ROW_EVERY:
        return None
    if len(component.rows) >= _MOST_ROWS and not due:
        return None
    key = f"{record.thing_id}/{advice.subject}/{int(advice.answered_at.timestamp() * 1000):014d}"
    return row_of(
        told,
        key=key,
        community_id=community_id,
        thing_id=record.thing_id,
        owner_id=record.owner_id,
        age=component.cycle,
    )


def ledger_put(row: LedgerRow) -> Put:
    """Return what keeps a row."""
    return Put("ledger", row.key, row.owner_id, row)


def estimated(component: ComponentState, taken: EstimateTaken) -> ComponentState:
    """Return a component after an answer; what another version of the model told is not mixed with this one's."""
    rows = component.rows if taken.row is None else (*component.rows, taken.row)
    trail, trail_of = component.trail, component.trail_of
    if taken.index is not None:
        known = trail if trail_of == taken.model_version else b""
        trail, trail_of = extended(known, taken.cycle, taken.index), taken.model_version
    return replace(
        component,
        estimate=taken.estimate,
        memory=taken.memory,
        answers=component.answers + 1,
        rows=rows,
        trail=trail,
        trail_of=trail_of,
    )


def failures(state: ThingState, profile: ThingProfile) -> list[ComponentFailed]:
    """Return the components whose failure is reported for the first time in their life."""
    return [
        ComponentFailed(subject=name)
        for name, spec in profile.components.items()
        if spec.failure and state.faults.get(spec.failure) and name in state.components
        if not state.components[name].failed
    ]


def without_rows(component: ComponentState, keys: Sequence[str]) -> ComponentState:
    """Return a component without these rows: what became of them is known."""
    return replace(component, rows=tuple(row for row in component.rows if row.key not in keys))


def life_ended(
    before: ThingState, record: ThingRecord, profile: ThingProfile, subject: str, now: datetime
) -> tuple[tuple[LedgerRow, ...], list[Told]]:
    """Return a component's rows, closed, and what its peers learn, when it was replaced.

    It failed when that was reported; where the profile names no such fault, when it was replaced without advice.
    """
    component, spec = before.components.get(subject), profile.components.get(subject)
    if component is None or spec is None:
        return (), []
    known = before.needs.get(subject, NeedState())
    failed = component.failed if spec.failure else not known.is_open
    rows = closed_rows(component, now, failed=failed, dismissed=known.muted)
    return rows, life_told(component, record, subject, now, failed=failed)


def closed_rows(component: ComponentState, now: datetime, *, failed: bool, dismissed: bool) -> tuple[LedgerRow, ...]:
    """Return a life's rows with their outcome: it failed, or it was replaced before that and is censored."""
    advised = any(is_order(row.action) for row in component.rows)
    last = len(component.rows) - 1
    return tuple(
        replace(
            row,
            outcome=_outcome(row, now, failed=failed, dismissed=dismissed),
            closed_at=now,
            left=component.cycle - row.age,
            censored=not failed,
            missed=failed and not advised and place == last,
        )
        for place, row in enumerate(component.rows)
    )


def _outcome(row: LedgerRow, now: datetime, *, failed: bool, dismissed: bool) -> RowOutcome:
    if dismissed and is_order(row.action):
        return RowOutcome.DISMISSED
    if not failed:
        return RowOutcome.ORDERED
    return RowOutcome.FAILED_AFTER if now > row.expires_at else RowOutcome.FAILED_BEFORE


def corrected_rows(rows: Sequence[LedgerRow], outcome: RowOutcome, by: str, now: datetime) -> tuple[LedgerRow, ...]:
    """Return the rows that a person's word closes: a returned part those that called for it, else all."""
    only_orders = outcome in {RowOutcome.RETURNED_UNUSED, RowOutcome.DISMISSED, RowOutcome.ORDERED}
    return tuple(
        replace(row, outcome=outcome, by=by, closed_at=row.closed_at or now)
        for row in rows
        if is_order(row.action) or not only_orders
    )


def life_told(
    component: ComponentState, record: ThingRecord, subject: str, now: datetime, *, failed: bool
) -> list[Told]:
    """Return what peers learn from a life that ended, by the index that the community's answers told along it.

    The model that told it has not seen this life. A life that was ended by a replacement is marked as censored.
    """
    points = np.array(unpacked(component.trail), dtype=np.float64).reshape(-1, 2)
    if Purpose.HEALTH not in record.shares or len(points) < _FEWEST_POINTS:
        return []
    left = np.minimum(component.cycle - points[:, 0], OUTCOME_CAP)
    card = ExperienceCard(
        card_id="",
        community_id=CommunityId(""),
        topic=Topic.HEALTH,
        owner_id=record.owner_id,
        subject=subject,
        lived=component.cycle,
        censored=not failed,
        curve=tuple(card_curve(points[:, 1], left).tolist()),
        model_version=component.trail_of,
        ended_at=now,
    )
    return [(card, ("life", f"{now.timestamp():.3f}"))]
