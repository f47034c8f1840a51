# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""What is in a journal, told without judging it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from hub.storage.copies import RESTORED, open_readonly
from hub.storage.schema import PRUNABLE, SEGMENTED

_TABLES = ("turn", "snapshot", "tell", "reminder", "outbox", "record", "note", "claim", "meter", "dead_letter")


class Stats(Struct, frozen=True, kw_only=True):
    """What is in a journal. Times in seconds since 1970."""

    version: int
    size_bytes: int
    rows: Mapping[str, int]
    segments: int
    pruned_segments: int = 0
    pruned_messages: int = 0
    """Raw messages that retention took away since the journal began."""
    pruned_upto: float | None = None
    """Time of the youngest of them."""
    free_bytes: int
    """Inside the file, for what is written next."""
    oldest_turn_at: float | None
    newest_turn_at: float | None
    dead_letters: Mapping[str, int]
    """Reason -> how many."""
    restored_at: str | None


def stats(path: Path) -> Stats:
    """Return what is in a journal, beside its hub or without.

    Raises:
        ConfigError: it is no journal, or one of a newer hub.
    """
    file = open_readonly(path)
    try:
        version = int(file.pragma("user_version") or 0)
        return Stats(
            version=version,
            size_bytes=sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*") if _is_part(path, part)),
            rows={table: int(file.execute(f"SELECT count(*) FROM {table}").get) for table in _TABLES},  # noqa: S608 - fixed names
            segments=int(file.execute("SELECT count(*) FROM segment").get) if version >= SEGMENTED else 1,
            **(_pruned(file) if version >= PRUNABLE else {}),
            free_bytes=int(file.pragma("freelist_count") or 0) * int(file.pragma("page_size") or 0),
            oldest_turn_at=file.execute("SELECT at FROM turn ORDER BY position LIMIT 1").get,
            newest_turn_at=file.execute("SELECT at FROM turn ORDER BY position DESC LIMIT 1").get,
            dead_letters=dict(file.execute("SELECT reason, count(*) FROM dead_letter GROUP BY 1 ORDER BY 2 DESC")),
            restored_at=file.execute("SELECT value FROM meta WHERE key = ?", (RESTORED,)).get,
        )
    finally:
        file.close()


def _pruned(file: apsw.Connection) -> Mapping[str, Any]:
    query = "SELECT count(*), ifnull(sum(turns - kept), 0), max(newest_at) FROM pruned"
    ((segments, messages, upto),) = file.execute(query)
    return {"pruned_segments": segments, "pruned_messages": messages, "pruned_upto": upto}


def _is_part(path: Path, part: Path) -> bool:
    return part.name in {path.name, f"{path.name}-wal"}
