"""Adapters' own records: on disk when told so, apart by adapter, there after a restart."""

import asyncio
from pathlib import Path

import pytest

from actors.model.errors import ConfigError
from hub.storage.shelf import open_shelves


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    with open_shelves(tmp_path) as shelves:
        await shelves.of("coap").keep("registration", "a", b"1")
        await shelves.of("coap").keep("registration", "a", b"2")
        await shelves.of("coap").keep("registration", "b", b"3")
        await shelves.of("coap").forget("registration", "b")
    with open_shelves(tmp_path) as shelves:
        assert shelves.of("coap").all("registration") == {"a": b"2"}


async def test_adapters_and_kinds_are_apart(tmp_path: Path) -> None:
    with open_shelves(tmp_path) as shelves:
        await shelves.of("coap").keep("registration", "a", b"1")
        assert not shelves.of("opcua").all("registration")
        assert not shelves.of("coap").all("context")


async def test_a_thousand_records_at_once_are_all_written(tmp_path: Path) -> None:
    with open_shelves(tmp_path) as shelves:
        shelf = shelves.of("coap")
        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(shelf.keep("registration", str(number), b"x"))
        assert len(shelf.all("registration")) == 1000


async def test_who_is_cancelled_takes_nobody_along(tmp_path: Path) -> None:
    with open_shelves(tmp_path) as shelves:
        shelf = shelves.of("coap")
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(shelf.keep("registration", "a", b"x"))
            staying = group.create_task(shelf.keep("registration", "b", b"x"))
            await asyncio.sleep(0)
            leaving.cancel()
        assert staying.exception() is None
        assert "b" in shelf.all("registration")


def test_only_the_hubs_user_reads_the_file_and_a_broken_one_is_told(tmp_path: Path) -> None:
    with open_shelves(tmp_path):
        assert (tmp_path / "adapters.db").stat().st_mode & 0o077 == 0
    (tmp_path / "adapters.db").write_bytes(b"no database" * 999)
    with pytest.raises(ConfigError, match=r"adapters\.db"), open_shelves(tmp_path):
        pass
