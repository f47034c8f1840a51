# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""What is left before ordering may be switched on again after a restore: read from a journal whose hub is stopped."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from actors.model.findings import Finding, Reconciliation
from hub.storage.copies import RESTORED, open_readonly

_KEPT = "*"
"""No connection; see ``hub.gone_crm``."""


def left_to_do(path: Path) -> Sequence[str]:
    """Return what a person should do first, a sentence each; nothing where all orders and records were compared.

    Raises:
        ConfigError: it is no journal, or one of a newer hub.
    """
    file = open_readonly(path)
    try:
        since = file.execute("SELECT value FROM meta WHERE key = ?", (RESTORED,)).get
        if since is None:
            return ()
        names = [key for (key,) in file.execute("SELECT key FROM record WHERE kind = 'crm_connection' ORDER BY key")]
        rows: Any = file.execute("SELECT key, body FROM record WHERE kind = 'reconciliation'").fetchall()
        bodies: dict[str, bytes] = dict(rows)
        found = [body for (body,) in file.execute("SELECT body FROM record WHERE kind = 'finding' ORDER BY key")]
    finally:
        file.close()
    restored_at = datetime.fromisoformat(str(since))
    unsure = (_why_unsure(name, bodies.get(name), restored_at) for name in names if name != _KEPT)
    return (*(why for why in unsure if why), *map(_told, found))


def _why_unsure(name: str, body: bytes | None, restored_at: datetime) -> str:
    last = None if body is None else msgspec.json.decode(body, type=Reconciliation)
    todo = f"start the hub and say: iot2crm crm reconcile {name} --all"
    if last is None or not last.is_full or last.started_at < restored_at:
        return f"{name}: its records were not all compared since the restore; {todo}"
    if last.finished_at is None or last.failure:
        return f"{name}: comparing did not finish ({last.failure or 'still under way'}); {todo}"
    return ""


def _told(body: bytes) -> str:
    finding = msgspec.json.decode(body, type=Finding)
    return f"{finding.connection}: {finding.sentence}; {finding.next_step}"
