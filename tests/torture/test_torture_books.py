"""What the torture's judge compares: books of messages sent and stored, in few bytes each."""

from pathlib import Path
from random import Random

import pytest

from hub.storage.sqlite import FILE_NAME, open_journal
from hub.torture.books import Book
from hub.torture.evidence import Evidence
from hub.torture.fleet import Ledger
from hub.torture.former import is_former, take_back
from hub.torture.judge import Readings, judge_readings
from hub.torture.moments import Moment, plan


def evidence(*stored: tuple[str, float, int]) -> Evidence:
    book = Book()
    for name, level, rows in stored:
        book.tell("t", name, level)
        for _ in range(rows):
            book.count("t", name)
    return Evidence(
        book=book, strange=[], needs=[], orders={}, owners={}, meters={}, differences=[], left={},
        messages=book.total(), integrity="ok",
    )  # fmt: skip


def ledger(*sent: tuple[str, float, bool]) -> Ledger:
    known = Ledger()
    for name, level, is_acknowledged in sent:
        known.book.tell("t", name, level)
        if is_acknowledged:
            known.acknowledge("t", name)
    return known


def wrong(readings: Readings) -> dict[str, int]:
    names = ("lost", "doubled", "altered", "unknown")
    return {name: getattr(readings, name) for name in names if getattr(readings, name)}


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ((("b1:1", 9.0, 1), ("b1:2", 8.0, 1)), {}),
        ((("b1:1", 9.0, 1),), {}),
        ((("b1:2", 8.0, 1),), {"lost": 1}),
        ((), {"lost": 1}),
        ((("b1:1", 9.0, 3),), {"doubled": 2}),
        ((("b1:1", 9.5, 1),), {"altered": 1}),
        ((("b1:1", 9.0, 1), ("b1:3", 7.0, 1)), {"unknown": 1}),
        ((("b1:1", 9.0, 1), ("b2:1", 9.0, 1)), {"unknown": 1}),
    ],
)
def test_what_was_acknowledged_is_compared_with_what_is_stored(
    stored: tuple[tuple[str, float, int], ...], told: dict[str, int]
) -> None:
    known = ledger(("b1:1", 9.0, True), ("b1:2", 8.0, False))
    assert wrong(judge_readings(known, evidence(*stored))) == told


def test_a_book_knows_its_messages_by_name_and_refuses_names_of_others() -> None:
    book = Book()
    book.tell("t", "b1:3", 1.0)
    book.count("t", "b1:3")
    assert list(book.names()) == [("t", "b1:3")]
    assert (book.counted("t", "b1:3"), book.counted("t", "b1:2"), book.counted("u", "b1:3")) == (1, 0, 0)
    for name in ("3", "b1:", "b1:x", "b1:0", "b1:99999999999"):
        with pytest.raises(ValueError, match=name):
            book.tell("t", name, 1.0)


@pytest.mark.parametrize("kills", [1, 15, 16, 1000])
def test_a_plan_has_as_many_moments_as_kills_and_each_kind_where_there_is_room(kills: int) -> None:
    moments = plan(kills, Random(kills))
    assert len(moments) == kills
    if kills >= 16:
        assert set(moments) == set(Moment) - {Moment.MIGRATION}


async def test_a_journal_of_the_first_version_is_told_from_a_present_one(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        assert journal.setting("installation", lambda: "i1") == "i1"
    take_back(tmp_path / FILE_NAME)
    assert is_former(tmp_path / FILE_NAME)
    with open_journal(tmp_path) as journal:
        assert journal.setting("installation", lambda: "i2") == "i1"
    assert not is_former(tmp_path / FILE_NAME)
