"""How long the event loop is held while another hub's evidence is taken in and told, and things stream.

The heartbeat is that of ``communities_loop``. What is measured lasts from the signed list to the end of the epoch in
which the cards are told.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from actors.community.cards import LEVELS
from actors.community.core import CommunityCore
from actors.community.evidence import Standing, Stood
from actors.dialogue import COMPUTE_RELAY, ContributeLives, community_address
from actors.model.advice import ExperienceCard, Topic
from actors.model.ids import CommunityId, OwnerId
from actors.runtime.engine import TurnEngine
from hub.bench.communities_loop import lateness_ms, stream
from hub.bench.turns import BenchFailed, TurnBench, profile
from hub.clock import SystemClock
from hub.compute import Compute
from hub.config import CommunityConfig
from hub.exports import Export
from hub.federation import Federation
from hub.hub_key import HubKey
from hub.storage.sqlite import SqliteJournal, open_journal
from hub.taking_in import Intake

_COMMUNITY: Final = CommunityId("bench")
_K_OWNERS: Final = 5
_TOLD: Final = Stood(standing=Standing.PUBLISHED)


def measure(*, cards: int, things: int) -> dict[str, float]:
    """Return for a hub that takes in so many cards how late the heartbeat came, in ms, and how long it took."""
    return asyncio.run(_measured(cards, things))


async def _measured(cards: int, things: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name, open_journal(Path(name)) as journal:
        there = await _other_hub(journal, cards)
        compute = _compute(journal)
        bench = TurnBench(journal, things, prepare=lambda engine: _prepare(engine, compute))
        await bench.register()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(compute.run(bench.engine)), group.create_task(stream(bench, things))]
            began = time.perf_counter()
            export = group.create_task(there.export(_COMMUNITY, _K_OWNERS))
            told_late = await lateness_ms(work=export)
            exported_s = time.perf_counter() - began
            taking = group.create_task(_take_in(there, export.result(), compute, journal, bench.engine, cards))
            late = await lateness_ms(work=taking)
            taken_s = time.perf_counter() - began - exported_s
            for task in running:
                task.cancel()
        await bench.stop()
    return {
        "communities.import_loop_block_ms_p99": round(float(np.quantile(late, 0.99)), 3),
        "communities.import_loop_block_ms_max": round(float(late.max()), 3),
        "communities.export_loop_block_ms_p99": round(float(np.quantile(told_late, 0.99)), 3),
        "communities.export_s": round(exported_s, 2),
        "communities.import_s": round(taken_s, 2),
    }


def _compute(journal: SqliteJournal) -> Compute:
    config = CommunityConfig(members=("bench",), k_owners=_K_OWNERS)
    return Compute({_COMMUNITY: config}, {"bench": profile()}, journal, SystemClock(), Random(1))


def _prepare(engine: TurnEngine, compute: Compute) -> None:
    engine.add_kind(CommunityCore())
    engine.add_relay(COMPUTE_RELAY, compute)


async def _other_hub(journal: SqliteJournal, cards: int) -> Federation:
    """Return a hub that tells so many cards, of as many owners."""
    peers, chance = _compute(journal).peers, np.random.default_rng(0)
    for number in range(cards):
        curve = np.clip(LEVELS + chance.normal(0, 8, len(LEVELS)), 0, 125).astype(np.float32)
        card = ExperienceCard(
            card_id=f"p{number}",
            community_id=_COMMUNITY,
            topic=Topic.HEALTH,
            owner_id=OwnerId(f"o{number}"),
            subject="engine",
            lived=150.0,
            curve=tuple(curve.tolist()),
            model_version="1",
        )
        peers.take(card, _TOLD)
    return Federation(peers, SystemClock(), key=HubKey("22" * 32), salt="bench")


async def _take_in(
    there: Federation, export: Export, compute: Compute, journal: SqliteJournal, engine: TurnEngine, cards: int
) -> None:
    intake = Intake(journal, compute.peers, "here")

    async def counted(added: int) -> None:
        await engine.ask(community_address(_COMMUNITY), ContributeLives(kept_cards=added))

    for sha256 in (await intake.take_in(_COMMUNITY, export, {there.fingerprint}, counted)).wanted:
        await intake.gather(_COMMUNITY, sha256, there.piece(_COMMUNITY, sha256) or b"")
    taken = await intake.take_in(_COMMUNITY, export, {there.fingerprint}, counted)
    while any(book.changed_owners >= _K_OWNERS for book in compute.peers.evidence.books()):  # noqa: ASYNC110 - a projection tells nobody
        await asyncio.sleep(0.01)  # the epoch in which they are told
    told = sum(len(book.told()) + len(compute.peers.trimmed(_COMMUNITY)) for book in compute.peers.evidence.books())
    if taken.added != cards or told != cards:
        raise BenchFailed(f"expected {cards} cards to be taken in and judged, got {taken.added} and {told}")
