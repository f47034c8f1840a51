"""Leaving a community: nothing is collected from then on; and, where it is wished, what was shared is forgotten."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.community.core import EVENT_HISTORY, Contribution, member_kind
from actors.community.failing import FAILING
from actors.dialogue import (
    AdviceOutcome,
    LeaveCommunity,
    TrainAgain,
    chapter_address,
    community_address,
    thing_address,
)
from actors.model.advice import Topic
from actors.model.ids import CommunityId, OwnerId, ThingId
from actors.model.ledger import LedgerRow
from actors.runtime.contract import Engine
from actors.runtime.journal import RecordRow
from hub.compute import Compute
from hub.model_making import TRAINING_LIFE, VOUCHED_LIFE, WITHDRAWN_LIFE
from hub.peers import CARD, STANDING
from hub.storage.whole import HubJournal
from hub.storing import store_rows

LEDGER: Final = "ledger"


class Gone(Struct, frozen=True, kw_only=True):
    """What came of leaving."""

    left: int
    """Things that were members."""
    withdrawn: int = 0
    """Cards that count until the next epoch begins and then no more; they are still stored."""
    cards: int = 0
    """Cards that were removed."""
    lives: int = 0
    """Lives for training that were removed."""
    models: Sequence[str] = ()
    """Components whose model was retired, because it was trained on one of those lives."""
    advice: int = 0
    """Rows that were removed from the ledger of advice."""
    under_way: int = 0
    """Rows that stay, because what was ordered on their advice is still under way; say it again when that has ended."""


_OF_THINGS: Final = frozenset({Topic.HEALTH, Topic.FAILURE})
"""Topics whose rows a thing keeps until it knows what came of them; orders keep those of others."""


class _Shared(Struct, frozen=True, kw_only=True):
    """Keys of what was shared, and of the links to it."""

    cards: frozenset[str]
    lives: frozenset[str]
    histories: frozenset[str]
    links: frozenset[str]

    @property
    def given(self) -> frozenset[str]:
        """What was given for training."""
        return self.lives | self.histories


class Leaving:
    """Takes things, or all that an owner has, out of communities."""

    def __init__(self, engine: Engine, journal: HubJournal, compute: Compute) -> None:
        self._engine = engine
        self._journal = journal
        self._compute = compute

    async def leave(
        self, community_id: CommunityId, owner_id: OwnerId, thing_id: ThingId | None, *, forget: bool
    ) -> Gone:
        """Take a thing out, or all things of an owner; returns when nothing more of them can come in.

        Raises:
            AskFailed, JournalUnavailable: not all of it was done; say it again.
        """
        things = [thing_id] if thing_id is not None else self._members(community_id, owner_id)
        n_left = sum([await self._out(community_id, each) for each in things])
        shared = self._shared(community_id, owner_id, thing_id)
        if forget:
            gone = await self._forget(community_id, shared, n_left)
            advice, under_way = await self._forget_advice(community_id, owner_id, thing_id)
            await self._journal.scrub()
            return replace(gone, advice=advice, under_way=under_way)
        body = b"true"
        withdrawn = [RecordRow(kind=WITHDRAWN_LIFE, key=key, owner=owner_id, body=body) for key in sorted(shared.given)]
        await store_rows(self._journal, withdrawn)
        n_cards = await self._compute.peers.withdraw(community_id, _ids(community_id, shared.cards))
        return Gone(left=n_left, withdrawn=n_cards)

    def _members(self, community_id: CommunityId, owner_id: OwnerId) -> list[ThingId]:
        known = {row.key for row in self._journal.records(member_kind(community_id), owner_id)}
        head = self._engine.read(community_address(community_id)).members  # of journals from before there were chapters
        known |= {thing_id for thing_id, member in head.items() if member.owner_id == owner_id}
        return [ThingId(key) for key in sorted(known)]

    async def _out(self, community_id: CommunityId, thing_id: ThingId) -> bool:
        leave = LeaveCommunity(thing_id=thing_id)
        was_member = await self._engine.ask(chapter_address(community_id, thing_id), leave)
        return bool(await self._engine.ask(community_address(community_id), leave) or was_member)

    async def _forget(self, community_id: CommunityId, shared: _Shared, n_left: int) -> Gone:
        models = self._compute.models
        retired = models.made_from(community_id, shared.lives)
        rows = [row for component in retired for row in models.removals(component)]
        rows += _removals(("contribution",), shared.links)
        rows += _removals((CARD, STANDING), shared.cards)
        rows += _removals((TRAINING_LIFE, VOUCHED_LIFE, WITHDRAWN_LIFE), shared.lives)
        rows += _removals((EVENT_HISTORY, WITHDRAWN_LIFE), shared.histories)
        failing = self._compute.failing if shared.histories else None
        rows += failing.removal(community_id) if failing else []
        await self._compute.peers.forget(community_id, _ids(community_id, shared.cards), rows)
        for component in retired:
            models.retire(component)
            await self._engine.ask(community_address(community_id), TrainAgain(subject=component[1]))
        subjects = tuple(sorted(subject for _, subject in retired))
        if failing and failing.published.pop(community_id, None) is not None:
            await self._engine.ask(community_address(community_id), TrainAgain(subject=FAILING))
            subjects = (*subjects, FAILING)
        return Gone(left=n_left, cards=len(shared.cards), lives=len(shared.given), models=subjects)

    async def _forget_advice(
        self, community_id: CommunityId, owner_id: OwnerId, thing_id: ThingId | None
    ) -> tuple[int, int]:
        """Remove a thing's or owner's rows from the ledger; return how many, and how many are still under way."""
        rows = self._advice(community_id, owner_id, thing_id)
        open_parts: dict[tuple[ThingId, str], list[LedgerRow]] = {}
        for row in rows:
            if row.outcome is None and row.topic in _OF_THINGS:
                open_parts.setdefault((row.thing_id, row.subject), []).append(row)
        for (thing, subject), opened in open_parts.items():  # else the thing would close them one day
            await self._engine.ask(thing_address(thing), AdviceOutcome(subject=subject, rows=tuple(opened)))
        gone = [row for row in rows if row.outcome is not None or row.topic in _OF_THINGS]
        await store_rows(self._journal, _removals((LEDGER,), [row.key for row in gone]))
        return len(gone), len(rows) - len(gone)

    def _advice(self, community_id: CommunityId, owner_id: OwnerId, thing_id: ThingId | None) -> list[LedgerRow]:
        prefix = "" if thing_id is None else f"{thing_id}/"
        found = (
            msgspec.json.decode(row.body or b"", type=LedgerRow)
            for row in self._journal.records(LEDGER, owner_id, after=prefix)
            if row.key.startswith(prefix)
        )
        return [row for row in found if row.community_id == community_id]

    def _shared(self, community_id: CommunityId, owner_id: OwnerId, thing_id: ThingId | None) -> _Shared:
        """Return what a thing shared, as its links tell; or all of this owner's, what was brought in included."""
        links = dict(self._links(community_id, owner_id, thing_id))
        cards = {link.key for link in links.values() if link.kind == CARD}
        lives = {link.key for link in links.values() if link.kind == TRAINING_LIFE}
        histories = {link.key for link in links.values() if link.kind == EVENT_HISTORY}
        if thing_id is None:
            cards |= self._keys(CARD, community_id, owner_id)
            lives |= self._keys(TRAINING_LIFE, community_id, owner_id)
            histories |= self._keys(EVENT_HISTORY, community_id, owner_id)
        return _Shared(
            cards=frozenset(cards), lives=frozenset(lives), histories=frozenset(histories), links=frozenset(links)
        )

    def _links(
        self, community_id: CommunityId, owner_id: OwnerId, thing_id: ThingId | None
    ) -> Iterator[tuple[str, Contribution]]:
        after = "" if thing_id is None else f"{thing_id}/{community_id}/"
        for row in self._journal.records("contribution", owner_id, after=after):
            thing, community, _ = row.key.split("/", 2)
            if thing_id is not None and thing != thing_id:
                return
            if community == community_id:
                yield row.key, msgspec.json.decode(row.body or b"", type=Contribution)

    def _keys(self, kind: str, community_id: CommunityId, owner_id: OwnerId) -> set[str]:
        rows = self._journal.records(kind, owner_id, after=f"{community_id}/")
        return {row.key for row in rows if row.key.startswith(f"{community_id}/")}


def _ids(community_id: CommunityId, keys: Iterable[str]) -> list[str]:
    return sorted(key.removeprefix(f"{community_id}/") for key in keys)


def _removals(kinds: Sequence[str], keys: Iterable[str]) -> list[RecordRow]:
    return [RecordRow(kind=kind, key=key, owner="", body=None) for key in sorted(keys) for kind in kinds]
