"""A new model is published only when it errs less than the present one on lives that neither has seen."""

import msgspec
import pytest

from actors.community.champion import duel
from actors.community.lives import Life
from actors.community.policy import ActBand
from actors.community.training import Trained, TrainingSettings, train
from hub.demo.turbofan import fleet
from hub.training import TrainingLife, TrainingRequest, train_model

QUICK = TrainingSettings(rounds=25, learning_rate=0.25, steps=200)
LIVES = fleet(seed=3, size=24, owners=6)


def packed(lives: list[Life]) -> list[bytes]:
    return [
        msgspec.msgpack.encode(
            TrainingLife(life_id=life.life_id, owner_id=life.owner_id, n_settings=3, rows=life.rows.tolist())
        )
        for life in lives
    ]


def challenged(champion: Trained, seen: list[Life], *, wrong: float = 0.0) -> TrainingRequest:
    """Return a request in which the champion's cards are wrong by so many cycles."""
    cards = [
        (card.life_id, card.owner_id, [value + wrong if value >= 0 else value for value in card.curve.tolist()])
        for card in champion.cards
    ]
    return TrainingRequest(
        lives=packed(LIVES),
        band=ActBand(),
        champion=champion.model.to_bytes(),
        champion_cards=cards,
        seen=[life.life_id for life in seen],
    )


def test_a_present_model_that_errs_more_on_the_lives_closed_since_is_replaced() -> None:
    first = train(LIVES[:16], seed=0, settings=QUICK)
    made = train_model(challenged(first, LIVES[:16], wrong=60.0))
    assert made.against_former.startswith("the new model is published: on the 8 lives closed last it errs by")


def test_a_present_model_that_errs_less_is_kept_and_the_reason_told(trained: Trained) -> None:
    knows_all = challenged(trained, LIVES[:16])  # it has seen the lives it is judged by: nobody could err less
    with pytest.raises(ValueError, match="the present model is kept: on the 8 lives closed last"):
        train_model(knows_all)


def test_with_nothing_new_to_judge_by_the_new_model_is_taken(trained: Trained) -> None:
    assert duel(trained.model, trained.matrix(), LIVES, unseen=(), errors=trained.errors).won


def test_errors_are_of_answers_that_had_not_seen_the_life(trained: Trained) -> None:
    assert set(trained.errors) == {life.life_id for life in LIVES}
    seen = duel(trained.model, trained.matrix(), LIVES, unseen=set(trained.errors), errors=trained.errors)
    assert seen.champion < seen.challenger
