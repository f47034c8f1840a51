"""Training of a community's health model from whole lives. Needs scikit-learn and seconds: run it off the loop."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.community.boosting import fit_amounts
from actors.community.calibration import HeldOut, calibrate
from actors.community.cards import LEVELS, CardMatrix, Estimate, LifeCard, answer, levels_of, life_card
from actors.community.champion import life_error
from actors.community.features import Normaliser, fit_normaliser, life_features
from actors.community.forest import Forest, mean_of
from actors.community.health_index import HealthModel, blended
from actors.community.lives import FloatArray, Life
from actors.community.network import Networks, side_by_side
from actors.community.network_training import fit_network, fit_scaling
from actors.community.policy import ActBand, Replay, choose_policy

FEWEST_LIVES = 10


class TrainingSettings(Struct, frozen=True, kw_only=True):
    """How to train: rounds of boosting and steps of a network for each fold."""

    rounds: int = 45
    learning_rate: float = 0.2
    steps: int = 2000
    folds: int = 5
    band: ActBand = ActBand()


class Trained(Struct, frozen=True, kw_only=True, eq=False):
    """A model, the cards of the lives behind it, and its error on lives it had not seen, in cycles."""

    model: HealthModel
    cards: tuple[LifeCard, ...]
    held_out_rmse: float
    errors: dict[str, float] = {}
    """Life -> root mean square error of the answers about it, by models and cards that had not seen it, in cycles."""

    def matrix(self) -> CardMatrix:
        """Return the founding cards as a matrix."""
        matrix = CardMatrix(self.model.version)
        for card in self.cards:
            matrix.append(card.life_id, card.owner_id, card.curve)
        return matrix


def train(lives: Sequence[Life], *, seed: int, settings: TrainingSettings | None = None) -> Trained:
    """Train on finished lives; the same lives and seed give the same model.

    The model is the mean of one model a fold; a life's card, the intervals and the policy come from answers of the
    models and cards that had not seen that life. Raises: ValueError below 10 lives.
    """
    if len(lives) < FEWEST_LIVES:
        raise ValueError(f"at least {FEWEST_LIVES} finished lives expected for training, got {len(lives)}")
    how = settings or TrainingSettings()
    normaliser = fit_normaliser(lives)
    vectors = [life_features(normaliser, life.rows) for life in lives]
    learned, held_out = _fit_folds(vectors, [life.remaining() for life in lives], seed, how)
    cards = [life_card(life, index) for life, index in zip(lives, held_out, strict=True)]
    return _publish(lives, normaliser, learned, vectors, _Held(index=held_out, cards=cards), how)


class _Learned(Struct, frozen=True, kw_only=True):
    """What was learned in each fold."""

    forests: list[Forest]
    networks: list[Networks]


class _Held(Struct, frozen=True, kw_only=True):
    index: list[FloatArray]
    cards: list[LifeCard]


def _publish(
    lives: Sequence[Life],
    normaliser: Normaliser,
    learned: _Learned,
    vectors: Sequence[FloatArray],
    held: _Held,
    how: TrainingSettings,
) -> Trained:
    answers = _replay(lives, held)
    every = np.concatenate(vectors)
    model = HealthModel(
        normaliser=normaliser,
        forest=mean_of(learned.forests),
        networks=side_by_side(learned.networks),
        lowest=every.min(axis=0),
        highest=every.max(axis=0),
        calibration=calibrate(answers),
        policy=choose_policy(_replays(lives, answers), how.band),
    )
    errors = np.concatenate(held.index) - np.concatenate([life.remaining() for life in lives])
    return Trained(
        model=model,
        cards=tuple(held.cards),
        held_out_rmse=float(np.sqrt((errors**2).mean())),
        errors=_errors(lives, answers, held),
    )


def _errors(lives: Sequence[Life], answers: Sequence[HeldOut], held: _Held) -> dict[str, float]:
    told = (
        np.where(np.isnan(each.values), index, each.values) for each, index in zip(answers, held.index, strict=True)
    )
    return {life.life_id: life_error(values, life) for life, values in zip(lives, told, strict=True)}


def _fit_folds(
    vectors: Sequence[FloatArray], outcomes: Sequence[FloatArray], seed: int, how: TrainingSettings
) -> tuple[_Learned, list[FloatArray]]:
    """Return (what each fold taught, each life's index by the fold that had not seen it)."""
    fold = np.random.default_rng(seed).permutation(len(vectors)) % how.folds
    learned = _Learned(forests=[], networks=[])
    held_out = [np.zeros(0)] * len(vectors)
    scaling = fit_scaling(np.concatenate(vectors))
    for each in range(how.folds):
        seen, unseen = np.flatnonzero(fold != each).tolist(), np.flatnonzero(fold == each).tolist()
        rows, target = np.concatenate([vectors[i] for i in seen]), np.concatenate([outcomes[i] for i in seen])
        forest = fit_amounts(
            rows,
            target,
            rounds=how.rounds,
            learning_rate=how.learning_rate,
            seed=seed + each,
        )
        network = fit_network(scaling, rows, target, steps=how.steps, seed=seed + each)
        learned.forests.append(forest)
        learned.networks.append(network)
        for life in unseen:
            held_out[life] = blended(forest, network, vectors[life])
    return learned, held_out


def _replay(lives: Sequence[Life], held: _Held) -> list[HeldOut]:
    """Return each life's answers at every cycle, from the other lives' cards."""
    matrix = CardMatrix()
    for card in held.cards:
        matrix.append(card.life_id, card.owner_id, card.curve)
    return [_held_out(matrix, life, index) for life, index in zip(lives, held.index, strict=True)]


def _held_out(matrix: CardMatrix, life: Life, index: FloatArray) -> HeldOut:
    """Answer once a level: the answer depends on the index only through its level."""
    at = levels_of(index)
    table = np.full((len(LEVELS), 3), np.nan)
    for level in np.unique(at):
        said = answer(matrix, float(LEVELS[level]), asker_owner=life.owner_id, k_owners=1, without=life.life_id)
        if isinstance(said, Estimate):
            table[level] = said.value, said.low, said.high
    values, lows, highs = table[at].T
    return HeldOut(values=values, lows=lows, highs=highs, outcomes=life.remaining())


def _replays(lives: Sequence[Life], answers: Sequence[HeldOut]) -> list[Replay]:
    return [
        Replay(estimates=each.values, remaining=np.arange(life.cycles - 1, -1, -1, dtype=np.float64))
        for life, each in zip(lives, answers, strict=True)
    ]
