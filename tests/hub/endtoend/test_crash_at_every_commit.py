"""From a reading to a confirmed order, with a crash at every commit on the way: the same order, once, in budget."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from fake_crm import FakeCrm
from firm import OWNER, PRINTER, granted, registration, told
from small_hub import Fate, SmallHub, small_hub

from actors.dialogue import owner_address, thing_address
from actors.model.orders import OrderState, RecordKind

STORY: list[tuple[str, Any, str]] = [
    (thing_address(PRINTER), registration(), ""),
    (owner_address(OWNER), granted(), ""),
    (thing_address(PRINTER), told("boot:1", ink=60.0, pages=100), "boot:1"),
    (thing_address(PRINTER), told("boot:2", ink=12.0, pages=900), "boot:2"),
]


def is_confirmed(hub: SmallHub) -> bool:
    return [order.state for order in hub.orders()] == [OrderState.CONFIRMED]


def is_settled(hub: SmallHub) -> bool:
    counts = hub.journal.counts()
    return counts["outbox"] == counts["tell"] == 0


async def live(hub: SmallHub, left: list[tuple[str, Any, str]]) -> bool:
    """Let devices and people repeat what was not acknowledged, then wait for the order; False when the hub died."""
    while left:
        if not await hub.acknowledged(*left[0]):
            return False
        del left[0]
    return await hub.until(lambda: is_confirmed(hub))


def check(hub: SmallHub, crm: FakeCrm) -> None:
    assert crm.writes(RecordKind.ORDER) == 1
    (order,) = hub.orders()
    assert order.record is not None
    owner = hub.engine.read(owner_address(OWNER))
    (meter,) = owner.used
    assert (owner.used[meter], hub.meter(meter)) == (2000, (2000, 10_000))
    assert [reservation.amount.minor for reservation in owner.reservations.values()] == [2000]
    assert hub.engine.read(thing_address(PRINTER)).messages == 2
    assert hub.journal.counts() | {"turn": 0, "record": 0, "note": 0} == {
        "turn": 0,
        "tell": 0,
        "reminder": 2,
        "outbox": 0,
        "record": 0,
        "note": 0,
        "claim": 1,
        "dead_letter": 0,
    }  # fmt: skip - one reminder looks later what people in the CRM made of it, one when it is overdue


async def finish(path: Path, crm: FakeCrm, left: list[tuple[str, Any, str]], shards: int = 1) -> None:
    async with small_hub(path, crm, shards=shards) as hub:
        assert await live(hub, left)
        assert await hub.until(lambda: is_settled(hub))
        check(hub, crm)


async def commits_of_the_story(path: Path, batch_turns: int, shards: int) -> int:
    async with small_hub(path, FakeCrm(), batch_turns=batch_turns, shards=shards) as hub:
        assert await live(hub, list(STORY))
        assert await hub.until(lambda: is_settled(hub))
        return hub.fate.commits


async def test_a_low_level_becomes_one_confirmed_order_inside_the_budget(tmp_path: Path) -> None:
    await finish(tmp_path, FakeCrm(), list(STORY))


@pytest.mark.parametrize("writes_last", [True, False], ids=["after", "before"])
@pytest.mark.parametrize(
    ("batch_turns", "shards"), [(1, 1), (2048, 1), (2048, 4)], ids=["small_batches", "large_batches", "four_shards"]
)
async def test_a_crash_at_any_commit_changes_nothing_of_the_outcome(
    tmp_path: Path, batch_turns: int, shards: int, writes_last: bool
) -> None:
    commits = await commits_of_the_story(tmp_path / "whole", batch_turns, shards)
    assert commits > 5
    for dies_at in range(1, commits + 1):
        path, crm, left = tmp_path / str(dies_at), FakeCrm(), list(STORY)
        fate = Fate(dies_at, writes_last=writes_last)
        async with small_hub(path, crm, fate, batch_turns=batch_turns, shards=shards) as hub:
            await live(hub, left)
        await finish(path, crm, left, shards)


@pytest.mark.parametrize("seed", range(8))
async def test_crashes_in_a_row_with_lost_answers_still_order_once(tmp_path: Path, seed: int) -> None:
    chance, crm, left = Random(seed), FakeCrm(), list(STORY)
    crm.plan("place_order", *(chance.choice(["lost", None]) for _ in range(3)))
    for _crash in range(8):
        fate = Fate(chance.randint(1, 9), writes_last=chance.random() < 0.5)
        async with small_hub(tmp_path, crm, fate) as hub:
            if await live(hub, left):
                break
    await finish(tmp_path, crm, left)
