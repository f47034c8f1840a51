"""Evidence of other hubs for this one: gathered in pieces, checked whole, and taken in by small turns.

Nothing is taken in before every piece of a signed list is here and right. Taking in a newer list withdraws what is no
longer in it; an older one is refused, so that nothing comes back that was withdrawn. A hub that ends in between does it
again from the list: what it has is known by its id, so nothing is there twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from actors.community.core import card_key
from actors.model.advice import ExperienceCard
from actors.model.ids import CommunityId
from actors.runtime.journal import RecordRow
from hub.exports import (
    IN_PIECES,
    LARGEST_LIST,
    LARGEST_WHOLE,
    MOST_CARDS,
    TRAVELS,
    WHOLE,
    Content,
    Export,
    NotTakenIn,
    Piece,
    Sketch,
    as_ours,
    check_bounds,
    check_piece,
    opened,
)
from hub.hub_key import NotSigned, Signature, signer
from hub.peers import CARD, Peers
from hub.storage.whole import HubJournal
from hub.storing import store_rows

log = structlog.get_logger(__name__)

IMPORTED: Final = "imported"
Counted = Callable[[int], Awaitable[None]]
"""Told how many cards a turn added."""


class Imported(Struct, frozen=True, kw_only=True):
    """The record of the kind ``imported``, by community and hub: what was taken in last, or begun."""

    number: int
    sketches: tuple[Sketch, ...]
    finished: bool = True


class TakenIn(Struct, frozen=True, kw_only=True):
    """What came of an import. While pieces are ``wanted`` (by their SHA-256), nothing is taken in."""

    hub: str
    added: int = 0
    withdrawn: int = 0
    wanted: tuple[str, ...] = ()


class Progress(Struct, frozen=True, kw_only=True):
    """How far the taking in of another hub's evidence is, in pieces."""

    hub: str
    pieces: int
    gathered: int
    taken: int = 0


class _Gathering:
    """A signed list, and those of its pieces that are here."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.names = {name.sha256: name for name in content.pieces}
        self.packed: dict[str, bytes] = {}
        self.taken = 0

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(sha256 for sha256 in self.names if sha256 not in self.packed)

    def where(self, sha256: str) -> str:
        place = next(n for n, name in enumerate(self.content.pieces, 1) if name.sha256 == sha256)
        return f"piece {place} of {len(self.content.pieces)} of the export {self.content.number} of {self.content.hub}"

    def pieces(self) -> Iterator[Piece]:
        """Open one piece a step. Raises: NotTakenIn."""
        for name in self.content.pieces:
            piece = opened(self.packed[name.sha256], self.where(name.sha256))
            if len(piece.cards) != name.cards:
                told = f"{self.where(name.sha256)}: expected {name.cards} cards, got {len(piece.cards)}"
                raise NotTakenIn("broken_piece", f"{told}; ask that hub's operator for a new export")
            yield piece
        for first in range(0, len(self.content.cards), MOST_CARDS):  # an older hub's, whole
            yield Piece(cards=self.content.cards[first : first + MOST_CARDS])


class Intake:
    """Takes in the exports of hubs that are trusted; ``own`` is this hub's fingerprint."""

    def __init__(self, journal: HubJournal, peers: Peers, own: str) -> None:
        self._journal = journal
        self._peers = peers
        self._own = own
        self._gathering: dict[tuple[CommunityId, str], _Gathering] = {}
        self._taking = asyncio.Lock()

    async def take_in(
        self, community_id: CommunityId, export: Export, trusted: Collection[str], counted: Counted
    ) -> TakenIn:
        """Make the evidence of another hub ours, as far as it is new, or say which pieces of it are wanted first.

        It counts from the next epoch on.

        Raises:
            NotTakenIn: it is not what a trusted hub signed, or older than what was taken in before.
            JournalUnavailable: not all of it was done; say it again.
        """
        content = await asyncio.to_thread(_signed, export)
        self._check(community_id, content, trusted)
        async with self._taking:
            former = self._former(community_id, content)
            gathering = self._gathered(community_id, content)
            if gathering.wanted:
                return TakenIn(hub=content.hub, wanted=gathering.wanted)
            del self._gathering[community_id, content.hub]
            present, sketches = await _looked_through(gathering)
            self._gathering[community_id, content.hub] = gathering  # its progress can be seen
            try:
                await self._mark(content, former.sketches if former else (), finished=False)
                withdrawn = await self._peers.drop(community_id, await self._gone(community_id, content.hub, present))
                added = await self._add(gathering, counted)
                await self._mark(content, sketches, finished=True)
            finally:
                self._gathering.pop((community_id, content.hub), None)
                self._peers.all_taken()
        return TakenIn(hub=content.hub, added=added, withdrawn=withdrawn)

    async def gather(self, community_id: CommunityId, sha256: str, packed: bytes, hub: str = "") -> int:
        """Keep a piece that a list names, of any hub or of one; return how many are still wanted.

        Raises:
            NotTakenIn: no list names it, or it is something else than its name says.
        """
        for (about, of), gathering in self._gathering.items():
            if about == community_id and hub in {"", of} and sha256 in gathering.names:
                await asyncio.to_thread(check_piece, packed, gathering.names[sha256], gathering.where(sha256))
                gathering.packed[sha256] = packed
                return len(gathering.wanted)
        raise NotTakenIn("not_wanted", f"no list that was sent names the piece {sha256}; send the signed list first")

    def hubs(self, community_id: CommunityId) -> int:
        """Return of how many other hubs evidence was taken in."""
        return len(self._records(community_id))

    def unfinished(self, community_id: CommunityId) -> list[str]:
        """Return the hubs whose evidence is not here whole; to be taken in again."""
        return [hub for hub, done in self._records(community_id).items() if not done.finished]

    def progress(self, community_id: CommunityId) -> list[Progress]:
        """Return how far each list is that is being taken in."""
        return [
            Progress(hub=hub, pieces=len(each.names), gathered=len(each.packed), taken=each.taken)
            for (about, hub), each in self._gathering.items()
            if about == community_id
        ]

    def _records(self, community_id: CommunityId) -> dict[str, Imported]:
        prefix = f"{community_id}/"
        rows = self._journal.records(IMPORTED, after=prefix)
        return {
            row.key.removeprefix(prefix): msgspec.json.decode(row.body or b"", type=Imported)
            for row in rows
            if row.key.startswith(prefix)
        }

    def _check(self, community_id: CommunityId, content: Content, trusted: Collection[str]) -> None:
        if content.hub == self._own:
            raise NotTakenIn("own", "this is an export of this hub itself; there is nothing to take in")
        if content.hub not in trusted:
            where = f"if you trust it, add it to trusted_hubs of [communities.{community_id}] and start the hub again"
            raise NotTakenIn("not_trusted", f"signed by the hub {content.hub}, which is not trusted; {where}")
        if content.to not in {"", self._own}:
            raise NotTakenIn("not_for_us", f"this was told to the hub {content.to} alone; ask {content.hub} for one")
        if content.community != community_id:
            raise NotTakenIn(
                "foreign_community", f"expected evidence of {community_id}, got that of {content.community}"
            )
        check_bounds(content)

    def _former(self, community_id: CommunityId, content: Content) -> Imported | None:
        known = self._journal.record(IMPORTED, f"{community_id}/{content.hub}")
        former = None if known is None else msgspec.json.decode(known, type=Imported)
        if former is not None and content.number < former.number:
            raise NotTakenIn("older", "this export is older than the one taken in last; ask that hub for a new one")
        return former

    def _gathered(self, community_id: CommunityId, content: Content) -> _Gathering:
        """Return what is here of this list; pieces of a former one that stand in it, too, are here already."""
        known = self._gathering.get((community_id, content.hub))
        if known is not None and known.content == content:
            return known
        gathering = self._gathering[community_id, content.hub] = _Gathering(content)
        if known is not None:
            gathering.packed = {sha256: each for sha256, each in known.packed.items() if sha256 in gathering.names}
        return gathering

    async def _gone(self, community_id: CommunityId, hub: str, present: set[str]) -> list[str]:
        books = self._peers.evidence.books(community_id)
        return await asyncio.to_thread(
            lambda: sorted(
                card.card_id
                for book in books
                for card in tuple(book.cards.values())
                if card.hub == hub and card.card_id not in present
            )
        )

    async def _add(self, gathering: _Gathering, counted: Counted) -> int:
        added = 0
        pieces = gathering.pieces()
        while (rows := await asyncio.to_thread(_next_rows, pieces, gathering.content)) is not None:
            new = await self._peers.take_in(rows)
            gathering.taken += 1
            if new:
                await counted(new)
            added += new
        return added

    async def _mark(self, content: Content, sketches: Sequence[Sketch], *, finished: bool) -> None:
        mark = Imported(number=content.number, sketches=tuple(sketches), finished=finished)
        body = msgspec.json.encode(mark)
        await store_rows(
            self._journal,
            [RecordRow(kind=IMPORTED, key=f"{content.community}/{content.hub}", owner="", body=body)],
        )


