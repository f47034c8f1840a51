"""Follows the notes of all shards and tells endpoints' actors what concerns them, each note once.

How far it came is kept beside the notes; what was told again after a restart is known by its message id.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
import structlog
from msgspec import Struct

from actors.dialogue import NoticeFound, endpoint_address
from actors.model.endpoints import Endpoint, EndpointView, Notice
from actors.model.ids import OwnerId, ThingId
from actors.runtime.contract import Engine
from actors.runtime.engine import AskFailed
from actors.runtime.journal import Batch, Journal, JournalUnavailable, NoteRow, RecordRow
from hub.announcing.topics import subject_of, topic_of
from hub.storage.notes import Place
from hub.storing import store

log = structlog.get_logger(__name__)

CURSOR: Final = "announced"
"""The kind of the records that say how far the notes of each shard were followed."""
ENDPOINT: Final = "endpoint"
_PAGE: Final = 500
_AGAIN_S: Final = 1.0
_WAKES: Final = frozenset({"order", "command", "need_end", ENDPOINT})


class Notes(Protocol):
    """The part of a shard's journal that is followed."""

    def notes_behind(self, note_id: int, limit: int) -> Sequence[Place]:
        """Return where the next notes behind one stand."""
        ...

    def newest_note(self) -> int:
        """Return the number of the newest note."""
        ...

    def note(self, note_id: int) -> NoteRow | None:
        """Return one note."""
        ...


class _Whose(Struct, frozen=True):
    """What is read of an order's or a thing's record."""

    owner_id: OwnerId
    thing_id: ThingId


class NoteTail:
    """Run ``run`` for as long as the hub lives. Costs next to nothing while nobody has an endpoint."""

    def __init__(self, engine: Engine, shards: Sequence[Notes], journal: Journal) -> None:
        self._engine = engine
        self._shards = shards
        self._journal = journal
        self._endpoints: dict[str, Endpoint] = {}
        self._of_owner: Mapping[OwnerId, Sequence[Endpoint]] = {}
        self._cursors: dict[int, int] = {}
        self._woken = asyncio.Event()
        self._whose = msgspec.json.Decoder(_Whose).decode
        self._told = 0

    @property
    def told(self) -> int:
        """How many notices were handed to endpoints since the start."""
        return self._told

    def follow(self, rows: Sequence[RecordRow]) -> None:
        """Look at what a commit wrote: whether an endpoint came or went, or something happened."""
        changed = [row for row in rows if row.kind == ENDPOINT]
        if changed:
            self._take(changed)
        if self._endpoints and any(row.kind in _WAKES for row in rows):
            self._woken.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        self._take(self._journal.records(ENDPOINT))
        for shard in range(len(self._shards)):
            known = self._journal.record(CURSOR, str(shard))
            self._cursors.setdefault(shard, int(known or b"0"))
        while True:
            try:
                for shard in range(len(self._shards)):
                    await self._follow(shard)
            except (JournalUnavailable, AskFailed) as error:
                log.warning("announcing_put_off", reason=str(error))
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                log.exception("announcing_failed")  # nobody's orders stop because somebody cannot be told of them
                await asyncio.sleep(_AGAIN_S)
            else:
                await self._woken.wait()
                self._woken.clear()

    def _take(self, rows: Iterable[RecordRow]) -> None:
        had_none = not self._endpoints
        for row in rows:
            if row.body is None:
                self._endpoints.pop(row.key, None)
            else:
                self._endpoints[row.key] = msgspec.json.decode(row.body, type=EndpointView).endpoint
        of_owner: dict[OwnerId, list[Endpoint]] = defaultdict(list)
        for endpoint in self._endpoints.values():
            of_owner[endpoint.owner_id].append(endpoint)
        self._of_owner = dict(of_owner)
        if had_none and self._endpoints and self._cursors:  # what happened while nobody listened concerns nobody
            self._cursors = {shard: notes.newest_note() for shard, notes in enumerate(self._shards)}

    async def _follow(self, shard: int) -> None:
        """Tell all that is new in one shard, a page at a time, and note how far it came."""
        while self._endpoints:
            page = self._shards[shard].notes_behind(self._cursors[shard], _PAGE)
            if not page:
                return
            found = [(endpoint, notice) for place in page for endpoint, notice in self._concerned(shard, place)]
            if found:
                await self._tell(found)
            self._cursors[shard] = page[-1].note_id
            if found or len(page) == _PAGE:
                row = RecordRow(kind=CURSOR, key=str(shard), owner="", body=str(page[-1].note_id).encode())
                await store(self._journal, Batch(records=[row]))

    def _concerned(self, shard: int, place: Place) -> Iterable[tuple[Endpoint, Notice]]:
        topic = topic_of(place.address, place.step)
        if topic is None:
            return
        body = self._journal.record(*subject_of(place.address))
        if body is None:
            return
        whose = self._whose(body)
        for endpoint in self._of_owner.get(whose.owner_id, ()):
            if topic in endpoint.topics and place.at >= endpoint.registered_at.timestamp():
                notice = Notice(
                    notice_id=f"evt_{shard}_{place.note_id}_{int(place.at * 1000):x}",
                    topic=topic,
                    thing_id=whose.thing_id,
                    at=datetime.fromtimestamp(place.at, UTC),
                    shard=shard,
                    note=place.note_id,
                )
                yield endpoint, notice

    async def _tell(self, found: Sequence[tuple[Endpoint, Notice]]) -> None:
        """Hand notices to their endpoints' actors, in their order; all are on disk when this returns.

        Raises:
            AskFailed: one was not taken. All may be told again.
        """
        for endpoint, notice in found:
            address = endpoint_address(endpoint.endpoint_id)
            await self._engine.ask(address, NoticeFound(notice=notice), message_id=notice.notice_id)
            self._told += 1
