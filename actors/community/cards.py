"""Cards of finished lives, their matrix, and the answer that peers' cards give (communities.md 4b)."""

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from actors.community.lives import FloatArray, Life

LEVEL_STEP = 2
LEVELS = np.arange(0, 125, LEVEL_STEP, dtype=np.float64)
EMPTY = -1.0
FEWEST_OWN_LIVES = 3

_BELL = 3.0
_NEAR = 5.0
_MAD_TO_DEVIATION = 1.4826
_CUT = 3.0
_SMALLEST_SPREAD = 8.0
"""In cycles. Where most had 125 left the usual spread is next to none, and those with 95 left are no liars."""
_MOST_OF_A_HUB = 1 / 3
_CAPPING_ROUNDS = 30
_QUANTILES = (0.1, 0.5, 0.9)

Codes = npt.NDArray[np.int64]
Curve = npt.NDArray[np.float32]
Silence = Literal["no_evidence", "too_few_owners"]


class LifeCard(Struct, frozen=True, kw_only=True, eq=False):
    """What a finished life leaves behind for its peers; ``curve`` has 63 levels, -1 where empty."""

    life_id: str
    owner_id: str
    cycles: int
    curve: Curve


class Estimate(Struct, frozen=True, kw_only=True):
    """What peers' cards say about one machine at one cycle; lives are in cycles, up to 125."""

    index: float
    value: float
    low: float
    high: float
    p10: float
    p50: float
    p90: float
    peers: int
    agreeing: int
    owners: int
    own_fleet: int
    hubs: int = 1


def card_curve(index: FloatArray, outcomes: FloatArray) -> Curve:
    """Return the 63 levels of a finished life: what it had left when its index stood near each; -1 where it never did.

    ``index`` must come from a model that has not seen this life.
    """
    gap = np.abs(index[:, None] - LEVELS)
    weight = np.exp(-((gap / _BELL) ** 2))
    mean = (weight * outcomes[:, None]).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
    return np.where(gap.min(axis=0) <= _NEAR, mean, EMPTY).astype(np.float32)


def life_card(life: Life, index: FloatArray) -> LifeCard:
    """Return the card of a finished life from its index at every cycle, by a model that has not seen it."""
    curve = card_curve(index, life.remaining())
    return LifeCard(life_id=life.life_id, owner_id=life.owner_id, cycles=life.cycles, curve=curve)


def level_of(index: float) -> int:
    """Return the nearest level's place."""
    return int(levels_of(np.array([index]))[0])


def levels_of(index: FloatArray) -> npt.NDArray[np.intp]:
    """Return the nearest level's place of each index."""
    return np.clip(np.rint(index / LEVEL_STEP), 0, len(LEVELS) - 1).astype(np.intp)


class CardMatrix:
    """Peers x 63 in column-major order: a question reads one column. Adding and removing a card touches one row.

    Questions may be answered in another thread than the one that changes it.
    """

    def __init__(self, model_version: str = "", *, room: int = 64) -> None:
        self.model_version = model_version
        """Cards of one model version are never mixed with another's."""
        self._lock = Lock()
        self._values = np.full((room, len(LEVELS)), EMPTY, dtype=np.float32, order="F")
        self._owner = np.zeros(room, dtype=np.int64)
        self._hub = np.zeros(room, dtype=np.int64)
        self._public = np.zeros(room, dtype=np.bool_)
        self._hub_code: dict[str, int] = {"": 0}
        self._ids: list[str] = []
        self._row: dict[str, int] = {}
        self._owner_code: dict[str, int] = {}
        self._cards_of: Counter[str] = Counter()
        self._owner_ids: list[str] = []
        self._owners_ever = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, card_id: str) -> bool:
        return card_id in self._row

    def append(
        self, card_id: str, owner_id: str, curve: Sequence[float] | Curve, *, hub: str = "", public: bool = True
    ) -> bool:
        """Add a card; False when it is there already. One that is not ``public`` counts for its owner alone.

        ``hub`` names the foreign hub that it is from. Raises: ValueError for a curve that has not 63 levels.
        """
        if card_id in self._row:
            return False
        levels = np.asarray(curve, dtype=np.float32)
        if levels.shape != LEVELS.shape or not np.isfinite(levels).all():
            raise ValueError(f"card {card_id}: {len(LEVELS)} finite levels expected, got shape {levels.shape}")
        with self._lock:
            self._make_room()
            row = len(self._ids)
            self._values[row] = levels
            self._owner[row] = self._code_for(owner_id)
            self._hub[row] = self._hub_code.setdefault(hub, len(self._hub_code))
            self._public[row] = public
            self._ids.append(card_id)
            self._owner_ids.append(owner_id)
            self._row[card_id] = row
        return True

    def show(self, card_id: str, *, public: bool) -> None:
        """Let a card count for everybody, or for its owner alone."""
        self._public[self._row[card_id]] = public

    def remove(self, card_id: str) -> bool:
        """Forget a card, and its owner with the last of them; False when it is not there."""
        with self._lock:
            row = self._row.pop(card_id, None)
            if row is not None:
                self._remove(row)
        return row is not None

    def evidence(self, level: int, *, asker: int = -1, without: str | None = None) -> tuple[FloatArray, Codes, Codes]:
        """Return (remaining lives, owner codes, hub codes) of the cards that say something at this level.

        Of those that are not public only the asker's own; ``asker`` is an owner code.
        """
        with self._lock:
            size = len(self)
            column, owner = self._values[:size, level], self._owner[:size]
            present = (column >= 0) & (self._public[:size] | (owner == asker))
            if without is not None and without in self._row:
                present[self._row[without]] = False
            return column[present].astype(np.float64), owner[present], self._hub[:size][present]

    def curves(self) -> tuple[Curve, npt.NDArray[np.int64]]:
        """Return (cards x 63 levels, -1 where empty; owner codes)."""
        return self._values[: len(self)], self._owner[: len(self)]

    def owner_code(self, owner_id: str) -> int:
        """Return the number that stands for an owner; -1 for an owner without cards."""
        return self._owner_code.get(owner_id, -1)

    def _remove(self, row: int) -> None:
        self._forget_one_of(self._owner_ids[row])
        last, last_owner = self._ids.pop(), self._owner_ids.pop()
        end = len(self._ids)
        if row != end:
            for column in (self._values, self._owner, self._hub, self._public):
                column[row] = column[end]
            self._ids[row], self._owner_ids[row], self._row[last] = last, last_owner, row
        self._values[end] = EMPTY

    def _code_for(self, owner_id: str) -> int:
        self._cards_of[owner_id] += 1
        if owner_id not in self._owner_code:
            self._owner_code[owner_id] = self._owners_ever
            self._owners_ever += 1
        return self._owner_code[owner_id]

    def _forget_one_of(self, owner_id: str) -> None:
        self._cards_of[owner_id] -= 1
        if not self._cards_of[owner_id]:
            del self._cards_of[owner_id], self._owner_code[owner_id]

    def _make_room(self) -> None:
        if len(self._ids) < len(self._values):
            return
        more = np.full((2 * len(self._values), len(LEVELS)), EMPTY, dtype=np.float32, order="F")
        more[: len(self._values)] = self._values
        self._values = more
        self._owner, self._hub = (np.concatenate([each, np.zeros_like(each)]) for each in (self._owner, self._hub))
        self._public = np.concatenate([self._public, np.zeros_like(self._public)])


