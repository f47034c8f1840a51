"""The vocabulary: money, units, keys and the table of order states."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.ids import InstallationId, OwnerId, ThingId, order_key
from actors.model.money import CurrencyMismatch, Money
from actors.model.orders import TERMINAL, TRANSITIONS, OrderState
from actors.model.secrets import Secret
from actors.model.units import NoConversion, UnknownUnit, convert


def test_amounts_of_two_currencies_do_not_add() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(minor=100, currency="EUR") + Money(minor=100, currency="USD")


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "USD", "JPY", "KWD"]))
def test_money_survives_the_way_through_major_units(minor: int, currency: str) -> None:
    amount = Money(minor=minor, currency=currency)
    assert Money.of(amount.decimal(), currency) == amount


@given(
    st.tuples(st.text(), st.text(), st.text(), st.text(), st.integers(0), st.integers(0)),
    st.tuples(st.text(), st.text(), st.text(), st.text(), st.integers(0), st.integers(0)),
)
def test_two_needs_share_a_key_only_when_they_are_the_same(a: tuple, b: tuple) -> None:  # type: ignore[type-arg]
    if any("\x1f" in part for part in (*a[:4], *b[:4])):
        return
    assert (order_key(*a) == order_key(*b)) == (a == b)


def test_a_key_is_letters_and_digits_only() -> None:
    key = order_key(InstallationId("i"), OwnerId("o"), ThingId("t.1/ä"), "ink", 1, 0)
    assert key.isalnum()
    assert key.isascii()
    assert key == key.upper()
    assert len(key) == 29


def test_units_convert_or_say_why_not() -> None:
    assert convert(250.0, "ml", "l") == 0.25
    assert convert(300.0, "K", "Cel") == pytest.approx(26.85)
    with pytest.raises(NoConversion):
        convert(1.0, "kg", "Cel")
    with pytest.raises(UnknownUnit):
        convert(1.0, "furlong", "m")


def test_every_state_ends_or_leads_on() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    reachable = {OrderState.DRAFTED}
    for _ in TRANSITIONS:
        reachable |= {nxt for state in reachable for nxt in TRANSITIONS[state]}
    assert reachable == set(OrderState)
    assert {OrderState.FULFILLED, OrderState.REJECTED, OrderState.CANCELLED, OrderState.EXPIRED} == TERMINAL


def test_a_secret_never_prints() -> None:
    secret = Secret("canary-4711")
    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "canary-4711"


def test_values_refuse_unknown_fields() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(b'{"minor": 1, "currency": "EUR", "colour": 1}', type=Money)
