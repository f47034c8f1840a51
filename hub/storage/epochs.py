# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""Epochs of a journal: whoever opens it to write takes the next one, and only its newest holder writes.

The lock on the directory keeps a second process out as long as locks work. An epoch needs no lock: it is compared in
every transaction that writes, so a process that was frozen, and replaced meanwhile, writes nothing when it wakes up.
Checkpoints need none: they move what is committed, whoever committed it.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import apsw
import structlog

log = structlog.get_logger(__name__)

EXIT_FENCED: Final = 74  # EX_IOERR of sysexits.h


def take_epoch(connection: apsw.Connection) -> str:
    """Take the next epoch, in the present transaction where there is one; former holders write nothing any more."""
    return str(
        connection.execute(
            "INSERT INTO meta VALUES('epoch', '1')"
            " ON CONFLICT(key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value"
        ).get
    )


@contextmanager
def transaction(connection: apsw.Connection) -> Generator[apsw.Cursor]:
    """One transaction that writes: nobody else can, from its first statement on."""
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield cursor
        cursor.execute("COMMIT")
    except BaseException:
        if not connection.get_autocommit():
            cursor.execute("ROLLBACK")
        raise


@contextmanager
def fenced(connection: apsw.Connection, epoch: str) -> Generator[apsw.Cursor]:
    """One transaction of the holder of this epoch; a process that does not hold it any more ends here."""
    with transaction(connection) as cursor:
        held = cursor.execute("SELECT value FROM meta WHERE key = 'epoch'").get
        if held != epoch:
            log.critical("epoch_lost", ours=epoch, found=held, next_step="stop the other hub on this directory")
            os._exit(EXIT_FENCED)
        yield cursor
