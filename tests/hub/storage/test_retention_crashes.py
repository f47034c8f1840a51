"""A hub that ends in the middle of pruning, after whatever commit or write, has lost nothing and goes on."""

import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest
from stalls import START, a_month, asked, market, market_kinds, stalls_paid, states

from hub.storage.connection import FILE_NAME, JournalSettings, connect
from hub.storage.epochs import take_epoch
from hub.storage.housekeeping import Retention, due, make
from hub.storage.verify import verify


async def changes_made(folder: Path, stop_after: int) -> int:
    """Make the changes that are due, up to so many, without a hub; return how many there were."""
    done = 0
    writer, file = (connect(folder / FILE_NAME, JournalSettings(synchronous="normal")) for _ in range(2))
    epoch = take_epoch(writer)
    for change in due(file, market_kinds(), Retention(keep=timedelta(days=10)), START + timedelta(days=25)):
        if done == stop_after:
            break
        make(writer, epoch, change)
        done += 1
    writer.close()
    file.close()
    return done


async def test_an_end_after_any_commit_loses_nothing_and_the_next_start_goes_on(tmp_path: Path) -> None:
    await a_month(tmp_path / "whole")
    commits = await changes_made(copytree(tmp_path / "whole", tmp_path / "all"), 10_000)
    assert commits > 15
    left = asked(tmp_path / "all", "SELECT group_concat(position) FROM turn")
    for ends_after in range(commits):
        folder = copytree(tmp_path / "whole", tmp_path / str(ends_after))
        await changes_made(folder, ends_after)
        async with market(folder, day=25, keep_days=10) as now:
            assert states(now) == stalls_paid()
            assert await now.pay("thing/a", 0, "b:0")
            assert await now.pay("till/one", 0, "key-0")
            await now.housekeeping.once()
            assert states(now) == stalls_paid()
        assert asked(folder, "SELECT group_concat(position) FROM turn") == left
        assert asked(folder, "SELECT count(*) FROM pruned WHERE NOT erased") == 0


KILLED = """
import asyncio, os, signal, sys
from datetime import timedelta
from pathlib import Path
from faulty_disk import FaultyDisk
from hub.storage.connection import JournalSettings
from stalls import START, STALL_KINDS, market

async def main(path: Path, left: int) -> None:
    def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with FaultyDisk("deadly") as disk:
        async with market(path, keep_days=10, day=25, settings=JournalSettings(vfs="deadly", segment_rows=10)) as now:
            disk.before = count_down
            await now.housekeeping.once()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.mark.parametrize("writes", [2, 40, 110])
async def test_a_kill_in_the_middle_of_pruning_loses_nothing(tmp_path: Path, writes: int) -> None:
    await a_month(tmp_path)
    paths = f"{Path(__file__).parents[2] / 'kit'}:{Path.cwd()}"
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), str(writes), env={"PYTHONPATH": paths}
    )
    assert await dying.wait() == -signal.SIGKILL
    async with market(tmp_path, keep_days=10, day=25) as now:
        assert states(now) == stalls_paid()
        assert await now.pay("thing/a", 0, "b:0")
        await now.housekeeping.once()
        assert states(now) == stalls_paid()
    assert asked(tmp_path, "SELECT count(*) FROM pruned WHERE erased") >= 3
    assert verify(tmp_path / FILE_NAME, market_kinds(), lambda _done: None).problems == []
