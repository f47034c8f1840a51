"""Journals that older releases left behind, as text in ``tests/hub/storage/golden``."""

import base64
from pathlib import Path
from typing import Any

import apsw
import msgspec

from hub.storage.sqlite import FILE_NAME

GOLDEN = Path(__file__).parents[1] / "hub" / "storage" / "golden"
RELEASES = sorted(path.stem for path in GOLDEN.glob("hub_v*.sql"))


def lay_out(folder: Path, name: str) -> None:
    """Make the journal of this name in a data directory."""
    folder.mkdir(exist_ok=True)
    file = apsw.Connection(str(folder / FILE_NAME))
    file.pragma("journal_mode", "wal")
    file.execute((GOLDEN / f"{name}.sql").read_text(encoding="utf-8"))
    file.close()


def recorded_states(name: str) -> dict[str, Any]:
    """Return every actor's state as the release that wrote the journal folded it."""
    states: dict[str, Any] = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())
    return {address: _unpacked(state) if isinstance(state, str) else state for address, state in states.items()}


def _unpacked(state: str) -> Any:
    return msgspec.msgpack.decode(base64.b64decode(state))
