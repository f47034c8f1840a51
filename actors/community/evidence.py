"""What peers' evidence is at this moment, and which of it may be told: evidence is published in epochs.

Nobody can learn what a single owner shared by asking before and after it: what others shared stays out of a cell, and
what was withdrawn stays in it, until at least k distinct owners have changed something there. An owner's own fleet
always counts for itself. Pure and in memory: a projection of the records ``card`` and ``card_standing``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from random import Random
from threading import RLock
from typing import NamedTuple

from msgspec import Struct

from actors.community.cards import CardMatrix
from actors.model.advice import ExperienceCard, Topic
from actors.model.ids import CommunityId


class Standing(StrEnum):
    """Whether a card counts for others."""

    WAITING = "waiting"
    """Not yet; it may be told with the next epoch."""
    PUBLISHED = "published"
    LEAVING = "leaving"
    """Still, but no more with the next epoch: its thing left."""
    LEFT = "left"
    """No more, and not for its own owner either."""
    TRIMMED = "trimmed"
    """No: nothing that others say confirms it. Judged anew with every epoch."""
    RESTING = "resting"
    """Not in this epoch: it hides whose card was just forgotten."""


_TOLD = frozenset({Standing.PUBLISHED, Standing.LEAVING})
_MAY_BE_TOLD = frozenset({Standing.WAITING, Standing.PUBLISHED, Standing.TRIMMED, Standing.RESTING})
_CHANGED = frozenset({Standing.WAITING, Standing.LEAVING})
_SETTLED = frozenset({Standing.PUBLISHED, Standing.LEFT})


class Stood(Struct, frozen=True, kw_only=True, gc=False):
    """The record of the kind ``card_standing``, by the card's key; a card without one is waiting."""

    standing: Standing
    vouched: bool = False
    """The operator believes this card whatever its peers say."""

    @property
    def is_told(self) -> bool:
        """Say whether the card counts for others."""
        return self.standing in _TOLD


class Cell(NamedTuple):
    """What is answered from together, and so published together: no epoch of one tells about another."""

    community_id: CommunityId
    topic: Topic
    subject: str
    sku: str = ""
    model_version: str = ""


def cell_of(card: ExperienceCard) -> Cell:
    """Return the cell that a card belongs to."""
    sku = "" if card.topic is Topic.HEALTH else card.sku
    if card.tried is not None:
        sku = f"{card.tried.remedy.kind}:{card.tried.remedy.name}"
    return Cell(card.community_id, card.topic, card.subject, sku, card.model_version)