def answer(
    matrix: CardMatrix, index: float, *, asker_owner: str, k_owners: int, without: str | None = None
) -> Estimate | Silence:
    """Return what peers had left when their index stood where the asker's stands, or why nobody may say.

    Others count only when they are at least ``k_owners`` distinct owners besides the asker's. The asker's own fleet
    always counts; alone it needs three lives. An owner has one vote, shared by its cards, and a foreign hub at most a
    third of all. ``without`` names a card to leave out.
    """
    asker = matrix.owner_code(asker_owner)
    lives, owners, hubs = matrix.evidence(level_of(index), asker=asker, without=without)
    own = owners == asker
    n_others = _distinct(owners[~own])
    if n_others < k_owners or hubs.all():
        if np.count_nonzero(own) < FEWEST_OWN_LIVES:
            return "too_few_owners" if n_others else "no_evidence"
        lives, owners, hubs, own = lives[own], owners[own], hubs[own], own[own]
    weights = capped_by_hub(_one_vote_each(owners), hubs)
    return _weigh(index, lives, weights, own, _distinct(owners), hubs=_distinct(hubs))


def capped_by_hub(weights: FloatArray, hubs: Codes) -> FloatArray:
    """Return weights in which no foreign hub (code above 0) has more than a third of the sum.

    Some of the weight must be this hub's own, code 0.
    """
    if not hubs.any():
        return weights
    told = np.bincount(hubs, weights=weights)
    allowed = told.copy()
    for _ in range(_CAPPING_ROUNDS):
        for hub in range(1, len(allowed)):
            allowed[hub] = min(told[hub], (allowed.sum() - allowed[hub]) * _MOST_OF_A_HUB / (1 - _MOST_OF_A_HUB))
    return np.asarray(weights * (allowed / np.maximum(told, 1e-300))[hubs], dtype=np.float64)


def _distinct(codes: Codes) -> int:
    return int(np.count_nonzero(np.bincount(codes)))


def _one_vote_each(owners: Codes) -> FloatArray:
    return np.asarray(1.0 / np.bincount(owners)[owners], dtype=np.float64)


def _weigh(
    index: float, lives: FloatArray, weights: FloatArray, own: npt.NDArray[np.bool_], n_owners: int, *, hubs: int
) -> Estimate:
    order = np.lexsort((weights, lives))  # whatever the order of rows: the same evidence gives the same answer
    lives, weights, own = lives[order], weights[order], own[order]
    p10, p50, p90 = _quantiles(lives, weights)
    gap = np.abs(lives - p50)
    by_gap = np.argsort(gap)
    middle_gap = float(np.interp(0.5, _places(weights[by_gap]), gap[by_gap]))
    agree = gap <= _CUT * _MAD_TO_DEVIATION * max(middle_gap, _SMALLEST_SPREAD)
    return Estimate(
        index=index,
        # No product of vectors: above 10,000 cards BLAS waits for threads of its own, and keeps the loop waiting.
        value=float(np.average(lives[agree], weights=weights[agree])),
        low=p10,
        high=p90,
        p10=p10,
        p50=p50,
        p90=p90,
        peers=len(lives),
        agreeing=int(np.count_nonzero(agree)),
        owners=n_owners,
        own_fleet=int(np.count_nonzero(own)),
        hubs=hubs,
    )


def _quantiles(ordered: FloatArray, weights: FloatArray) -> tuple[float, float, float]:
    p10, p50, p90 = np.interp(_QUANTILES, _places(weights), ordered)
    return float(p10), float(p50), float(p90)


def _places(weights: FloatArray) -> FloatArray:
    """Return where each ordered value stands in the distribution, 0 to 1."""
    return np.asarray((np.cumsum(weights) - 0.5 * weights) / weights.sum(), dtype=np.float64)
