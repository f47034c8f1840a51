"""The demo as people run it: all stories in real processes, the vendors exchanged, and an end that leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.demo.stories.catalogue import NAMES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc")

Report = dict[str, Any]
SWAPPED = ("supply", "replacement", "service")


def start(folder: Path, *options: str) -> "subprocess.Popen[str]":
    """Start a demo whose temporary files are in ``folder``."""
    command = [sys.executable, "-m", "hub", "demo", "--plain", *options]
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )


def left_behind(folder: Path) -> list[str]:
    """Return the files in the folder, and the processes that work there."""
    found = [str(path) for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink().is_relative_to(folder):
                found.append(process.name)
        except OSError:
            continue
    return found


def until_kept(demo: "subprocess.Popen[str]") -> Iterator[str]:
    """Return the lines that a demo says until it has nothing more to tell."""
    assert demo.stdout is not None
    for line in demo.stdout:
        yield line
        if "Ctrl-C" in line:
            return


def ran(folder: Path, *options: str) -> Report:
    """Run a demo to its end and return its report; what it says is shown when it fails."""
    folder.mkdir()
    report = folder.parent / f"{folder.name}.json"
    with start(folder, "--report", str(report), *options) as demo:
        said, _ = demo.communicate()
    assert demo.returncode == 0, said
    assert left_behind(folder) == []
    content: Report = msgspec.json.decode(report.read_bytes())
    return content


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return ran(tmp_path_factory.mktemp("demo") / "plain")


def end_states(report: Report, names: tuple[str, ...]) -> dict[str, list[tuple[Any, ...]]]:
    """Return what was ordered and where it ended, without ids, times and vendors."""
    return {
        name: [
            *(
                (o["thing_id"], o["state"], o["code"], o["connection"], o["sku"], o["quantity"], o["total"])
                for o in report["stories"][name]["orders"]
            ),
            *(
                (r["kind"], r["connection"], r["owner"], r["lines"] or None, r["total_minor"], r["currency"])
                for r in report["evidence"][name]["records"]
            ),
        ]
        for name in names
    }


def test_all_eight_stories_are_shown(told: Report) -> None:
    assert tuple(told["stories"]) == NAMES
    assert {name for name, story in told["stories"].items() if not story["ok"]} == set()
    assert all(set(story) == {"ok", "orders", "trace", "why"} for story in told["stories"].values())


def test_every_chain_begins_with_a_reading_and_belongs_to_its_order(told: Report) -> None:
    for name, story in told["stories"].items():
        assert story["trace"][0]["step"] == "reading", name
        assert {note["order"] for note in story["trace"] if "order" in note} == {story["orders"][0]["key"]}, name


def test_what_the_stories_ordered_is_in_the_vendors_that_they_name(told: Report) -> None:
    vendors = {name: {row["vendor"] for row in told["evidence"][name]["records"]} for name in NAMES}
    assert vendors["supply"] == vendors["crash"] == vendors["outage"] == vendors["lost_reply"] == {"rest"}
    assert (vendors["replacement"], vendors["service"]) == ({"salesforce"}, {"dynamics"})


def test_exchanged_vendors_give_the_same_orders_and_end_states(told: Report, tmp_path: Path) -> None:
    options = [word for name in SWAPPED for word in ("--story", name)]
    swapped = ran(tmp_path / "swapped", "--swap", *options)
    assert swapped["vendors"] == {"webshop": "rest", "maker": "dynamics", "field_service": "salesforce"}
    assert end_states(swapped, SWAPPED) == end_states(told, SWAPPED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "interrupted"
    folder.mkdir()
    with start(folder, "--story", "crash") as demo:
        assert demo.stdout is not None
        assert any("placing" in line for line in demo.stdout)
        assert left_behind(folder) != []
        demo.send_signal(number)
        said, _ = demo.communicate()
    assert (demo.returncode, left_behind(folder)) == (130, []), said


def test_a_kept_demo_tells_where_everything_is_until_it_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    with start(folder, "--keep", "--story", "over_budget") as demo:
        lines = list(until_kept(demo))
        token = next((Path(line.split()[-1]) for line in lines if "token:" in line), folder)
        mode = token.stat().st_mode & 0o777
        demo.send_signal(signal.SIGINT)
        demo.communicate()
    assert len([line for line in lines if "/_sandbox/records" in line]) == 3
    assert (mode, left_behind(folder)) == (0o600, []), lines


def test_an_unknown_story_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with start(tmp_path, "--story", "suply") as demo:
        said, _ = demo.communicate()
    assert "expected one of supply, crash" in said
    assert (demo.returncode, left_behind(tmp_path)) == (2, [])