class Book:
    """The cards of one cell, each with its standing. Questions may be answered in another thread than changes it."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.cards: dict[str, ExperienceCard] = {}
        self.stood: dict[str, Stood] = {}
        self.matrix = CardMatrix(cell.model_version)
        self._lock = RLock()
        self._changed: Counter[str] = Counter()
        self._told: list[ExperienceCard] | None = None
        self._untold: dict[str, dict[str, ExperienceCard]] = {}
        self._unsettled: dict[str, None] = {}
        """Cards that may stand otherwise in the next epoch, whatever is believed; in the order of their coming."""

    @property
    def changed_owners(self) -> int:
        """How many distinct owners' cards would come or go with a new epoch."""
        return len(self._changed)

    def take(self, card: ExperienceCard, stood: Stood | None = None) -> bool:
        """Add a card, waiting where nothing else is said; False when it is known."""
        if card.card_id in self.cards:
            return False
        with self._lock:
            self.cards[card.card_id] = card
            self._stand(card.card_id, stood or Stood(standing=Standing.WAITING))
        return True

    def forget(self, card_id: str) -> None:
        """Drop a card at once."""
        with self._lock:
            self._unstand(self.cards[card_id])
            del self.cards[card_id], self.stood[card_id]
        self.matrix.remove(card_id)

    def change(self, standings: Mapping[str, Stood]) -> None:
        """Let cards stand as decided; those that were forgotten meanwhile stay so."""
        with self._lock:
            for card_id, stood in standings.items():
                if card_id in self.cards:
                    self._unstand(self.cards[card_id])
                    self._stand(card_id, stood)

    def withdrawn(self, card_ids: Iterable[str]) -> dict[str, Stood]:
        """Return how cards stand after their things left: what was never told goes at once."""
        now = {card_id: self.stood[card_id] for card_id in card_ids if card_id in self.cards}
        return {
            card_id: Stood(standing=Standing.LEAVING if stood.standing in _TOLD else Standing.LEFT)
            for card_id, stood in now.items()
            if stood.standing is not Standing.LEFT
        }

    def next_epoch(self, trimmed: Iterable[str] = ()) -> dict[str, Stood]:
        """Return what changes when a new epoch begins in which ``trimmed`` cards are not believed."""
        unbelieved = frozenset(trimmed)
        after: dict[str, Stood] = {}
        with self._lock:
            unsettled = tuple(self._unsettled)
        for card_id in (*unsettled, *sorted(unbelieved)):  # all others stay as they stand, and they are many
            stood = self.stood.get(card_id)
            if stood is None:
                continue
            if stood.standing is Standing.LEAVING:
                after[card_id] = Stood(standing=Standing.LEFT)
            elif stood.standing in _MAY_BE_TOLD:
                believed = stood.vouched or card_id not in unbelieved
                standing = Standing.PUBLISHED if believed else Standing.TRIMMED
                after[card_id] = Stood(standing=standing, vouched=stood.vouched)
        return {card_id: stood for card_id, stood in after.items() if stood != self.stood[card_id]}

    def rest_for(self, owner_id: str, *, k_owners: int, chance: Random) -> dict[str, Stood]:
        """Return what changes when an owner's cards are forgotten: cards of k-1 others sit out until the next epoch.

        So what the answers lose is never one owner's alone.
        """
        others = sorted({card.owner_id for card in self.told()} - {owner_id})
        resting = frozenset(chance.sample(others, min(k_owners - 1, len(others))))
        return {
            card.card_id: Stood(standing=Standing.RESTING, vouched=self.stood[card.card_id].vouched)
            for card in self.told()
            if card.owner_id in resting and self.stood[card.card_id].standing is Standing.PUBLISHED
        }

    def candidates(self) -> list[ExperienceCard]:
        """Return the cards that a new epoch could tell."""
        with self._lock:
            leaving = {card_id for card_id in self._unsettled if self.stood[card_id].standing is Standing.LEAVING}
            told = self.told()
            stay = [card for card in told if card.card_id not in leaving] if leaving else told
            return [*stay, *(card for own in self._untold.values() for card in own.values())]

    def told(self) -> list[ExperienceCard]:
        """Return the cards of this epoch."""
        with self._lock:
            if self._told is None:
                self._told = [self.cards[card_id] for card_id, stood in self.stood.items() if stood.standing in _TOLD]
            return self._told

    def heard_by(self, owner_id: str) -> list[ExperienceCard]:
        """Return the cards that an owner's question is answered from: those of this epoch, and all of its own."""
        with self._lock:
            own = self._untold.get(owner_id)
            return [*self.told(), *own.values()] if own else self.told()

    def _stand(self, card_id: str, stood: Stood) -> None:
        card = self.cards[card_id]
        self.stood[card_id] = stood
        self._told = None
        if stood.standing in _CHANGED:
            self._changed[card.owner_id] += 1
        if stood.standing not in _SETTLED:
            self._unsettled[card_id] = None
        if stood.standing in _MAY_BE_TOLD - _TOLD:
            self._untold.setdefault(card.owner_id, {})[card_id] = card
        self._show(card, stood)

    def _unstand(self, card: ExperienceCard) -> None:
        self._told = None
        self._unsettled.pop(card.card_id, None)
        self._untold.get(card.owner_id, {}).pop(card.card_id, None)
        if self.stood[card.card_id].standing in _CHANGED:
            self._changed[card.owner_id] -= 1
            if not self._changed[card.owner_id]:
                del self._changed[card.owner_id]

    def _show(self, card: ExperienceCard, stood: Stood) -> None:
        if not card.curve or card.censored:
            return
        if stood.standing is Standing.LEFT:
            self.matrix.remove(card.card_id)
            return
        public = stood.standing in _TOLD
        if not self.matrix.append(card.card_id, card.owner_id, card.curve, hub=card.hub, public=public):
            self.matrix.show(card.card_id, public=public)


class Evidence:
    """The books of all communities."""

    def __init__(self) -> None:
        self._books: dict[Cell, Book] = {}
        self._cells: dict[tuple[CommunityId, Topic, str], list[Book]] = {}
        self._cell_of: dict[tuple[CommunityId, str], Cell] = {}

    def book(self, cell: Cell) -> Book:
        """Return the book of a cell; an empty one where nothing was shared."""
        book = self._books.get(cell)
        if book is None:
            book = self._books[cell] = Book(cell)
            self._cells.setdefault(cell[:3], []).append(book)
        return book

    def books(self, community_id: CommunityId | None = None) -> list[Book]:
        """Return all books, or those of one community."""
        return [book for cell, book in self._books.items() if community_id in {None, cell.community_id}]

    def knows(self, card: ExperienceCard) -> bool:
        """Say whether there is a card of this id in its community."""
        return (card.community_id, card.card_id) in self._cell_of

    def take(self, card: ExperienceCard, stood: Stood | None = None) -> Book | None:
        """Add a card and return its book; nothing when it is known."""
        if self.knows(card):
            return None
        book = self.book(cell_of(card))
        book.take(card, stood)
        self._cell_of[card.community_id, card.card_id] = book.cell
        return book

    def holding(self, community_id: CommunityId, card_ids: Iterable[str]) -> dict[Cell, list[str]]:
        """Return where these cards are, as far as they are known."""
        found: dict[Cell, list[str]] = {}
        for card_id in card_ids:
            cell = self._cell_of.get((community_id, card_id))
            if cell is not None:
                found.setdefault(cell, []).append(card_id)
        return found

    def forget(self, community_id: CommunityId, card_id: str) -> None:
        """Drop a card, if it is known."""
        cell = self._cell_of.pop((community_id, card_id), None)
        if cell is not None:
            self._books[cell].forget(card_id)

    def heard(self, community_id: CommunityId, topic: Topic, subject: str, owner_id: str) -> list[ExperienceCard]:
        """Return the cards that an owner's question about a subject is answered from."""
        books = self._cells.get((community_id, topic, subject), ())
        return [card for book in books for card in book.heard_by(owner_id)]

    def health(self, community_id: CommunityId, subject: str, model_version: str) -> Book:
        """Return the cards of a component under one version of its model."""
        return self.book(Cell(community_id, Topic.HEALTH, subject, "", model_version))
