"""Evidence of this hub for others: cards whose owners have pseudonyms, and sketches of each cell, signed.

An export is all that a hub has to tell of a community at that moment, as a signed list of pieces. Only cells in which k
distinct owners are told are in it, and only cards of the hub's own: evidence is never passed on.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from actors.community.evidence import Book
from actors.model.advice import ExperienceCard
from actors.model.ids import CommunityId
from actors.ports import Clock
from hub.exports import IN_PIECES, TRAVELS, Content, Export, ForeignCard, PieceName, Sketch, cut, unchanged
from hub.hub_key import HubKey
from hub.peers import Peers

_QUANTILES: Final = (0.1, 0.5, 0.9)
_PSEUDONYM: Final = 24
_LISTS_KEPT: Final = 4
"""Of a community: the pieces of so many newest lists can be had. Evidence that did not change is in the same pieces."""


class Federation:
    """Writes this hub's exports, and keeps their pieces at hand for who fetches them."""

    def __init__(self, peers: Peers, clock: Clock, *, key: HubKey, salt: str) -> None:
        self._peers = peers
        self._clock = clock
        self.key = key
        self._salt = salt.encode()
        self._lists: dict[CommunityId, list[dict[str, bytes]]] = {}

    @property
    def fingerprint(self) -> str:
        """What other hubs' operators list to trust this hub."""
        return self.key.fingerprint

    async def export(self, community_id: CommunityId, k_owners: int, *, to: str = "") -> Export:
        """Return the list of all that this hub tells others, or one other, of a community."""
        number = round(self._clock.now().timestamp() * 1000)
        names, pieces = await self._cut(community_id, k_owners)
        self._lists[community_id] = [pieces, *self._lists.get(community_id, ())][:_LISTS_KEPT]
        content = Content(
            format=IN_PIECES,
            hub=self.fingerprint,
            community=community_id,
            number=number,
            cards=(),
            sketches=(),
            to=to,
            pieces=tuple(names),
        )
        packed = msgspec.json.encode(content)
        signed = self.key.sign(packed)
        return Export(content=packed.decode(), public_key=signed.public_key, signature=signed.signature)

    def piece(self, community_id: CommunityId, sha256: str) -> bytes | None:
        """Return a piece of one of the newest lists of a community."""
        lists = self._lists.get(community_id, ())
        return next((pieces[sha256] for pieces in lists if sha256 in pieces), None)

    async def _cut(self, community_id: CommunityId, k_owners: int) -> tuple[list[PieceName], dict[str, bytes]]:
        """Cut what is told into pieces, one a step and off the loop."""
        names: list[PieceName] = []
        pieces: dict[str, bytes] = {}
        cutting = cut(self._told(self._peers.evidence.books(community_id), k_owners))
        while (cut_off := await asyncio.to_thread(next, cutting, None)) is not None:
            name, packed = cut_off
            names.append(name)
            pieces[name.sha256] = self.piece(community_id, name.sha256) or packed
        return names, pieces

    def _told(self, books: Sequence[Book], k_owners: int) -> Iterator[Sketch | ForeignCard]:
        for book in books:
            own = [card for card in book.told() if not card.hub] if book.cell.topic in TRAVELS else []
            if _n_owners(own) >= k_owners:
                yield _sketch(book, own)
                yield from map(self._foreign, own)

    def _foreign(self, card: ExperienceCard) -> ForeignCard:
        return ForeignCard(
            card_id=self._pseudonym("card", card.community_id, card.card_id),
            owner=self._pseudonym("owner", card.owner_id),
            **unchanged(card),
        )

    def _pseudonym(self, *what: str) -> str:
        return hmac.new(self._salt, "\x1f".join(what).encode(), hashlib.sha256).hexdigest()[:_PSEUDONYM]


def _sketch(book: Book, cards: list[ExperienceCard]) -> Sketch:
    return Sketch(
        topic=book.cell.topic,
        subject=book.cell.subject,
        sku=book.cell.sku,
        model_version=book.cell.model_version,
        cards=len(cards),
        owners=_n_owners(cards),
        lived=tuple(_quantiles(cards)),
    )


def _quantiles(cards: list[ExperienceCard]) -> Iterator[float]:
    for each in np.quantile([card.lived for card in cards], _QUANTILES):
        yield round(float(each), 3)


def _n_owners(cards: list[ExperienceCard]) -> int:
    return len({card.owner_id for card in cards})
