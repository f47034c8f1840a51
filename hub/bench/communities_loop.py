"""How long the event loop is held while 10,000 things stream and communities answer, take cards and train.

A heartbeat is due each millisecond. Of how late it comes is taken off how long the loop's thread was ready and got no
core (Linux tells, ``schedstat``), and what is left counts up to the CPU time that this process spent meanwhile: what
other programs on the machine take is not ours. On a busy machine the figure is still too high: the thread that holds
the interpreter may itself wait for a core, while the loop waits for it. A first part without any work for the
communities is measured in the same way, to tell whose the time is.
"""

import asyncio
import math
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from actors.community.core import CommunityCore
from actors.community.evidence import Standing, Stood
from actors.community.training import Trained
from actors.dialogue import (
    COMPUTE_RELAY,
    AskCommunity,
    ContributeLives,
    JoinCommunity,
    ShareExperience,
    chapter_address,
    community_address,
    thing_address,
)
from actors.model.advice import ExperienceCard, Question, Topic
from actors.model.ids import CommunityId, CorrelationId, OwnerId, ThingId
from actors.model.things import Purpose
from actors.runtime.engine import TurnEngine
from actors.runtime.journal import Batch, RecordRow
from hub.bench.turns import TurnBench, device_bytes, profile
from hub.clock import SystemClock
from hub.compute import Compute
from hub.config import CommunityConfig
from hub.demo.turbofan import fleet, running_life
from hub.model_making import TRAINING_LIFE
from hub.storage.sqlite import SqliteJournal, open_journal
from hub.storing import store
from hub.training import TrainingLife

_COMMUNITY: Final = CommunityId("bench")
_ENGINE: Final = "engine"
_ASKERS: Final = 200
_MESSAGES_PER_S: Final = 1_000
"""Ten thousand things, each with a message every ten seconds."""
_QUESTIONS_PER_S: Final = 50
_CARDS_PER_S: Final = 10
_TICK_S: Final = 0.01
_BEAT_S: Final = 0.001
_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")


def measure(trained: Trained, *, things: int, seconds: float) -> dict[str, float]:
    """Return the 99 % quantiles of how late the heartbeat came, in ms, without and with work for communities."""
    return asyncio.run(_measured(trained, things, seconds))


async def _measured(trained: Trained, things: int, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name, open_journal(Path(name)) as journal:
        bench, compute = await _opened(journal, trained, things)
        late: list[float] = []
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(compute.run(bench.engine)), group.create_task(stream(bench, things))]
            late.append(float(np.quantile(await lateness_ms(seconds=seconds), 0.99)))
            running.append(group.create_task(_keep_busy(bench.engine, trained)))
            late.append(float(np.quantile(await lateness_ms(seconds=seconds), 0.99)))
            for task in running:
                task.cancel()
        await bench.stop()
    return {"communities.loop_block_ms_p99": late[1], "communities.loop_block_ms_p99_without": late[0]}


async def _opened(journal: SqliteJournal, trained: Trained, things: int) -> tuple[TurnBench, Compute]:
    """Return things with the core of their communities, and the computing relay."""
    compute = Compute(
        {_COMMUNITY: CommunityConfig(members=("bench",))}, {"bench": profile()}, journal, SystemClock(), Random(1)
    )

    def with_communities(engine: TurnEngine) -> None:
        engine.add_kind(CommunityCore())
        engine.add_relay(COMPUTE_RELAY, compute)

    bench = TurnBench(journal, things, prepare=with_communities)
    await _furnish(journal, compute, trained)
    await bench.register()
    for number in range(_ASKERS):
        join = JoinCommunity(thing_id=_asker(number), owner_id=_owner(number), purposes=(Purpose.HEALTH,))
        await bench.engine.ask(chapter_address(_COMMUNITY, _asker(number)), join)
    return bench, compute


