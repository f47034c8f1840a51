"""The model: deterministic, served without the training library, the same after its way through bytes."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from msgspec.structs import replace

from actors.community.arrays import UnreadableArrays
from actors.community.forest import TreeNode, build_forest, mean_of
from actors.community.health_index import HealthModel
from actors.community.network import side_by_side
from actors.community.network_training import fit_network, fit_scaling
from actors.community.sharing import as_experience, finished_card, matrix_of
from actors.community.training import Trained, TrainingSettings, train
from actors.model.ids import CommunityId
from hub.demo.turbofan import fleet, synthetic_life

TINY = TrainingSettings(rounds=4, learning_rate=0.3, steps=4)


def _leaf(value: float) -> TreeNode:
    return TreeNode(is_leaf=True, value=value, column=0, threshold=0.0, left=0, right=0)


def _test(column: int, threshold: float, left: int, right: int) -> TreeNode:
    return TreeNode(is_leaf=False, value=0.0, column=column, threshold=threshold, left=left, right=right)


def test_a_tree_answers_the_leaf_its_tests_lead_to() -> None:
    tree = [_test(0, 1.0, 1, 4), _test(1, 5.0, 2, 3), _leaf(10.0), _leaf(20.0), _leaf(30.0)]
    forest = build_forest([tree, [_leaf(1.0)]], baseline=100.0)
    rows = np.array([[1.0, 5.0], [0.0, 6.0], [2.0, 0.0]])
    assert forest.predict(rows).tolist() == [111.0, 121.0, 131.0]


def test_the_mean_of_forests_whose_trees_differ_in_size_is_the_mean_of_what_they_say() -> None:
    large = build_forest([[_test(0, 1.0, 1, 4), _test(1, 5.0, 2, 3), _leaf(10.0), _leaf(20.0), _leaf(30.0)]], 0.0)
    small = build_forest([[_leaf(4.0)]], baseline=2.0)
    rows = np.array([[1.0, 5.0], [0.0, 6.0], [2.0, 0.0]])
    assert mean_of([large, small]).predict(rows).tolist() == [8.0, 13.0, 18.0]


def test_networks_learn_a_curve_and_say_no_more_beyond_it_than_at_its_end() -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 4))
    wanted = 125 / (1 + np.exp(-2 * rows[:, 0]))
    scaling = fit_scaling(rows)
    one, two = (fit_network(scaling, rows, wanted, steps=400, seed=seed) for seed in (1, 2))
    both = side_by_side([one, two])
    assert np.abs(both.predict(rows) - wanted).mean() < 5
    assert np.allclose(both.predict(rows), (one.predict(rows) + two.predict(rows)) / 2, atol=1e-3)
    far, end = np.array([[1e6, 0.0, 0.0, 0.0]]), np.array([[rows[:, 0].max(), 0.0, 0.0, 0.0]])
    assert both.predict(far) == pytest.approx(both.predict(end), abs=1e-3)


def test_a_model_of_an_older_release_has_no_networks_and_answers_by_its_trees(trained: Trained) -> None:
    old = HealthModel.from_bytes(replace(trained.model, networks=None).to_bytes())
    vectors = np.stack([old.lowest, old.highest])
    assert old.networks is None
    assert old.version != trained.model.version
    assert old.index(vectors).tolist() == np.clip(old.forest.predict(vectors), 0, 125).tolist()


def test_a_tree_with_too_many_leaves_is_refused() -> None:
    chain = [node for at in range(16) for node in (_test(0, float(at), 2 * at + 1, 2 * at + 2), _leaf(0.0))]
    with pytest.raises(ValueError, match="16 leaves"):
        build_forest([[*chain, _leaf(0.0)]], baseline=0.0)


def test_the_same_lives_and_seed_give_the_same_version() -> None:
    lives = fleet(seed=8, size=12, owners=3)
    one, two = train(lives, seed=1, settings=TINY), train(lives, seed=1, settings=TINY)
    assert one.model.version == two.model.version
    assert one.model.version != train(lives, seed=2, settings=TINY).model.version


def test_a_model_survives_the_way_through_bytes(trained: Trained) -> None:
    again = HealthModel.from_bytes(trained.model.to_bytes())
    rows = synthetic_life(77, owner="o").rows
    assert again.version == trained.model.version
    assert again.policy == trained.model.policy
    assert np.array_equal(again.life_index(rows), trained.model.life_index(rows))


def test_bytes_that_are_no_model_are_refused(trained: Trained) -> None:
    data = trained.model.to_bytes()
    for broken in (b"", data[:-1], trained.model.normaliser.to_bytes()):
        with pytest.raises(UnreadableArrays):
            HealthModel.from_bytes(broken)


def test_the_index_falls_towards_the_end(trained: Trained) -> None:
    index = trained.model.life_index(synthetic_life(123_456, owner="o").rows)
    assert index[30] > 90
    assert index[-1] < 20


def test_readings_from_another_world_are_not_known(trained: Trained) -> None:
    rows = synthetic_life(5, owner="o").rows[:60]
    strange = rows * 1.3
    model = trained.model
    assert model.knows(model.features(rows[:20], rows, 60))
    assert not model.knows(model.features(strange[:20], strange, 60))
    assert not model.knows(np.array([1.0, 2.0]))


def test_too_few_lives_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        train(fleet(seed=1, size=9, owners=3), seed=0)


def test_serving_does_not_load_the_training_library() -> None:
    program = "import sys, actors.community.advising as a; sys.exit('sklearn' in sys.modules or not a)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_finished_life_is_shared_without_its_rows_and_answers_later(trained: Trained) -> None:
    life = synthetic_life(4321, owner="newcomer")
    version = trained.model.version
    card = as_experience(
        finished_card(trained.model, life),
        model_version=version,
        community_id=CommunityId("e"),
        subject="s",
        card_id="x",
    )
    stale = as_experience(trained.cards[0], model_version="older", community_id=CommunityId("e"), subject="s")
    assert len(card.curve) == 63
    assert (card.card_id, card.lived) == ("x", life.cycles)
    assert len(matrix_of([card, card, stale], version)) == 1


def test_what_training_returns_crosses_a_process_border(trained: Trained) -> None:
    again = pickle.loads(pickle.dumps(trained))  # noqa: S301 -- our own bytes, as a process pool moves them
    assert again.model.version == trained.model.version
    assert len(again.matrix()) == len(trained.cards)
