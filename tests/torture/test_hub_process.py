"""The hub as a process: one on a directory, an orderly end, and a start that cannot be."""

import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from real_hub import RealHub, real_hub, until

from hub.demo.device import Acknowledged, Unanswered
from hub.torture.premises import write_hub

NOWHERE = {"shop": "http://127.0.0.1:9"}


def run(config: Path, *, file_size_cap: int | None = None) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "hub", "run", "-c", str(config)]
    if file_size_cap is not None:
        arguments = ["prlimit", f"--fsize={file_size_cap}", *arguments]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=200, check=False)


async def test_a_second_hub_on_the_same_directory_is_refused_and_the_first_lives_on(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin()
        second = run(hub.place.config)
        assert second.returncode == 2
        assert "another hub runs on this data directory; stop it" in second.stderr
        assert "Traceback" not in second.stderr
        await hub.report("printer-0", 1, 50.0)


async def test_a_hub_that_is_asked_to_stop_finishes_and_ends_with_0(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin()
        for thing in hub.tokens:
            await hub.report(thing, 1, 9.0)
        await hub.place.hub.stop()
        assert not (hub.place.data_dir / "hub.url").exists()
        assert hub.place.evidence().book.total() == len(hub.tokens)
        await hub.place.hub.start()
        assert len(await hub.orders_in("confirmed", len(hub.tokens))) == len(hub.tokens)


def spoil_as_folder(data: Path) -> None:
    (data / "journal.db").mkdir(parents=True)


def spoil_as_rubbish(data: Path) -> None:
    data.mkdir()
    (data / "journal.db").write_bytes(bytes(range(256)) * 32)


def spoil_as_file_above(data: Path) -> None:
    data.symlink_to("/dev/null/data")


def spoil_token_as_bytes(data: Path) -> None:
    data.mkdir()
    (data / "owner.token").write_bytes(b"\xff\xfe")


def spoil_token_as_folder(data: Path) -> None:
    (data / "owner.token").mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_token_as_bytes, "owner.token: expected a token in ASCII"),
        (spoil_token_as_folder, "owner.token: Is a directory; let the hub read it"),
        (spoil_as_folder, "it must be a file that the hub may write"),
        (spoil_as_rubbish, "it is no journal or is damaged"),
        (spoil_as_file_above, "cannot be used as data directory"),
    ],
)
def test_a_data_directory_that_cannot_be_used_is_told_with_a_remedy(tmp_path: Path, spoil: object, told: str) -> None:
    assert callable(spoil)
    spoil(tmp_path / "data")
    refused = run(write_hub(tmp_path, NOWHERE))
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_journal_that_is_damaged_inside_is_told_with_a_remedy(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin()
        await hub.place.hub.stop()
        journal = hub.place.data_dir / "journal.db"
        with apsw.Connection(str(journal)) as opened:
            page = opened.execute("SELECT rootpage FROM sqlite_master WHERE name = 'record'").get
            size = opened.execute("PRAGMA page_size").get
        opened.close()
        with journal.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        refused = run(hub.place.config)
        assert refused.returncode == 2
        assert "is damaged: move it away, or restore a backup" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_full_disk_at_the_start_is_told_with_a_remedy(tmp_path: Path) -> None:
    refused = run(write_hub(tmp_path, NOWHERE), file_size_cap=8 * 1024)
    assert refused.returncode == 2
    assert "free space on its disk" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_address_in_use_is_told_with_a_remedy(tmp_path: Path) -> None:
    config = write_hub(tmp_path, NOWHERE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(config.read_text().replace("127.0.0.1:0", address))
        refused = run(config)
    assert refused.returncode == 2
    assert f"cannot listen at {address}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_first_start_that_was_killed_leaves_no_empty_token(tmp_path: Path) -> None:
    config, data = write_hub(tmp_path, NOWHERE), tmp_path / "data"
    data.mkdir()
    (data / "owner.token").touch(mode=0o600)
    hub = subprocess.Popen([sys.executable, "-m", "hub", "run", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        while not (data / "hub.url").exists():
            assert hub.poll() is None
    finally:
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(30) == 0
    assert len((data / "owner.token").read_text().strip()) >= 40
    assert (data / "owner.token").stat().st_mode & 0o777 == 0o600


def cap_files(hub: RealHub, size: int) -> None:
    resource.prlimit(hub.place.hub.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def is_storing_again(hub: RealHub) -> bool | None:
    return None if "storage_down" in await hub.text("/healthz") else True


async def test_a_disk_that_fills_up_stops_the_acknowledgements_until_there_is_room(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin(things=1)
        cap_files(hub, max(path.stat().st_size for path in hub.place.data_dir.iterdir()))
        seq = 1
        while isinstance(await hub.send("printer-0", seq, 50.0, within_s=2.0), Acknowledged):
            seq += 1
        refused = await hub.send("printer-0", seq + 1, 50.0)
        assert isinstance(refused, Unanswered)
        assert '"code":"storage_down"' in refused.reason
        cap_files(hub, resource.RLIM_INFINITY)
        await until(lambda: is_storing_again(hub))
        await hub.report("printer-0", seq, 50.0)
        await hub.place.hub.stop()
        assert set(hub.place.evidence().book.names()) == {("printer-0", f"b1:{n}") for n in range(1, seq + 1)}
