"""Read models are found by key, by page, by owner and by indexed fields, without walking the others."""

from collections.abc import Callable
from pathlib import Path

import apsw
import msgspec
import pytest
from firm import record
from golden import lay_out
from journal_rows import commit

from actors.model.things import Connection, ThingRecord
from actors.runtime.journal import JournalUnavailable, RecordRow
from hub.storage import records
from hub.storage.sqlite import FILE_NAME, open_journal

GOLDEN = Path(__file__).parent / "golden" / "journal_v1.sql"


def row(thing: ThingRecord, owner: str = "firm") -> RecordRow:
    return RecordRow(kind="thing", key=thing.thing_id, owner=owner, body=msgspec.json.encode(thing))


def thing(thing_id: str, protocol: str = "http", token: str = "") -> ThingRecord:
    return record(thing_id=thing_id, token_sha256=token, connection=Connection(protocol=protocol))


def steps(path: Path, look: Callable[[apsw.Connection], object]) -> int:
    """Return how many steps SQLite takes."""
    taken = 0

    def step() -> bool:
        nonlocal taken
        taken += 1
        return False

    file = apsw.Connection(str(path / FILE_NAME))
    look(file)  # reads the schema, once
    file.set_progress_handler(step, 1)
    look(file)
    file.close()
    return taken


async def test_records_come_in_pages_that_together_are_all(tmp_path: Path) -> None:
    rows = [row(thing(f"t{number}"), owner=f"o{number % 2}") for number in range(10)]
    with open_journal(tmp_path) as journal:
        await commit(journal, records=rows)
        first = list(journal.records("thing", limit=4))
        assert [*first, *journal.records("thing", after=first[-1].key)] == rows
        assert list(journal.records("thing", "o1", after="t3", limit=2)) == [rows[5], rows[7]]
        assert (journal.owners("thing"), journal.owners("order")) == ({"o0": 5, "o1": 5}, {})


def order(key: str, at: float, owner: str = "firm", body: bytes = b"{}") -> RecordRow:
    return RecordRow(kind="order", key=key, owner=owner, body=body, at=at)


async def test_records_are_listed_newest_first_over_all_pages(tmp_path: Path) -> None:
    rows = [order(f"k{7 * number % 10}", at=float(number // 2), owner=f"o{number % 3}") for number in range(10)]
    newest = sorted(rows, key=lambda row: (row.at, row.key), reverse=True)
    with open_journal(tmp_path) as journal:
        await commit(journal, records=rows)
        first = journal.latest("order", limit=3)
        place = (first[-1].at, first[-1].key)
        assert [*first, *journal.latest("order", before=place, limit=100)] == newest
        assert journal.latest("order", "o1", limit=9) == [row for row in newest if row.owner == "o1"]
        assert journal.latest("order", "o1", before=place, limit=9) == [row for row in newest[3:] if row.owner == "o1"]


async def test_what_is_shown_anew_keeps_its_place_in_time(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, records=[order("a", at=1.0), order("b", at=2.0)])
        await commit(journal, records=[order("a", at=3.0, body=b"[]")])
        assert journal.latest("order", limit=9) == [order("b", at=2.0), order("a", at=1.0, body=b"[]")]


async def test_a_kind_without_an_index_by_time_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal, pytest.raises(LookupError, match="no index lists thing by time"):
        journal.latest("thing", limit=1)


async def test_orders_of_an_old_journal_stand_in_the_order_of_their_first_passage(tmp_path: Path) -> None:
    lay_out(tmp_path, "hub_v4")
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    file.execute("DELETE FROM record WHERE kind = 'order'")
    for key, body in (
        ("a", b'{"passages":[{"at":"2026-11-23T10:08:29.5Z"},{"at":"2026-11-25T00:00:00Z"}]}'),
        ("b", b'{"passages":[{"at":"2026-11-24T00:00:00Z"}]}'),
        ("c", b'{"passages":[]}'),
    ):
        file.execute("INSERT INTO record VALUES('order', ?, 'firm', ?)", (key, body))
    file.close()
    with open_journal(tmp_path) as journal:
        found = journal.latest("order", limit=9)
    assert [(row.key, row.at) for row in found] == [("b", 1795478400.0), ("a", 1795428509.5), ("c", 0.0)]


async def test_things_are_found_by_token_and_by_protocol(tmp_path: Path) -> None:
    rows = [row(thing("b", token="h1")), row(thing("a", "opcua")), row(thing("c", "opcua"))]
    with open_journal(tmp_path) as journal:
        await commit(journal, records=rows)
        assert journal.records_by("thing", "token_sha256", "h1") == rows[:1]
        assert journal.records_by("thing", "connection.protocol", "opcua") == rows[1:]
        assert journal.records_by("thing", "token_sha256", "") == []
        await commit(journal, records=[row(thing("b", token="h2"))])
        assert journal.records_by("thing", "token_sha256", "h1") == []


async def test_a_field_without_an_index_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal, pytest.raises(LookupError, match="no index finds thing by serial"):
        journal.records_by("thing", "serial", "S1")


@pytest.mark.parametrize(
    "look",
    [
        lambda file: records.found_by(file, "thing", "token_sha256", "h1"),
        lambda file: records.found_by(file, "thing", "connection.protocol", "opcua"),
        lambda file: records.page(file, "thing", "firm", "t", 2),
        lambda file: records.record(file, "thing", "one"),
        lambda file: records.latest(file, "order", None, (3.0, "x"), 2),
        lambda file: records.latest(file, "order", "firm", (3.0, "x"), 2),
    ],
)
async def test_a_look_up_walks_no_other_records(tmp_path: Path, look: Callable[[apsw.Connection], object]) -> None:
    cost: list[int] = []
    for number, others in enumerate((10, 2000)):
        folder = tmp_path / str(number)
        with open_journal(folder) as journal:
            await commit(journal, records=[row(thing("one", "opcua", "h1"))])
            await commit(journal, records=[row(thing(f"t{n}", token=f"x{n}"), "other") for n in range(others)])
            await commit(journal, records=[row(thing(f"u{n}")) for n in range(2)])
            await commit(journal, records=[order(f"a{n}", 9.0, "firm") for n in range(others)])
            await commit(journal, records=[order(f"b{n}", 0.0, "firm") for n in range(others)])
            await commit(journal, records=[order(f"c{n}", 2.0, "firm") for n in range(2)])
        cost.append(steps(folder, look))
    assert cost[0] == cost[1]


async def test_an_old_journal_finds_its_things_by_token(tmp_path: Path) -> None:
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    file.execute(GOLDEN.read_text())
    old = row(thing("old", token="h1"))
    file.execute("INSERT INTO record VALUES('thing', 'old', 'firm', ?)", (old.body,))
    file.close()
    with open_journal(tmp_path) as journal:
        assert journal.records_by("thing", "token_sha256", "h1") == [old]


async def test_a_journal_that_cannot_be_read_says_so_in_its_own_words(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        damage = apsw.Connection(str(tmp_path / FILE_NAME))
        damage.execute("DROP TABLE record")
        damage.close()
        for look in (lambda: journal.record("thing", "a"), lambda: list(journal.records("thing"))):
            with pytest.raises(JournalUnavailable, match=FILE_NAME):
                look()
