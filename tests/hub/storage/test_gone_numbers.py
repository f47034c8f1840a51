"""Ranges of numbers that were taken away hold exactly these numbers, and forget before they would lie."""

from itertools import pairwise

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage import gone
from hub.storage.gone import MOST_RANGES, is_gone, joined, rising

numbers = st.lists(st.integers(0, 60))


@given(slices=st.lists(numbers, max_size=5))
def test_ranges_hold_the_numbers_that_were_given_and_no_other(slices: list[list[int]]) -> None:
    ranges: list[tuple[int, int]] = []
    for each in slices:
        ranges = joined(ranges, each)
    held = {number for first, last in ranges for number in range(first, last + 1)}
    assert held == {number for each in slices for number in each}
    assert all(later[0] > former[1] + 1 for former, later in pairwise(ranges))


def test_a_boot_with_too_many_gaps_forgets_its_lowest_numbers_and_invents_none() -> None:
    ranges = joined([], range(0, 2 * MOST_RANGES + 40, 2))
    assert (len(ranges), ranges[0], ranges[-1]) == (MOST_RANGES, (40, 40), (2038, 2038))


@pytest.mark.parametrize(
    ("message_id", "read_as"),
    [
        ("b:7", ("b:", 7)),
        ("a:b:0", ("a:b:", 0)),
        ("b:07", None),
        ("b:\u0667", None),
        ("b:" + "9" * 19, None),
        (":7", None),
        ("7", None),
        ("b:", None),
        ("b:x7", None),
    ],
)
def test_only_numbers_written_as_counting_writes_them_rise(message_id: str, read_as: tuple[str, int] | None) -> None:
    assert rising(message_id) == read_as


def test_numbers_are_known_of_their_own_actor_and_boot_alone() -> None:
    file = apsw.Connection(":memory:")
    file.execute("CREATE TABLE gone(address, boot, first, last, PRIMARY KEY(address, boot, first)) WITHOUT ROWID")
    names = [("thing/a", f"b:{number}") for number in (1, 2, 3, 7)]
    gone.write(file, gone.grown(file, names[:2]))
    gone.write(file, gone.grown(file, [*names[2:], ("thing/a", "digest")]))
    assert list(file.execute("SELECT * FROM gone")) == [("thing/a", "b:", 1, 3), ("thing/a", "b:", 7, 7)]
    assert [is_gone(file, "thing/a", f"b:{number}") for number in range(9)] == [n in {1, 2, 3, 7} for n in range(9)]
    assert not any(is_gone(file, *name) for name in (("thing/b", "b:1"), ("thing/a", "c:1"), ("thing/a", "digest")))
    file.close()
