"""A command that waits to leave can be taken back until it leaves, and never after that."""

import asyncio

import pytest

from actors.model.ids import CommandId
from protocols.recalling import RECALLED, Recalled, Recalls

ONE = CommandId("c1")


async def test_what_waits_is_taken_back_once() -> None:
    recalls, ready = Recalls(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_outcome(recalls, ready))
        await asyncio.sleep(0)
        assert (recalls.recall(ONE), recalls.recall(CommandId("c2"))) == (True, False)
    assert task.result() is RECALLED
    assert not recalls.recall(ONE)


async def test_what_is_taken_back_in_the_moment_it_would_leave_does_not_leave() -> None:
    recalls, ready = Recalls(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_outcome(recalls, ready))
        await asyncio.sleep(0)
        ready.set()
        assert recalls.recall(ONE)
    assert task.result() is RECALLED


async def test_what_left_stays_under_way() -> None:
    recalls = Recalls()
    assert await recalls.wait(ONE, asyncio.sleep(0, "there")) == "there"
    assert not recalls.recall(ONE)


async def test_a_deadline_around_the_wait_is_a_deadline() -> None:
    recalls = Recalls()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await recalls.wait(ONE, asyncio.Event().wait())
    assert not recalls.recall(ONE)


async def _outcome(recalls: Recalls, ready: asyncio.Event) -> object:
    try:
        return await recalls.wait(ONE, ready.wait())
    except Recalled as recalled:
        return recalled.outcome
