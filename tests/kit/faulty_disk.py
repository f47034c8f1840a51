"""Disks under SQLite that fail as told: full, deaf to fsync, or cut off from power in the middle of anything."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Self

import apsw

SECTOR = 512
DEVICE_CHARACTERISTICS = 0  # promise nothing: no atomic, sequential or power-safe writes


class Medium:
    """What one file holds for sure, and what was written since without a sync."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytearray(content)
        self.unsynced: list[tuple[int, bytes | None]] = []
        """(offset, bytes); no bytes: truncated there."""

    def sync(self) -> None:
        for offset, written in self.unsynced:
            place(self.durable, offset, written)
        self.unsynced.clear()

    def after_a_cut(self, chance: Random) -> bytes:
        """Keep, lose or tear each write that was not synced."""
        image = bytearray(self.durable)
        for offset, written in self.unsynced:
            fate = chance.random()
            if fate < 0.4:
                place(image, offset, written)
            elif fate < 0.7 and written is not None:
                tear(image, offset, written, chance)
        return bytes(image)


def place(image: bytearray, offset: int, written: bytes | None) -> None:
    if written is None:
        del image[offset:]
        return
    image.extend(bytes(max(0, offset - len(image))))
    image[offset : offset + len(written)] = written


def tear(image: bytearray, offset: int, written: bytes, chance: Random) -> None:
    """Let some sectors of a write arrive."""
    for start in range(0, len(written), SECTOR):
        if chance.random() < 0.5:
            place(image, offset + start, written[start : start + SECTOR])


class FaultyDisk(apsw.VFS):
    """A VFS over the system's. Use it as a context manager; ``name`` goes to the journal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.media: dict[str, Medium] = {}
        self.full = False
        self.deaf_to_sync = ""
        """End of the names of files whose sync fails."""
        self.before: Callable[[], None] | None = None
        """Called before each write, truncation and sync."""
        super().__init__(name, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def xOpen(self, name: Any, flags: list[int]) -> "FaultyFile":  # noqa: N802 - SQLite's name
        return FaultyFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        self.media.pop(filename, None)
        super().xDelete(filename, syncdir)

    def cut(self, chance: Random) -> dict[str, bytes]:
        """Return what every file would hold if the power went now."""
        return {Path(name).name: medium.after_a_cut(chance) for name, medium in self.media.items()}

    def work(self) -> None:
        if self.before is not None:
            self.before()


class FaultyFile(apsw.VFSFile):
    """One file on a faulty disk."""

    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        path = Path(self._name)
        self._medium = disk.media.setdefault(self._name, Medium(path.read_bytes() if path.exists() else b""))

    def xDeviceCharacteristics(self) -> int:  # noqa: N802 - SQLite's name
        return DEVICE_CHARACTERISTICS

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.work()
        if self._disk.full:
            raise apsw.FullError("no space left")
        self._medium.unsynced.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.work()
        self._medium.unsynced.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.work()
        if self._disk.deaf_to_sync and self._name.endswith(self._disk.deaf_to_sync):
            error = apsw.IOError("fsync failed")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error
        self._medium.sync()  # the file under it lives as long as the test: no need to sync that too
