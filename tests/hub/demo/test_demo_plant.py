"""The plant as a process: what it answers, and how it ends."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def started(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    url_file = folder / "url"
    command = [sys.executable, "-W", "error", "-m", "hub.demo.plant", "--announce", str(url_file)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not url_file.exists():
        assert process.poll() is None
        time.sleep(0.01)
    assert url_file.read_text().startswith("opc.tcp://127.0.0.1:")
    with process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    with started(tmp_path_factory.mktemp("plant")) as process:
        yield process


def tell(plant: Any, line: str) -> Any:
    plant.stdin.write(line + "\n")
    plant.stdin.flush()
    return json.loads(plant.stdout.readline())


def test_values_are_written_before_the_answer(plant: Any) -> None:
    machine = {"Snapshot": "numbers", "Cycle": "count", "Fault": "text", "Runs": "flag", "Oil": "number"}
    assert tell(plant, json.dumps({"do": "define", "machines": {"E1": machine}})) == {"ok": True, "variables": 5}
    values = {"E1.Snapshot": [1, 2.5], "E1.Cycle": 5, "E1.Fault": "F7", "E1.Runs": True, "E1.Oil": 3}
    assert tell(plant, json.dumps({"do": "set", "values": values})) == {"ok": True, "written": 5}
    assert tell(plant, json.dumps({"do": "play", "rows": [values, values]})) == {"ok": True, "written": 10}
    assert tell(plant, '{"do": "settle"}') == {"ok": True, "settled": True, "subscriptions": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"do": "set", "values": {"X.Y": 1}}', "X.Y is not defined"),
        ('{"do": "set", "values": {"Z.Count": 1.5}}', "Z.Count is a count; got 1.5"),
        ('{"do": "set", "values": {"Z.Count": true}}', "Z.Count is a count; got True"),
        ('{"do": "set", "values": {"Z.Count": 1}, "status": "Worse"}', "Worse is no OPC UA status code"),
        ('{"do": "define", "machines": {"Z": {"Count": "number"}}}', "Z.Count is defined already"),
        ('{"do": "dance"}', "dance"),
        ("not json", "JSON is malformed"),
    ],
)
def test_what_cannot_be_done_is_said(plant: Any, line: str, said: str) -> None:
    tell(plant, '{"do": "define", "machines": {"Z": {"Count": "count"}}}')
    answer = tell(plant, line)
    assert not answer["ok"]
    assert said in answer["error"]


def test_it_ends_quietly_on_sigterm_even_in_an_outage(tmp_path: Path) -> None:
    with started(tmp_path) as plant:
        assert tell(plant, '{"do": "stop_listening"}') == {"ok": True}
        plant.send_signal(signal.SIGTERM)
        _, written_to_stderr = plant.communicate(timeout=100)
    assert (plant.returncode, written_to_stderr) == (0, "")
