"""The evidence of all communities as the hub keeps it: published in epochs, withdrawn and forgotten; durable."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from random import Random
from typing import Final

import msgspec
import structlog

from actors.community.core import card_key
from actors.community.dealing import dealt
from actors.community.doubting import Judging, judging
from actors.community.evidence import Book, Evidence, Standing, Stood
from actors.model.advice import ExperienceCard
from actors.model.ids import CommunityId
from actors.runtime.journal import Batch, BatchRefused, Journal, JournalUnavailable, RecordRow
from hub.storing import store, store_rows

log = structlog.get_logger(__name__)

CARD: Final = "card"
STANDING: Final = "card_standing"
_MARK: Final = ("evidence", "has_epochs")
"""A record that journals of before epochs lack: all their cards were told."""
_AGAIN_S: Final = 5.0
_MOST_A_TURN: Final = 32
"""Cards that one turn changes while the loop waits."""


class Peers:
    """Keeps the books of evidence beside their records, and begins new epochs."""

    def __init__(self, journal: Journal, k_owners: Callable[[CommunityId], int], chance: Random) -> None:
        self.evidence = Evidence()
        self._journal = journal
        self._k_owners = k_owners
        self._chance = chance
        self._due = asyncio.Event()
        self._changing = asyncio.Lock()
        self._old: dict[str, ExperienceCard] = {}

    def load(self) -> None:
        """Rebuild the books from the records."""
        stood = {row.key: msgspec.json.decode(row.body or b"", type=Stood) for row in self._journal.records(STANDING)}
        is_old = self._journal.record(*_MARK) is None
        for row in self._journal.records(CARD):
            card = msgspec.json.decode(row.body or b"", type=ExperienceCard)
            if is_old and row.key not in stood:
                self._old[row.key] = card
                stood[row.key] = Stood(standing=Standing.PUBLISHED)
            self.evidence.take(card, stood.get(row.key))
        self._due.set()

    def take(self, card: ExperienceCard, stood: Stood | None = None) -> None:
        """Add a card that stands in the records; known ones change nothing."""
        if self.evidence.take(card, stood) is not None:
            self._due.set()

    def take_key(self, key: str) -> None:
        """Add the card of this record, if it is still there."""
        body = self._journal.record(CARD, key)
        if body is not None:
            self.take(msgspec.json.decode(body, type=ExperienceCard))

    async def run(self, thread: Executor) -> None:
        """Begin epochs until cancelled. Cards are judged in the thread that answers questions, in between those.

        Two threads that compute would keep the interpreter from the loop twice as long.
        """
        await self._mark()
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._begin_epochs(thread)
            except (JournalUnavailable, BatchRefused) as error:
                log.warning("epoch_not_stored", reason=str(error), next_step="free disk space or repair the disk")
                await asyncio.sleep(_AGAIN_S)
                self._due.set()

    async def withdraw(self, community_id: CommunityId, card_ids: Iterable[str]) -> int:
        """Take cards out of the evidence with the next epoch, and return how many."""
        async with self._changing:
            n_cards = 0
            for cell, ids in self.evidence.holding(community_id, card_ids).items():
                book = self.evidence.book(cell)
                changes = book.withdrawn(ids)
                await self._change(book, changes)
                n_cards += len(changes)
        self._due.set()
        return n_cards

    async def forget(self, community_id: CommunityId, card_ids: Iterable[str], others: Iterable[RecordRow]) -> int:
        """Remove cards, and other records with them, in one transaction; return how many cards.

        They leave the answers at once; some other owners' cards sit out meanwhile, so that nobody can tell whose went.
        """
        async with self._changing:
            held = self.evidence.holding(community_id, card_ids)
            gone = [(self.evidence.book(cell), card_id) for cell, ids in held.items() for card_id in ids]
            rows = list(others)
            resting: list[tuple[Book, Mapping[str, Stood]]] = []
            for book in {id(book): book for book, _ in gone}.values():
                changes = self._hidden(book, {card_id for each, card_id in gone if each is book})
                resting.append((book, changes))
                rows += _rows(book, changes)
            rows += [removal for book, card_id in gone for removal in _removed(card_key(book.cards[card_id]))]
            await store_rows(self._journal, rows)
            for book, hidden in resting:
                book.change(hidden)
            for _, card_id in gone:
                self.evidence.forget(community_id, card_id)
        self._due.set()
        return len(gone)

    async def vouch(self, community_id: CommunityId, card_ids: Iterable[str], *, believed: bool) -> int:
        """Believe cards whatever their peers say, from the next epoch on, or judge them again; return how many."""
        async with self._changing:
            n_cards = 0
            for cell, ids in self.evidence.holding(community_id, card_ids).items():
                book = self.evidence.book(cell)
                changes = {
                    each: Stood(
                        standing=Standing.WAITING
                        if believed and stood.standing is Standing.TRIMMED
                        else stood.standing,
                        vouched=believed,
                    )
                    for each in ids
                    if (stood := book.stood[each]).vouched is not believed
                }
                await self._change(book, changes)
                n_cards += len(changes)
        self._due.set()
        return n_cards

    async def drop(self, community_id: CommunityId, card_ids: Iterable[str]) -> int:
        """Remove cards of another hub, however many, some a turn; return how many. See ``forget``.

        A hub that ends meanwhile has removed some; doing it again removes the others.
        """
        async with self._changing:
            dropped = 0
            for cell, ids in self.evidence.holding(community_id, card_ids).items():
                book = self.evidence.book(cell)
                hidden = await asyncio.to_thread(self._hidden, book, set(ids))
                for first in range(0, len(ids), _MOST_A_TURN):
                    some = ids[first : first + _MOST_A_TURN]
                    rows = [removal for card_id in some for removal in _removed(card_key(book.cards[card_id]))]
                    await store_rows(self._journal, [*_rows(book, hidden), *rows])
                    book.change(hidden)
                    hidden = {}
                    for card_id in some:
                        self.evidence.forget(community_id, card_id)
                dropped += len(ids)
        self._due.set()
        return dropped

    async def take_in(self, cards: Iterable[tuple[ExperienceCard, RecordRow]]) -> int:
        """Write cards in one transaction, then add them; return how many were new.

        They wait until the next epoch; say ``all_taken`` when no more come.
        """
        new = [each for each in cards if not self.evidence.knows(each[0])]
        await store_rows(self._journal, [row for _, row in new])
        for card, _ in new:
            self.evidence.take(card)
        return len(new)

    def all_taken(self) -> None:
        """Begin epochs with what came."""
        self._due.set()

    def trimmed(self, community_id: CommunityId) -> list[str]:
        """Return the ids of the cards that are not believed."""
        books = self.evidence.books(community_id)
        return sorted(
            card_id for book in books for card_id, stood in book.stood.items() if stood.standing is Standing.TRIMMED
        )

    def _hidden(self, book: Book, gone: set[str]) -> dict[str, Stood]:
        """Return which cards sit out when these are forgotten; none where they were never told."""
        told = {card.owner_id for card in book.told() if card.card_id in gone}
        if not told:
            return {}
        k_owners = self._k_owners(book.cell.community_id)
        return book.rest_for(min(told), k_owners=k_owners, chance=self._chance)

    async def _begin_epochs(self, thread: Executor) -> None:
        loop = asyncio.get_running_loop()
        for book in self.evidence.books():
            k_owners = self._k_owners(book.cell.community_id)
            if book.changed_owners >= k_owners:
                async with self._changing:
                    work = judging(await loop.run_in_executor(thread, book.candidates))
                    unbelieved = await _judged(work, thread)
                    for some in await loop.run_in_executor(thread, _dealt_epoch, book, unbelieved, k_owners):
                        await self._change(book, some)
                log.info(
                    "epoch_began", community=book.cell.community_id, subject=book.cell.subject, cards=len(book.told())
                )

    async def _change(self, book: Book, changes: Mapping[str, Stood]) -> None:
        await store_rows(self._journal, list(_rows(book, changes)))
        book.change(changes)

    async def _mark(self) -> None:
        """Write down once that the cards of before epochs are told."""
        if self._journal.record(*_MARK) is not None:
            return
        stood = msgspec.json.encode(Stood(standing=Standing.PUBLISHED))
        rows = [RecordRow(kind=STANDING, key=key, owner=card.owner_id, body=stood) for key, card in self._old.items()]
        mark = RecordRow(kind=_MARK[0], key=_MARK[1], owner="", body=b"true")
        await store(self._journal, Batch(records=[*rows, mark]))
        self._old.clear()


async def _judged(work: Judging, thread: Executor) -> frozenset[str]:
    """Return what is worked out in a thread that others use between the steps."""
    loop, told = asyncio.get_running_loop(), None
    while told is None:
        told = await loop.run_in_executor(thread, _step, work)
    return told


def _step(work: Judging) -> frozenset[str] | None:
    try:
        return next(work)
    except StopIteration as end:
        told: frozenset[str] = end.value
        return told


def _dealt_epoch(book: Book, unbelieved: frozenset[str], k_owners: int) -> list[dict[str, Stood]]:
    return dealt(book, book.next_epoch(unbelieved), k_owners=k_owners, most=_MOST_A_TURN)


def _rows(book: Book, changes: Mapping[str, Stood]) -> Iterator[RecordRow]:
    for card_id, stood in changes.items():
        card = book.cards[card_id]
        yield RecordRow(kind=STANDING, key=card_key(card), owner=card.owner_id, body=msgspec.json.encode(stood))


def _removed(key: str) -> Iterator[RecordRow]:
    for kind in (CARD, STANDING):
        yield RecordRow(kind=kind, key=key, owner="", body=None)
