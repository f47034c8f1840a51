"""Room for switches on a disk that takes no more: a file made in advance, overwritten in place.

A full disk refuses new pages of the journal but not the bytes that a file has already. Each entry has a sector of its
own with a checksum, so a power cut leaves it whole or as nothing.
"""

import asyncio
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from actors.model.ids import OwnerId, ThingId

log = structlog.get_logger(__name__)

FILE_NAME: Final = "switches.reserve"
_SECTOR: Final = 512
_SECTORS: Final = 512
_SUM_BYTES: Final = 4


class SwitchedOff(Struct, frozen=True, kw_only=True):
    """An OFF that the journal does not hold yet: of a thing, or of all of an owner's."""

    owner_id: OwnerId
    thing_id: ThingId | None
    by: str


class Reserve:
    """The entries of one file; without the file nothing can be kept."""

    def __init__(self, handle: int | None, held: Mapping[int, SwitchedOff]) -> None:
        self._handle = handle
        self._held = dict(held)
        self._begun = set[int]()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="switch-reserve")

    def held(self) -> tuple[SwitchedOff, ...]:
        """Return what is kept."""
        return tuple(self._held.values())

    async def keep(self, entry: SwitchedOff) -> bool:
        """Keep an entry and say whether it is on disk now: not where there is no room, or the disk fails."""
        sector = next((number for number in range(_SECTORS) if number not in self._held.keys() | self._begun), None)
        packed = msgspec.json.encode(entry)
        if self._handle is None or sector is None or len(packed) > _SECTOR - _SUM_BYTES:
            return False
        self._begun.add(sector)
        content = zlib.crc32(packed).to_bytes(_SUM_BYTES, "big") + packed
        written = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, sector, content)
        self._begun.discard(sector)
        if written:
            self._held[sector] = entry
        return written

    def forget(self, owner_id: OwnerId, thing_id: ThingId | None) -> None:
        """Remove the entries of a place, soon: what is switched off twice after a crash is off all the same."""
        for sector, entry in list(self._held.items()):
            if (entry.owner_id, entry.thing_id) == (owner_id, thing_id):
                del self._held[sector]
                self._thread.submit(self._write, sector, b"")

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown()
        if self._handle is not None:
            os.close(self._handle)

    def _write(self, sector: int, content: bytes) -> bool:
        assert self._handle is not None  # noqa: S101 - nothing is held without it
        try:
            os.pwrite(self._handle, content.ljust(_SECTOR, b"\0"), sector * _SECTOR)
            os.fsync(self._handle)
        except OSError as error:
            log.warning("switch_not_kept", file=FILE_NAME, reason=error.strerror, next_step="check the disk")
            return False
        return True


def open_reserve(data_dir: Path) -> Reserve:
    """Open the file, making it where it is missing and there is room; the journal's lock holds the directory."""
    path = data_dir / FILE_NAME
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(handle).st_size < _SECTOR * _SECTORS:
            os.pwrite(handle, bytes(_SECTOR * _SECTORS), 0)  # written, not only allotted: some systems allot nothing
            os.fsync(handle)
        content = os.pread(handle, _SECTOR * _SECTORS, 0)
    except OSError as error:
        next_step = "free disk space and restart: until then OFF on a full disk does not outlive a restart"
        log.warning("no_switch_reserve", file=str(path), reason=error.strerror, next_step=next_step)
        return Reserve(None, {})
    return Reserve(handle, _entries(content))


def _entries(content: bytes) -> dict[int, SwitchedOff]:
    found: dict[int, SwitchedOff] = {}
    for sector in range(_SECTORS):
        part = content[sector * _SECTOR : (sector + 1) * _SECTOR].rstrip(b"\0")
        packed = part[_SUM_BYTES:]
        if packed and zlib.crc32(packed) == int.from_bytes(part[:_SUM_BYTES], "big"):
            found[sector] = msgspec.json.decode(packed, type=SwitchedOff)
    return found
