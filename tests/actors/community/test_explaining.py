"""What would change an advice is worked out from its evidence, and the signals named are those that moved."""

import numpy as np

from actors.community.cards import Estimate
from actors.community.explaining import Timing, health_changes, signals_of, supply_changes
from actors.community.supplies import SupplyChoice
from actors.community.training import Trained
from actors.model.advice import Paid

SAID = Estimate(
    index=40.0,
    value=40.0,
    low=30.0,
    high=50.0,
    p10=30.0,
    p50=40.0,
    p90=50.0,
    peers=9,
    agreeing=9,
    owners=9,
    own_fleet=0,
)


def timing(lead: float) -> Timing:
    return Timing(age=200.0, low=30.0, lead=lead, unit="cycles")


def test_a_shorter_delivery_time_moves_the_latest_order() -> None:
    assert timing(8.0).order_by() == 222.0
    first, *_ = health_changes(SAID, timing(8.0), threshold=35.0, due=False)
    assert first == "With a delivery time of 4 cycles instead of 8 the order could wait until cycle 226."


def test_what_would_call_for_an_order_is_named_while_none_is_due() -> None:
    told = health_changes(SAID, timing(0.0), threshold=35.0, due=False)
    assert told == (
        "A delivery time of more than 30 cycles would call for an order at once.",
        "An order is due when peers say 35 cycles or less; they say 40.",
    )


def test_an_order_is_never_to_be_placed_in_the_past() -> None:
    assert timing(90.0).order_by() == 200.0


def test_signals_are_those_that_moved_most_by_their_names(trained: Trained) -> None:
    kept = trained.model.normaliser.kept
    vector = np.zeros(trained.model.normaliser.columns)
    vector[-1 - len(kept)], vector[-2] = 2.5, -4.0
    names = [f"s{number}" for number in range(21)]
    n_settings = trained.model.normaliser.n_settings
    assert [(each.name, each.moved) for each in signals_of(trained.model, vector, names)] == [
        (f"s{kept[-1] - n_settings}", -4.0),
        (f"s{kept[0] - n_settings}", 2.5),
    ]


def test_the_second_supply_is_told_what_it_would_take() -> None:
    prices = {"EUR": Paid(currency="EUR", p10=900, p50=1_000, p90=1_100)}
    best = SupplyChoice(sku="A", mean=220.0, lower=200.0, lives=9, owners=9, own_fleet=0, prices=prices)
    second = SupplyChoice(sku="B", mean=120.0, lower=100.0, lives=9, owners=9, own_fleet=0, prices=prices)
    assert supply_changes([best, second], "pages") == (
        "B would come first if it surely lasted 200 pages, not 100.",
        "At 5.00 EUR or less a piece B is the cheaper to use; peers paid 10.00 EUR.",
    )
    assert supply_changes([best], "pages") == ()
