"""How good answers are: the figures by which health models are compared (communities.md 3a and 6)."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.community.cards import LEVELS, CardMatrix, Estimate, answer, levels_of
from actors.community.health_index import HealthModel
from actors.community.lives import OUTCOME_CAP, FloatArray, Life
from actors.community.policy import ActBand, Replay, first_due

ALARM_AT = 40.0
"""A machine is flagged when its last answer is at most this many cycles."""

_NO_ORDER = -1.0


class Scores(Struct, frozen=True, kw_only=True):
    """Figures of one test set. ``answered`` counts machines with an answer at their last cycle.

    ``caught`` and ``false_alarms`` judge the last answer, ``due_caught`` and ``early_orders`` the policy at any cycle.
    """

    machines: int
    answered: int
    rmse: float
    rmse_raw: float
    rmse_index_only: float
    phm_score: float
    coverage80: float
    peers_p50: float
    caught: float
    """Share of machines with 30 cycles or fewer left whose last answer is at most 40."""
    false_alarms: float
    """Share of machines with more than 60 cycles left whose last answer is at most 40."""
    due_caught: float
    early_orders: float
    missed: tuple[str, ...]


class _Outcome(Struct, frozen=True, kw_only=True):
    machine: str
    left: float
    index: float
    estimate: Estimate | None
    ordered: bool


def evaluate(
    model: HealthModel, matrix: CardMatrix, machines: Sequence[Life], left: Sequence[float], k_owners: int
) -> Scores:
    """Replay machines that still run, every cycle of each, and judge the last answer and any order before it.

    ``left`` is what each really ran after its last row. A machine is ordered for once its policy says so at any cycle.
    """
    said = [_follow(model, matrix, each, true, k_owners) for each, true in zip(machines, left, strict=True)]
    known = [each for each in said if each.estimate is not None]
    band = ActBand()
    dying = [each for each in said if each.left <= band.late]
    healthy = [each for each in said if each.left > band.early]
    return Scores(
        machines=len(said),
        answered=len(known),
        rmse=rmse(_errors(known, OUTCOME_CAP)),
        rmse_raw=rmse(_errors(known, np.inf)),
        rmse_index_only=rmse(np.array([each.index - min(each.left, OUTCOME_CAP) for each in said])),
        phm_score=phm_score(_errors(known, OUTCOME_CAP)),
        coverage80=_mean([_covers(model, each) for each in known]),
        peers_p50=float(np.median([each.estimate.agreeing for each in known if each.estimate])) if known else 0.0,
        caught=_mean([_flagged(each) for each in dying]),
        false_alarms=_mean([_flagged(each) for each in healthy]),
        due_caught=_mean([each.ordered for each in dying]),
        early_orders=_mean([each.ordered for each in healthy]),
        missed=tuple(each.machine for each in dying if not each.ordered),
    )


def rmse(errors: FloatArray) -> float:
    """Return the root mean square; NaN of nothing."""
    return float(np.sqrt((errors**2).mean())) if len(errors) else float("nan")


def phm_score(errors: FloatArray) -> float:
    """Return the score of the PHM08 challenge for errors predicted minus true: late answers cost more; 0 is best."""
    return float(np.where(errors < 0, np.expm1(-errors / 13), np.expm1(errors / 10)).sum())


def _follow(model: HealthModel, matrix: CardMatrix, machine: Life, left: float, k_owners: int) -> _Outcome:
    index = model.life_index(machine.rows)
    at = levels_of(index)
    table = {
        level: answer(matrix, float(LEVELS[level]), asker_owner=machine.owner_id, k_owners=k_owners)
        for level in np.unique(at).tolist()
    }
    heard = [said if isinstance(said := table[level], Estimate) else None for level in at.tolist()]
    values = np.array([np.nan if each is None else each.value for each in heard])
    replay = Replay(estimates=values, remaining=left + np.arange(machine.cycles - 1, -1, -1, dtype=np.float64))
    ordered = first_due(model.policy, replay) > _NO_ORDER
    return _Outcome(machine=machine.life_id, left=left, index=float(index[-1]), estimate=heard[-1], ordered=ordered)


def _errors(said: Sequence[_Outcome], cap: float) -> FloatArray:
    return np.array([each.estimate.value - min(each.left, cap) for each in said if each.estimate])


def _flagged(said: _Outcome) -> bool:
    return said.estimate is not None and said.estimate.value <= ALARM_AT


def _covers(model: HealthModel, said: _Outcome) -> bool:
    if said.estimate is None:
        return False
    low, high = model.calibration.apply(said.estimate)
    return low <= min(said.left, OUTCOME_CAP) <= high


def _mean(flags: Sequence[bool]) -> float:
    return float(np.mean(flags)) if flags else float("nan")