def _signed(export: Export) -> Content:
    """Return what the hub that it names has signed. Raises: NotTakenIn."""
    if len(export.content) > LARGEST_LIST:
        raise NotTakenIn("too_large", _remedy(len(export.content), LARGEST_LIST))
    try:
        signed = Signature(public_key=export.public_key, signature=export.signature)
        hub = signer(export.content.encode(), signed)
        content = msgspec.json.decode(export.content, type=Content)
    except (NotSigned, ValueError, msgspec.MsgspecError) as error:
        raise NotTakenIn("tampered", f"{error}; get it again") from error
    if content.format not in {WHOLE, IN_PIECES} or content.hub != hub:
        expected = f"{IN_PIECES} (or {WHOLE}) of the hub {hub}"
        raise NotTakenIn("tampered", f"expected {expected}, got {content.format} of {content.hub}; get it again")
    if content.format == WHOLE and len(export.content) > LARGEST_WHOLE:
        raise NotTakenIn("too_large", _remedy(len(export.content), LARGEST_WHOLE))
    return content


def _remedy(size: int, most: int) -> str:
    told = f"expected at most {most} bytes in one signed record, got {size}"
    return f"{told}; an older release exports all in one: update that hub, and export again, in pieces"


async def _looked_through(gathering: _Gathering) -> tuple[set[str], list[Sketch]]:
    """Open every piece once; return the ids that cards will have here, and the sketches. Raises: NotTakenIn."""
    ids: set[str] = set()
    sketches = list(gathering.content.sketches)
    pieces = gathering.pieces()
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        ids.update(f"{gathering.content.hub}.{card.card_id}" for card in piece.cards if card.topic in TRAVELS)
        sketches += piece.sketches
    return ids, sketches


def _next_rows(pieces: Iterator[Piece], content: Content) -> list[tuple[ExperienceCard, RecordRow]] | None:
    piece = next(pieces, None)
    if piece is None:
        return None
    cards = [as_ours(content, card) for card in piece.cards if card.topic in TRAVELS]
    return [
        (card, RecordRow(kind=CARD, key=card_key(card), owner=card.owner_id, body=msgspec.json.encode(card)))
        for card in cards
    ]
