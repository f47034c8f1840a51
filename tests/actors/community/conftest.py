"""A small community of synthetic machines, trained once."""

import pytest

from actors.community.training import Trained, TrainingSettings, train
from hub.demo.turbofan import fleet

QUICK = TrainingSettings(rounds=25, learning_rate=0.25, steps=200)


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train(fleet(seed=3, size=24, owners=6), seed=0, settings=QUICK)
