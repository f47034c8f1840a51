"""Noise on counts: the same at every question, said in the answer, and none on an owner's own fleet."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from pieces import OFFICE, advice, bring, piece
from served_hub import Client, served_hub

from actors.community.answers import Blur
from actors.model.advice import Recommendation
from hub.config import CommunityConfig


@asynccontextmanager
async def blurring_hub(path: Path) -> AsyncGenerator[Client]:
    office = CommunityConfig(members=("printer",), count_epsilon=0.3)
    async with served_hub(path, communities={"office": office}) as operator:
        yield operator


async def published(hub: Client, cards: int) -> None:
    (book,) = hub.hub.compute.peers.evidence.books(OFFICE)
    async with asyncio.timeout(30):
        while len(book.told()) < cards:  # noqa: ASYNC110 - nothing to wait for
            await asyncio.sleep(0.01)


async def answered(hub: Client, owner: str = "stranger") -> Recommendation:
    said = await advice(hub, owner)
    assert isinstance(said, Recommendation)
    return said


async def test_counts_have_the_same_noise_at_every_question_and_after_a_restart(tmp_path: Path) -> None:
    async with blurring_hub(tmp_path) as hub:
        await bring(hub, [piece(f"o{n}", 400.0, number) for n in range(40) for number in range(4)])
        await published(hub, 160)
        first = await answered(hub)
        assert first == await answered(hub)
        assert first.evidence.peers == first.evidence.owners == first.evidence.lives
        assert f"({first.evidence.owners} owners)" in first.sentence
        assert first.sentence.endswith("Counts of other owners have noise (epsilon 0.3), one peer an owner.")
        assert first.evidence.noise_epsilon == 0.3
    async with blurring_hub(tmp_path) as hub:
        await published(hub, 160)
        assert (await answered(hub)).evidence == first.evidence


async def test_an_owners_own_fleet_is_counted_exactly(tmp_path: Path) -> None:
    async with blurring_hub(tmp_path) as hub:
        await bring(hub, [piece("mine", 400.0, number) for number in range(3)])
        said = await answered(hub, "mine")
        assert (said.evidence.peers, said.evidence.owners, said.evidence.noise_epsilon) == (3, 1, None)
        assert "noise" not in said.sentence


def test_noise_is_laplaces_and_differs_with_key_and_count() -> None:
    drawn = [Blur(epsilon=0.5, key=b"%d" % each).count(100, "peers") - 100 for each in range(4000)]
    assert abs(np.mean(drawn)) < 0.2
    assert 1.8 < np.mean(np.abs(drawn)) < 2.2
    told = [Blur(epsilon=0.5, key=b"k").count(count, "peers") - count for count in range(100, 200)]
    assert len(set(told)) > 5
