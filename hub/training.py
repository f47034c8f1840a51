"""Training of a community's models in a process of its own, which ends with the hub, however the hub ends.

``python -m hub.training`` reads one request from standard input: eight bytes of length, big-endian, then a
``TrainingRequest`` or a ``FailuresRequest`` in MessagePack. It answers on standard output with a ``PublishedModel``, a
``FailuresLearned``, or a ``TrainingRefused``.
When its standard input ends before that, whoever asked is gone, and it ends, too.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Final

import msgspec
import numpy as np
from msgspec import Struct

from actors.community.cards import CardMatrix
from actors.community.champion import duel
from actors.community.health_index import HealthModel
from actors.community.lives import Life
from actors.community.policy import ActBand
from actors.model.histories import EventHistory

_SEED: Final = 20261123
_LENGTH_BYTES: Final = 8
_LAST_WORDS: Final = 500


class TrainingLife(Struct, frozen=True, kw_only=True):
    """The record of the kind ``training_life``: a whole life, given with its owner's consent to train on it."""

    life_id: str
    owner_id: str
    n_settings: int
    rows: list[list[float]]


class TrainingRequest(Struct, frozen=True, kw_only=True, tag=True):
    """What to train on: packed ``TrainingLife`` records, and when acting is right."""

    lives: list[bytes]
    band: ActBand
    vouched: list[str] = []
    """Lives to believe whatever the others say."""
    champion: bytes = b""
    """The present model, which the new one must beat."""
    champion_cards: list[tuple[str, str, list[float]]] = []
    """(card, owner, curve) that it answers from."""
    seen: list[str] = []
    """Lives that it was trained on; the others were closed since."""


class FailuresRequest(Struct, frozen=True, kw_only=True, tag=True):
    """Learn which part fails next: packed ``EventHistory`` records, and the present model where there is one."""

    histories: list[bytes]
    champion: bytes = b""


class PublishedModel(Struct, frozen=True, kw_only=True, tag=True):
    """What a training made: the model's bytes and the cards of the lives behind it."""

    model: bytes
    version: str
    cards: list[tuple[str, str, int, list[float]]]
    lives: int
    owners: int
    trimmed: list[str] = []
    """Lives that were left out."""
    against_former: str = ""
    """How it did against the model before it."""


class FailuresLearned(Struct, frozen=True, kw_only=True, tag=True):
    """What learning from histories made."""

    model: bytes
    version: str
    machines: int
    owners: int


class TrainingRefused(Struct, frozen=True, kw_only=True, tag=True):
    """These lives make no model."""

    reason: str


Request = TrainingRequest | FailuresRequest
Answer = PublishedModel | FailuresLearned | TrainingRefused


async def train_apart(request: TrainingRequest) -> PublishedModel | TrainingRefused:
    """Train on lives in a process of its own; when this is cancelled, so is the training."""
    answer = await _apart(request)
    return _unexpected() if isinstance(answer, FailuresLearned) else answer


async def learn_apart(request: FailuresRequest) -> FailuresLearned | TrainingRefused:
    """Learn from histories in a process of its own; when this is cancelled, so is the learning."""
    answer = await _apart(request)
    return _unexpected() if isinstance(answer, PublishedModel) else answer


def _unexpected() -> TrainingRefused:
    return TrainingRefused(reason="the training answered another question than was asked")


async def _apart(request: Request) -> Answer:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.training", stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        return await _ask(process, await asyncio.to_thread(msgspec.msgpack.encode, request))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask(process: asyncio.subprocess.Process, request: bytes) -> Answer:
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None  # noqa: S101 - a pipe was asked for
    assert stdout is not None  # noqa: S101 - likewise
    assert stderr is not None  # noqa: S101 - likewise
    async with asyncio.TaskGroup() as group:
        said = group.create_task(stderr.read())
        answer = group.create_task(stdout.read())
        with contextlib.suppress(ConnectionError):  # it ended: its last words say why
            stdin.write(len(request).to_bytes(_LENGTH_BYTES, "big") + request)
            await stdin.drain()
    try:
        return await asyncio.to_thread(msgspec.msgpack.decode, answer.result(), type=Answer)
    except msgspec.DecodeError:
        last_words = said.result().decode(errors="replace").strip()[-_LAST_WORDS:]
        return TrainingRefused(reason=f"the training ended with {await process.wait()}: {last_words or 'no word'}")


