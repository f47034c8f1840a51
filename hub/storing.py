"""How the hub writes records that belong to no actor's turn."""

import asyncio
from collections.abc import Sequence

from actors.runtime.journal import Batch, Journal, RecordRow


async def store_rows(journal: Journal, rows: Sequence[RecordRow]) -> None:
    """Commit records, if there are any; see ``store``."""
    if rows:
        await store(journal, Batch(records=list(rows)))


async def store(journal: Journal, batch: Batch) -> None:
    """Commit records that belong to no actor's turn.

    Raises:
        JournalUnavailable: the disk refuses.
    """
    stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(error: Exception | None) -> None:
        if stored.done():
            return
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)

    journal.commit(batch, done)
    await stored
