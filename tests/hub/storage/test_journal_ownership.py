"""A journal belongs to one process, and to a program that knows its version."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from journal_rows import commit, turn

from actors.model.errors import ConfigError
from actors.runtime.journal import RecordRow
from hub.storage.sqlite import FILE_NAME, open_journal

USURPED = """
import asyncio, sys
from pathlib import Path
import apsw
from journal_rows import commit, turn
from hub.storage.sqlite import FILE_NAME, open_journal

async def main(path: Path) -> None:
    with open_journal(path) as journal:
        await commit(journal, turns=[turn(1)])
        apsw.Connection(str(path / FILE_NAME)).execute("UPDATE meta SET value = '99' WHERE key = 'epoch'")
        await commit(journal, turns=[turn(2)])
        print("went on", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_second_hub_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path),
        pytest.raises(ConfigError, match="another hub runs on this data directory"),
        open_journal(tmp_path),
    ):
        pytest.fail("both have it")


async def test_a_closed_journal_can_be_opened_again(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        await commit(journal, turns=[turn(1)])
    with open_journal(tmp_path) as journal:
        assert journal.counts()["turn"] == 1


async def test_a_file_of_a_newer_hub_is_refused_and_not_touched(tmp_path: Path) -> None:
    with open_journal(tmp_path):
        pass
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    file.pragma("user_version", 1000)
    file.close()
    with pytest.raises(ConfigError, match=r"written by a newer hub \(journal version 1000"), open_journal(tmp_path):
        pytest.fail("opened")
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    assert file.pragma("user_version") == 1000
    file.close()


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used as data directory"), open_journal(tmp_path / "file" / "x"):
        pytest.fail("opened")


def test_a_hub_whose_epoch_was_taken_over_ends_without_writing(tmp_path: Path) -> None:
    paths = f"{Path(__file__).parents[2] / 'kit'}:{Path.cwd()}"
    command = [sys.executable, "-c", USURPED, str(tmp_path)]
    ended = subprocess.run(command, env={"PYTHONPATH": paths}, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 74, ended.stderr
    assert "epoch_lost" in ended.stdout + ended.stderr
    file = apsw.Connection(str(tmp_path / FILE_NAME))
    assert file.execute("SELECT count(*) FROM turn").get == 1
    file.close()


def modes(folder: Path) -> list[int]:
    return [path.stat().st_mode & 0o777 for path in folder.iterdir() if path.name.startswith(FILE_NAME)]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A data directory that everybody may enter, with a journal as an older hub left it."""
    tmp_path.chmod(0o755)
    (tmp_path / FILE_NAME).touch(mode=0o644)
    return tmp_path


async def test_nobody_else_on_the_machine_reads_the_journal(wide: Path) -> None:
    with open_journal(wide) as journal:
        await commit(journal, records=[RecordRow(kind="thing", key="a", owner="o", body=b"{}")])
        assert modes(wide) == [0o600, 0o600, 0o600]
