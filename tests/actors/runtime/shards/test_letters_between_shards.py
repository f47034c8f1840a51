"""What one shard tells another arrives once and in order, wherever the process dies and whatever is refused."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import Raw
from shard_yard import Said, Spread, Yard, shard_yard
from small_hub import Fate

from actors.runtime.cells import encode
from actors.runtime.shards import gate_address
from actors.runtime.shards.letters import NumberedLetter, Parcel

STORY: list[tuple[str, Spread]] = [
    ("listener/a-0", Spread(numbers=(1, 2, 3), to=("listener/b-1", "listener/c-0"))),
    ("listener/b-1", Spread(numbers=(11, 12), to=("listener/a-0",))),
    ("listener/d-1", Spread(numbers=(21, 22, 23), to=("echo/e-0",), reply_to="listener/b-1")),
    ("listener/d-1", Spread(numbers=(31, 32), to=("listener/a-0", "listener/d-1"), by_relay=True)),
]
OUTCOME = {
    "listener/a-0": {1: (11, 12), 3: (31, 32)},
    "listener/b-1": {0: (1, 2, 3), 2: (21, 22, 23)},
    "listener/c-0": {0: (1, 2, 3)},
    "listener/d-1": {3: (31, 32)},
}
"""Who hears what, from which part of the story: once each, and in this order."""


async def live(yard: Yard, left: list[tuple[int, str, Spread]]) -> bool:
    """Say what was not acknowledged, then let the shards come to rest; False when the process died."""
    while left:
        number, address, spread = left[0]
        if not await yard.said(address, spread, f"story:{number}"):
            return False
        del left[0]
    return await yard.until(yard.is_quiet)


def whole_story() -> list[tuple[int, str, Spread]]:
    return [(number, address, spread) for number, (address, spread) in enumerate(STORY)]


def heard_by_part(yard: Yard) -> dict[str, Any]:
    heard: dict[str, dict[int, tuple[int, ...]]] = {}
    for address in OUTCOME:
        parts = heard.setdefault(address, {})
        for number in yard.heard(address):
            parts[number // 10] = (*parts.get(number // 10, ()), number)
    return heard


async def finish(path: Path, left: list[tuple[int, str, Spread]]) -> None:
    async with shard_yard(path) as yard:
        assert await live(yard, left)
        assert heard_by_part(yard) == OUTCOME
        assert yard.host.counters()["dead_letters"] == 0


async def commits_of_the_story(path: Path, batch_turns: int) -> int:
    fate = Fate()
    async with shard_yard(path, fate=fate, batch_turns=batch_turns) as yard:
        assert await live(yard, whole_story())
        assert heard_by_part(yard) == OUTCOME
        return fate.commits


@pytest.mark.parametrize("writes_last", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("batch_turns", [1, 2048], ids=["small_batches", "large_batches"])
async def test_a_death_at_any_commit_of_any_shard_loses_and_doubles_no_letter(
    tmp_path: Path, batch_turns: int, writes_last: bool
) -> None:
    commits = await commits_of_the_story(tmp_path / "whole", batch_turns)
    assert commits >= 8
    for dies_at in range(1, commits + 1):
        path, left = tmp_path / str(dies_at), whole_story()
        fate = Fate(dies_at, writes_last=writes_last)
        async with shard_yard(path, fate=fate, batch_turns=batch_turns) as yard:
            await live(yard, left)
        await finish(path, left)


@pytest.mark.parametrize("seed", range(6))
async def test_deaths_in_a_row_lose_and_double_no_letter(tmp_path: Path, seed: int) -> None:
    chance, left = Random(seed), whole_story()
    for _death in range(10):
        fate = Fate(chance.randint(1, 12), writes_last=chance.random() < 0.5)
        async with shard_yard(tmp_path, fate=fate, batch_turns=chance.choice((1, 3, 2048))) as yard:
            if await live(yard, left):
                break
    await finish(tmp_path, left)


async def test_a_shard_whose_disk_is_full_gets_its_letters_later_and_in_order(tmp_path: Path) -> None:
    async with shard_yard(tmp_path) as yard:
        yard.journals[1].failures = 6
        for first in range(0, 40, 10):
            spread = Spread(numbers=tuple(range(first, first + 10)), to=("listener/b-1",))
            assert await yard.said("listener/a-0", spread, f"x:{first}")
        assert await yard.until(yard.is_quiet)
        assert yard.heard("listener/b-1") == tuple(range(40))


async def test_more_letters_than_a_parcel_holds_keep_their_order(tmp_path: Path) -> None:
    async with shard_yard(tmp_path) as yard:
        assert await yard.said("listener/a-0", Spread(numbers=tuple(range(600)), to=("listener/b-1",)), "x:1")
        assert await yard.until(yard.is_quiet)
        assert yard.heard("listener/b-1") == tuple(range(600))
        counters = yard.host.counters()
        assert (counters["letters"], counters["letters_waiting"]) == (600, 0)


async def test_numbers_of_letters_are_never_used_again(tmp_path: Path) -> None:
    for run in range(3):
        async with shard_yard(tmp_path) as yard:
            assert await yard.said("listener/a-0", Spread(numbers=(run,), to=("listener/b-1",)), f"x:{run}")
            assert await yard.until(yard.is_quiet)
            assert yard.heard("listener/b-1") == tuple(range(run + 1))


async def test_a_parcel_that_comes_late_and_again_tells_nobody_anything(tmp_path: Path) -> None:
    async with shard_yard(tmp_path) as yard:
        assert await yard.said("listener/a-0", Spread(numbers=(1, 2), to=("listener/b-1",)), "x:1")
        assert await yard.until(yard.is_quiet)
        first = NumberedLetter(1, "listener/b-1", Raw(b"\x80"))
        await yard.host.ask("listener/b-1", Spread(numbers=(), to=()))
        answered = asyncio.Event()
        yard.shards[1].submit(gate_address(0), Parcel((first,)), lambda _outcome: answered.set())
        assert await yard.until(answered.is_set)
        assert yard.heard("listener/b-1") == (1, 2)


async def test_a_letter_that_nobody_can_read_goes_to_the_dead_letters_and_the_others_arrive(tmp_path: Path) -> None:
    later = (1 << 62) - 1
    letters = (
        NumberedLetter(later, "listener/b-1", Raw(b"\xc1")),
        NumberedLetter(later + 1, "nobody/b-1", Raw(b"\x80")),
    )
    async with shard_yard(tmp_path) as yard:
        yard.shards[1].submit(gate_address(0), Parcel(letters), lambda _outcome: None)
        assert await yard.until(lambda: yard.journals[1].counts()["dead_letter"] == 2)
        reasons = [reason for _, _, reason in yard.journals[1].dead_letters()]
        assert "a letter to listener/b-1 cannot be read" in reasons[0]
        assert "there is no such kind of actor" in reasons[1]
        assert (await yard.host.ask("listener/b-1", Said(number=4)), yard.heard("listener/b-1")) == (None, (4,))


async def test_many_shards_are_one_engine_to_those_outside(tmp_path: Path) -> None:
    async with shard_yard(tmp_path, shards=4) as yard:
        for shard in range(4):
            to = tuple(f"listener/x-{other}" for other in range(4))
            assert await yard.host.ask(f"listener/x-{shard}", Spread(numbers=(shard,), to=to)) == "begun"
        assert await yard.until(yard.is_quiet)
        assert [sorted(yard.heard(f"listener/x-{shard}")) for shard in range(4)] == [[0, 1, 2, 3]] * 4
        assert yard.host.counters()["letters"] == 12
        assert not yard.host.storage_down


async def test_a_letter_that_an_older_program_wrote_is_lifted(tmp_path: Path) -> None:
    old = NumberedLetter(1 << 62, "listener/b-1", Raw(encode({"type": "Said", "value": 4})), schema=0)
    lift = {(0, "Said"): lambda told: {"type": "Said", "number": told["value"]}}
    async with shard_yard(tmp_path, upcasters=lift) as yard:
        yard.shards[1].submit(gate_address(0), Parcel((old,)), lambda _outcome: None)
        assert await yard.until(lambda: yard.heard("listener/b-1") == (4,))
