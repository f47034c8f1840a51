"""How long a question takes among 10,000 peers, and a finished life's card: on built-in engines, no data set needed."""

import time

import numpy as np

from actors.community.cards import CardMatrix
from actors.community.sharing import finished_card
from actors.community.training import Trained, TrainingSettings, train
from hub.bench import communities_exchange, communities_loop
from hub.bench.communities import ask_p95_ms
from hub.demo.turbofan import fleet, running_life

_PEERS = 10_000
_STREAMING = 1_000
_QUESTIONS = 300
_CARDS = 100
_FOUNDERS = 24
_DEVICES_LEFT = 5, 100


def measure(scale: float = 1.0) -> dict[str, float]:
    """Return the 95 % quantiles in ms, each from the machine's rows on, one thread; and how long the loop is held."""
    trained = train(fleet(seed=1, size=_FOUNDERS, owners=_FOUNDERS), seed=0, settings=TrainingSettings())
    matrix = crowd(trained, _PEERS)
    chance = np.random.default_rng(0)
    left = chance.integers(*_DEVICES_LEFT, size=_QUESTIONS).tolist()
    askers = [running_life(30_000 + n, owner="me", left=each) for n, each in enumerate(left)]
    return {
        "communities.ask_p95_ms_10k_peers": round(ask_p95_ms(trained.model, matrix, askers), 4),
        "communities.add_card_ms": round(_add_card_ms(trained, matrix), 4),
        **communities_exchange.measure(cards=max(100, int(_PEERS * scale)), things=_STREAMING),
        **communities_loop.measure(trained, things=max(100, int(10_000 * scale)), seconds=max(1.0, 10 * scale)),
    }


def crowd(trained: Trained, count: int) -> CardMatrix:
    """Return a matrix of as many owners, each with a founder's card a little shifted."""
    chance, matrix = np.random.default_rng(0), CardMatrix(trained.model.version)
    for number in range(count):
        curve = trained.cards[number % len(trained.cards)].curve
        shifted = np.where(curve >= 0, np.clip(curve + chance.normal(0, 5), 0, 125), curve)
        matrix.append(f"peer-{number}", f"owner-{number}", shifted.astype(np.float32))
    return matrix


def _add_card_ms(trained: Trained, matrix: CardMatrix) -> float:
    """Return the time from a finished life to its card in the matrix."""
    taken: list[float] = []
    for number, life in enumerate(fleet(seed=9, size=_CARDS, owners=_CARDS)):
        began = time.perf_counter()
        matrix.append(f"new-{number}", life.owner_id, finished_card(trained.model, life).curve)
        taken.append((time.perf_counter() - began) * 1000)
    return float(np.quantile(taken, 0.95))
