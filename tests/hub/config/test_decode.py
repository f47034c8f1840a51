"""Decoding key by key: what each kind of value becomes, and what is said when it cannot."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from actors.model.profiles import ThingProfile
from hub.config.decode import Decoder
from hub.config.problems import Notes, Problem, Spot


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Struct, frozen=True, kw_only=True, rename="kebab"):
    max_size: int = 1


class Options(Struct, frozen=True, kw_only=True):
    colour: Colour = Colour.RED
    mode: Literal["fast", "safe"] = "safe"
    pair: tuple[str, int] = ("a", 1)
    names: frozenset[str] = frozenset()
    sizes: Sequence[Annotated[int, Meta(ge=0)]] = ()
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    table: Mapping[str, dict[str, str | int]] = {}
    either: int | str = 0
    anything: Any = None


def _decode(raw: dict[str, object]) -> tuple[Options | None, list[Problem]]:
    spot = Spot(notes=Notes(), file="f.toml", key="options")
    return Decoder(folder=Path(), environ={}).table(Options, raw, spot), spot.notes.problems


def test_every_kind_of_value_is_decoded() -> None:
    options, problems = _decode(
        {
            "colour": "blue",
            "mode": "fast",
            "pair": ["b", 2],
            "names": ["x", "y"],
            "sizes": [1, 2],
            "inner": {"max-size": 3},
            "inners": [{"max-size": 4}],
            "table": {"a": {"b": "c", "d": 1}},
            "either": "text",
            "anything": [1, {"x": 2}],
        }
    )
    assert problems == []
    assert options == Options(
        colour=Colour.BLUE,
        mode="fast",
        pair=("b", 2),
        names=frozenset({"x", "y"}),
        sizes=(1, 2),
        inner=Inner(max_size=3),
        inners=(Inner(max_size=4),),
        table={"a": {"b": "c", "d": 1}},
        either="text",
        anything=[1, {"x": 2}],
    )


@pytest.mark.parametrize(
    ("key", "value", "table", "at", "expected"),
    [
        ("colour", "blu", "options", "colour", 'one of "red", "blue"'),
        ("mode", "slow", "options", "mode", 'one of "fast", "safe"'),
        ("pair", ["b"], "options", "pair", "a list of 2 items: a text, a whole number"),
        ("sizes", [1, -1], "options", "sizes[2]", "a whole number of at least 0"),
        ("inner", {"max_size": 3}, "options.inner", "max_size", 'one of "max-size"'),
        ("inners", [{}, {"max-size": "x"}], "options.inners[2]", "max-size", "a whole number"),
        ("inners", 3, "options", "inners", "a list, each a table"),
        ("table", {"a": {"b": 1.5}}, "options.table.a", "b", "a text or a whole number"),
        ("either", True, "options", "either", "a whole number or a text"),
    ],
)
def test_a_wrong_value_is_told_where_it_is_and_what_was_expected(
    key: str, value: object, table: str, at: str, expected: str
) -> None:
    options, problems = _decode({key: value})
    assert options is None
    assert [(each.table, each.key, each.expected) for each in problems] == [(table, at, expected)]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(ThingProfile.__struct_fields__) | st.text(max_size=8), _VALUES, max_size=8))
def test_whatever_is_written_is_decoded_or_explained(raw: dict[str, object]) -> None:
    spot = Spot(notes=Notes(), file="f.toml")
    profile = Decoder(folder=Path(), environ={}).table(ThingProfile, raw, spot)
    assert (profile is None) == bool(spot.notes.problems)
    assert all(each.expected and each.got and each.remedy for each in spot.notes.problems)


@given(st.dictionaries(st.sampled_from(["low", "high", "name"]), st.integers(-2, 12), max_size=3))
def test_the_decoder_agrees_with_msgspec_on_what_is_right(raw: dict[str, object]) -> None:
    class Range(Struct, forbid_unknown_fields=True):
        low: Annotated[int, Meta(ge=0)]
        high: Annotated[int, Meta(le=10)] = 10

    decoded = Decoder(folder=Path(), environ={}).table(Range, raw, Spot(notes=Notes(), file="f.toml"))
    try:
        expected: Range | None = msgspec.convert(raw, Range)
    except msgspec.ValidationError:
        expected = None
    assert decoded == expected
