"""Training in a process of its own: what it answers, and that it never outlives who asked."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from actors.community.policy import ActBand
from hub.demo.turbofan import fleet
from hub.training import TrainingLife, TrainingRefused, TrainingRequest, train_apart

_ASKER = """
import asyncio, sys, pathlib, msgspec
from hub.training import TrainingRequest, train_apart
request = msgspec.msgpack.decode(pathlib.Path(sys.argv[1]).read_bytes(), type=TrainingRequest)
asyncio.run(train_apart(request))
"""


def request_of(size: int) -> TrainingRequest:
    lives = [
        TrainingLife(life_id=life.life_id, owner_id=life.owner_id, n_settings=3, rows=life.rows.tolist())
        for life in fleet(1, size, owners=5)
    ]
    return TrainingRequest(lives=[msgspec.msgpack.encode(life) for life in lives], band=ActBand())


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()}


def new_child_of(pid: int, known: set[int]) -> int:
    """Return the child that was not there before: other tests leave processes of their own."""
    deadline = time.monotonic() + 30
    while not (found := children_of(pid) - known):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found.pop()


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_too_few_lives_are_refused_with_the_reason() -> None:
    answer = await train_apart(request_of(3))
    assert answer == TrainingRefused(reason="at least 10 finished lives expected for training, got 3")


async def test_a_broken_request_is_told_as_a_failed_training() -> None:
    answer = await train_apart(TrainingRequest(lives=[b"\x00"], band=ActBand()))
    assert isinstance(answer, TrainingRefused)
    assert "Expected `object`" in answer.reason


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_cancelled_training_ends_at_once() -> None:
    known = children_of(os.getpid())
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        training = group.create_task(train_apart(request_of(200)))
        started = await asyncio.to_thread(new_child_of, os.getpid(), known)
        training.cancel()
    assert not is_there(started)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_ends_when_who_asked_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "request"
    file.write_bytes(msgspec.msgpack.encode(request_of(200)))
    with subprocess.Popen([sys.executable, "-c", _ASKER, str(file)]) as asker:
        training = new_child_of(asker.pid, set())
        asker.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_there(training):
        assert time.monotonic() < deadline
        time.sleep(0.01)
