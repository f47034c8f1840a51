# pyright: reportUnknownMemberType=false
# APSW's stubs leave the types of buffers partly open.
"""A disk on which the hub is killed in the middle of its own work: while it opens, commits, seals or checkpoints.

Random moments seldom hit what takes a millisecond. Here the process sends itself SIGKILL before, between or after the
writes of one such step; the disk keeps what was written until then, half a write at times.
"""

import os
import signal
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import apsw

VFS_NAME: Final = "trap"
_SEALS: Final = b"CREATE TABLE turn_"
_MOST_WORK: Final = {"opening": 8, "commit": 120, "seal": 12, "checkpoint": 50}
_SNAPPED_IN_TWO: Final = 0.3


class Trap(StrEnum):
    """In which step of its work on the disk the hub is killed."""

    OPENING = "opening"
    """From its first write on: the file is opened, brought to its version, its epoch taken."""
    COMMIT = "commit"
    SEAL = "seal"
    """A segment of the table of turns is full and the next one made."""
    CHECKPOINT = "checkpoint"
    """The write-ahead log is copied back into the file."""


class TrapDisk(apsw.VFS):
    """The system's disk, that counts the work of one step and snaps."""

    def __init__(self, trap: Trap, chance: Random, mark: Path) -> None:
        self._trap = trap
        self._chance = chance
        self._mark = mark
        self._left = chance.randint(1, _MOST_WORK[trap])
        self._is_armed = trap in {Trap.OPENING, Trap.CHECKPOINT, Trap.COMMIT}
        super().__init__(VFS_NAME, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def xOpen(self, name: Any, flags: list[int]) -> "_TrapFile":  # noqa: N802 - SQLite's name
        """Open a file under watch."""
        return _TrapFile(self, name, flags)

    def work(self, file: str, data: bytes) -> bool:
        """Say whether the process is to end with this piece of work."""
        is_log = file.endswith("-wal")
        if self._trap is Trap.SEAL and is_log and _SEALS in data:
            self._is_armed = True
        if (
            not self._is_armed
            or (self._trap is Trap.CHECKPOINT and is_log)
            or (self._trap is Trap.COMMIT and not is_log)
        ):
            return False
        self._left -= 1
        return self._left == 0

    def part_of(self, data: bytes) -> bytes:
        """Return how much of the last write arrives: nothing, all, or half."""
        if self._chance.random() < _SNAPPED_IN_TWO:
            return data[: len(data) // 2]
        return data if self._chance.random() < 0.5 else b""

    def snap(self) -> None:
        """End the process as ``kill -9`` does, leaving word where it was."""
        self._mark.write_text(self._trap, encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)


class _TrapFile(apsw.VFSFile):
    def __init__(self, disk: TrapDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = str(name.filename() if isinstance(name, apsw.URIFilename) else name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.work(self._name, data):
            part = self._disk.part_of(data)
            if part:
                super().xWrite(part, offset)
            self._disk.snap()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.work(self._name, b""):
            self._disk.snap()
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.work(self._name, b""):
            self._disk.snap()
        super().xTruncate(newsize)
