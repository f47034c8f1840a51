# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of bindings partly open.
"""A journal as the first version of the hub wrote it, made of a present one: its migration is to be interrupted."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

import apsw

from hub.storage.schema import VERSION, migrate

_TABLES: Final = (
    "meta", "turn", "snapshot", "tell", "reminder", "outbox", "record", "note", "claim", "meter", "dead_letter",
)  # fmt: skip


def take_back(journal: Path) -> None:
    """Write the journal anew in the first version of its tables. Its hub must have ended in order."""
    former = journal.with_name("former.db")
    former.unlink(missing_ok=True)
    file = apsw.Connection(str(former))
    try:
        migrate(file, str(former), to=1)
        file.execute("ATTACH ? AS present", (str(journal),))
        with file:
            for table in _TABLES:
                columns = ", ".join(row[1] for row in file.execute(f"PRAGMA main.table_info({table})"))
                file.execute(f"INSERT INTO main.{table}({columns}) SELECT {columns} FROM present.{table}")  # noqa: S608 - fixed names
        file.execute("DETACH present")
    finally:
        file.close()
    for ending in ("-wal", "-shm"):
        journal.with_name(journal.name + ending).unlink(missing_ok=True)
    former.replace(journal)


def is_former(journal: Path) -> bool:
    """Say whether the journal is still of another version than the present one.

    A copy is looked at: opening the file itself would mend what a kill left, and that is the hub's business.
    """
    with tempfile.TemporaryDirectory(prefix="former-") as name:
        for ending in ("", "-wal"):
            part = journal.with_name(journal.name + ending)
            if part.exists():
                shutil.copy(part, name)
        file = apsw.Connection(str(Path(name) / journal.name))
        try:
            return int(file.pragma("user_version") or 0) != VERSION
        finally:
            file.close()