async def _furnish(journal: SqliteJournal, compute: Compute, trained: Trained) -> None:
    """Publish a model, with the cards of ten thousand owners, and lives to train another on."""
    compute.models.published[_COMMUNITY, _ENGINE] = trained.model
    chance = np.random.default_rng(0)
    for number in range(10_000):
        curve = trained.cards[number % len(trained.cards)].curve
        compute.peers.take(_card(trained, f"p{number}", OwnerId(f"o{number}"), curve + chance.normal(0, 2)), _TOLD)
    lives = [
        TrainingLife(life_id=life.life_id, owner_id=life.owner_id, n_settings=life.n_settings, rows=life.rows.tolist())
        for life in fleet(seed=2, size=60, owners=30)
    ]
    rows = [
        RecordRow(
            kind=TRAINING_LIFE,
            key=f"{_COMMUNITY}/{_ENGINE}/{life.life_id}",
            owner=life.owner_id,
            body=msgspec.msgpack.encode(life),
        )
        for life in lives
    ]
    await store(journal, Batch(records=rows))


_TOLD: Final = Stood(standing=Standing.PUBLISHED)


def _card(trained: Trained, card_id: str, owner_id: OwnerId, curve: npt.NDArray[np.floating[Any]]) -> ExperienceCard:
    levels = np.where(curve >= 0, np.clip(curve, 0, 125), -1.0)
    return ExperienceCard(
        card_id=card_id,
        community_id=_COMMUNITY,
        topic=Topic.HEALTH,
        owner_id=owner_id,
        subject=_ENGINE,
        lived=150.0,
        curve=tuple(levels.tolist()),
        model_version=trained.model.version,
    )


async def stream(bench: TurnBench, things: int) -> None:
    """Let every thing in turn tell a reading, evenly over time."""
    body, sent = device_bytes(1, 10), 0
    while True:
        for _ in range(round(_MESSAGES_PER_S * _TICK_S)):
            bench.hand_in(sent % things, body, f"b{sent // things}", lambda _receipt: None)
            sent += 1
        await asyncio.sleep(_TICK_S)


async def _keep_busy(engine: TurnEngine, trained: Trained) -> None:
    """Ask, share cards, and train once, until cancelled."""
    engine.submit(community_address(_COMMUNITY), ContributeLives(kept_lives=1, subject=_ENGINE), lambda _outcome: None)
    lives = [running_life(30_000 + number, owner="me", left=20 + number) for number in range(20)]
    vectors = [trained.model.features(life.rows[:20], life.rows[-80:], life.cycles) for life in lives]
    asked = 0
    every = _QUESTIONS_PER_S // _CARDS_PER_S
    while True:
        asker = _asker(asked % _ASKERS)
        question = Question(
            correlation_id=CorrelationId(f"q{asked}"),
            community_id=_COMMUNITY,
            topic=Topic.HEALTH,
            thing_id=asker,
            owner_id=_owner(asked % _ASKERS),
            subject=_ENGINE,
            features=tuple(vectors[asked % len(vectors)].tolist()),
            age=100.0,
            asked_at=SystemClock().now(),
        )
        address = chapter_address(_COMMUNITY, asker)
        engine.submit(address, AskCommunity(question=question, reply_to=thing_address(asker)), lambda _outcome: None)
        if asked % every == 0:
            card = _card(trained, f"new{asked}", _owner(asked % _ASKERS), trained.cards[0].curve)
            engine.submit(address, ShareExperience(thing_id=asker, card=card), lambda _outcome: None)
        asked += 1
        await asyncio.sleep(1 / _QUESTIONS_PER_S)


async def lateness_ms(*, seconds: float = math.inf, work: "asyncio.Task[Any] | None" = None) -> npt.NDArray[np.float64]:
    """Return how late each call came that was due each millisecond, for so long or until the work is done."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    ended = loop.create_future()
    until = loop.time() + seconds

    def beat(due: float, cpu: float, queued: float) -> None:
        now, spent, waited = loop.time(), time.process_time(), _queued_s()
        late.append(max(0.0, min(now - due - (waited - queued), spent - cpu)))
        if now > until or (work is not None and work.done()):
            ended.set_result(None)
        else:
            loop.call_at(now + _BEAT_S, beat, now + _BEAT_S, spent, waited)

    loop.call_soon(beat, loop.time(), time.process_time(), _queued_s())
    await ended
    return np.asarray(late) * 1000


def _queued_s() -> float:
    """Return how long this thread has been ready without a core, in seconds; 0 where the system does not tell."""
    try:
        return int(_SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except OSError:
        return 0.0


def _asker(number: int) -> ThingId:
    return ThingId(f"t{number}")


def _owner(number: int) -> OwnerId:
    return OwnerId(f"asker-{number}")