def train_model(request: TrainingRequest) -> PublishedModel:
    """Train on lives. Raises: ValueError when they are too few, or the present model is better."""
    from actors.community.training import TrainingSettings, train  # noqa: PLC0415 - heavy, and needed only here

    decoded = [msgspec.msgpack.decode(packed, type=TrainingLife) for packed in request.lives]
    lives = [
        Life(
            life_id=life.life_id,
            owner_id=life.owner_id,
            rows=np.array(life.rows, dtype=np.float64),
            n_settings=life.n_settings,
        )
        for life in decoded
    ]
    trimmed = set_aside(lives, request.vouched)
    lives = [life for life in lives if life.life_id not in trimmed]
    trained = train(lives, seed=_SEED, settings=TrainingSettings(band=request.band))
    judged = _against_champion(request, lives, trained.errors)
    return PublishedModel(
        against_former=judged,
        model=trained.model.to_bytes(),
        version=trained.model.version,
        cards=[(card.life_id, card.owner_id, card.cycles, card.curve.tolist()) for card in trained.cards],
        lives=len(lives),
        owners=len({life.owner_id for life in lives}),
        trimmed=sorted(trimmed),
    )


def learn_failures(request: FailuresRequest) -> FailuresLearned:
    """Learn from histories; what does not beat the present model on their moments is not published.

    Raises:
        ValueError: the histories are too few, or the present model is better.
    """
    from actors.community.failing import PublishedFailures  # noqa: PLC0415 - heavy, and needed only here
    from actors.community.history_training import beats, train_histories  # noqa: PLC0415 - likewise

    histories = [msgspec.json.decode(packed, type=EventHistory) for packed in request.histories]
    trained = train_histories(histories, seed=_SEED)
    champion = PublishedFailures.from_bytes(request.champion) if request.champion else None
    if champion is not None and not beats(trained, champion, histories):
        raise ValueError(f"the present model {champion.version} foretells these failures as well: it stays")
    published = trained.published
    return FailuresLearned(
        model=published.to_bytes(),
        version=published.version,
        machines=published.machines,
        owners=len(published.owners),
    )


def _against_champion(request: TrainingRequest, lives: Sequence[Life], errors: Mapping[str, float]) -> str:
    """Return how the new model did against the present one. Raises: ValueError when that is better."""
    if not request.champion:
        return ""
    champion = HealthModel.from_bytes(request.champion)
    matrix = CardMatrix(champion.version)
    for card_id, owner_id, curve in request.champion_cards:
        matrix.append(card_id, owner_id, curve)
    unseen = {life.life_id for life in lives} - set(request.seen)
    fought = duel(champion, matrix, lives, unseen=unseen, errors=errors)
    if not fought.won:
        raise ValueError(fought.sentence)
    return fought.sentence if fought.lives else ""


def set_aside(lives: Sequence[Life], vouched: Iterable[str]) -> frozenset[str]:
    """Return the ids of lives that no others confirm and nobody vouches for."""
    from actors.community.trimming import doubtful  # noqa: PLC0415 - heavy, and needed only here

    return doubtful(lives, seed=_SEED) - frozenset(vouched)


def main() -> None:
    """Answer one request."""
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(_LENGTH_BYTES), "big")
    request = msgspec.msgpack.decode(source.read(length), type=Request)
    threading.Thread(target=_end_with, args=(source,), daemon=True).start()
    answer: Answer
    try:
        answer = train_model(request) if isinstance(request, TrainingRequest) else learn_failures(request)
    except ValueError as error:
        answer = TrainingRefused(reason=str(error))
    sys.stdout.buffer.write(msgspec.msgpack.encode(answer))
    sys.stdout.buffer.flush()
    os._exit(0)  # the thread that watches standard input would be waited for


def _end_with(source: BinaryIO) -> None:
    """End this process when nobody holds the other end any more."""
    source.read()
    os._exit(1)


if __name__ == "__main__":
    main()
