"""What connections used of their day comes back from the journal."""

from datetime import UTC, datetime
from pathlib import Path

from actors.connection.core import ConnectionCore
from actors.dialogue import Use, UseCounted, connection_address
from actors.runtime.engine import TurnEngine
from hub.clock import SystemClock
from hub.crm_use import JournalledUse
from hub.storage.sqlite import open_journal

AT = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
USED = (Use(until=AT, count=3), Use(until=AT.replace(hour=11), count=4))


async def test_a_start_finds_what_was_told_last(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        engine = TurnEngine(journal, SystemClock())
        engine.add_kind(ConnectionCore({}))
        engine.start()
        for used in (USED[:1], USED):
            await engine.ask(connection_address("shop"), UseCounted(connection="shop", used=used))
        await engine.stop()
    with open_journal(tmp_path) as journal:
        found = JournalledUse(journal)
        assert (tuple(found.of("shop")), tuple(found.of("other"))) == (USED, ())
