"""Sequence numbers: what is missing, what is a repeat, and the jump from the largest to 1."""

import pytest

from protocols.opcua.sequence import MOST_MISSING, NotificationOrder

LARGEST = 2**32 - 1


def order_at(expected: int) -> NotificationOrder:
    order = NotificationOrder()
    order.expected = expected
    return order


@pytest.mark.parametrize(
    ("expected", "number", "missing", "repeat"),
    [
        (1, 1, [], False),
        (5, 4, [], True),
        (5, 8, [5, 6, 7], False),
        (LARGEST, 2, [LARGEST, 1], False),
        (1, LARGEST, [], True),
    ],
)
def test_gaps_and_repeats_are_told_apart(expected: int, number: int, missing: list[int], *, repeat: bool) -> None:
    assert order_at(expected).missing_before(number) == missing
    assert order_at(expected).is_repeat(number) == repeat


def test_the_number_after_the_largest_is_one() -> None:
    order = order_at(LARGEST)
    order.take(LARGEST)
    assert order.expected == 1


def test_a_huge_gap_is_not_asked_for_one_by_one() -> None:
    order = order_at(10)
    assert len(order.missing_before(10 + 5 * MOST_MISSING)) == MOST_MISSING
    assert order.skip_to(10 + 5 * MOST_MISSING) == 5 * MOST_MISSING
    assert order.skip_to(10) == 0
    assert order.expected == 10 + 5 * MOST_MISSING
