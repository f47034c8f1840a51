"""Evidence of one hub for another: a signed file of cards whose owners have pseudonyms, and sketches of each cell.

A file is all that a hub has to tell of a community at that moment. Taking in a newer one withdraws what is no longer in
it; an older one is refused, so that nothing comes back that was withdrawn. Only cells in which k distinct owners are
told are in it, and only cards of the hub's own: evidence is never passed on.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterator
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from actors.community.evidence import Book
from actors.model.advice import ExperienceCard, RemedyTried, Topic
from actors.model.errors import HubError
from actors.model.ids import CommunityId, OwnerId
from actors.ports import Clock
from actors.runtime.journal import RecordRow
from hub.hub_key import HubKey, NotSigned, Signature, signer
from hub.peers import Peers
from hub.storage.whole import HubJournal

FORMAT: Final = "iot2crm-community-1"
IMPORTED: Final = "imported"
_TRAVELS: Final = frozenset({Topic.MATERIAL, Topic.HEALTH, Topic.REMEDY})
"""Topics whose answers keep a foreign hub to a third of the weight; cards of others stay at home."""
_QUANTILES: Final = (0.1, 0.5, 0.9)
_PSEUDONYM: Final = 24


class NotTakenIn(HubError):
    """An export cannot be taken in; the text says why, and what to do. ``code`` is for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class ForeignCard(Struct, frozen=True, kw_only=True):
    """A card as it travels: without thing, place and time; its owner is a pseudonym that only its hub understands."""

    card_id: str
    topic: Topic
    owner: str
    subject: str
    sku: str = ""
    lived: float = 0.0
    censored: bool = False
    usage: float = 0.0
    curve: tuple[float, ...] = ()
    model_version: str = ""
    tried: RemedyTried | None = None


class Sketch(Struct, frozen=True, kw_only=True):
    """What a cell looks like as a whole: how many cards of how many owners, and quantiles of how long they lived."""

    topic: Topic
    subject: str
    sku: str
    model_version: str
    cards: int
    owners: int
    lived: tuple[float, ...]


class Content(Struct, frozen=True, kw_only=True):
    """What is signed. ``number`` rises from one export of a hub to its next."""

    format: str
    hub: str
    community: CommunityId
    number: int
    cards: tuple[ForeignCard, ...]
    sketches: tuple[Sketch, ...]
    to: str = ""
    """The one hub that it is meant for; nothing: any that trusts this one."""


class Export(Struct, frozen=True, kw_only=True):
    """The file: the content as it was signed, the key that it was signed with, and the signature; both in hex."""

    content: str
    public_key: str
    signature: str


class Imported(Struct, frozen=True, kw_only=True):
    """The record of the kind ``imported``, by community and hub: what was taken in last."""

    number: int
    sketches: tuple[Sketch, ...]


class TakenIn(Struct, frozen=True, kw_only=True):
    """What came of an import."""

    hub: str
    added: int
    withdrawn: int


class Federation:
    """Writes this hub's exports and takes in those of hubs that it trusts."""

    def __init__(self, journal: HubJournal, peers: Peers, clock: Clock, *, key: HubKey, salt: str) -> None:
        self._journal = journal
        self._peers = peers
        self._clock = clock
        self.key = key
        self._salt = salt.encode()

    @property
    def fingerprint(self) -> str:
        """What other hubs' operators list to trust this hub."""
        return self.key.fingerprint

    def export(self, community_id: CommunityId, k_owners: int, *, to: str = "") -> Export:
        """Return all that this hub tells others, or one other, of a community."""
        told = [
            (book, own)
            for book in self._peers.evidence.books(community_id)
            if book.cell.topic in _TRAVELS
            and _n_owners(own := [card for card in book.told() if not card.hub]) >= k_owners
        ]
        content = Content(
            format=FORMAT,
            hub=self.fingerprint,
            community=community_id,
            number=round(self._clock.now().timestamp() * 1000),
            cards=tuple(self._foreign(card) for _, own in told for card in own),
            sketches=tuple(_sketch(book, own) for book, own in told),
            to=to,
        )
        packed = msgspec.json.encode(content)
        signed = self.key.sign(packed)
        return Export(content=packed.decode(), public_key=signed.public_key, signature=signed.signature)

    async def take_in(self, community_id: CommunityId, export: Export, trusted: Collection[str]) -> TakenIn:
        """Make the evidence of another hub ours, as far as it is new; it counts from the next epoch on.

        Raises:
            NotTakenIn: it is not what a trusted hub signed, or older than what was taken in before.
        """
        content = self._checked(community_id, export, trusted)
        key = f"{community_id}/{content.hub}"
        known = self._journal.record(IMPORTED, key)
        former = None if known is None else msgspec.json.decode(known, type=Imported)
        if former is not None and content.number < former.number:
            raise NotTakenIn("older", "this export is older than the one taken in last; ask that hub for a new one")
        cards = [_ours(content, card) for card in content.cards if card.topic in _TRAVELS]
        gone = self._gone(community_id, content.hub, {card.card_id for card in cards})
        body = msgspec.json.encode(Imported(number=content.number, sketches=content.sketches))
        mark = RecordRow(kind=IMPORTED, key=key, owner="", body=body)
        withdrawn = await self._peers.forget(community_id, gone, [])
        added = await self._peers.take_in(cards, [mark])
        return TakenIn(hub=content.hub, added=added, withdrawn=withdrawn)

    def hubs(self, community_id: CommunityId) -> int:
        """Return of how many other hubs evidence was taken in."""
        rows = self._journal.records(IMPORTED, after=f"{community_id}/")
        return sum(row.key.startswith(f"{community_id}/") for row in rows)

    def _checked(self, community_id: CommunityId, export: Export, trusted: Collection[str]) -> Content:
        try:
            signed = Signature(public_key=export.public_key, signature=export.signature)
            hub = signer(export.content.encode(), signed)
            content = msgspec.json.decode(export.content, type=Content)
        except (NotSigned, ValueError, msgspec.MsgspecError) as error:
            raise NotTakenIn("tampered", f"{error}; get it again") from error
        if content.format != FORMAT or content.hub != hub:
            raise NotTakenIn("tampered", f"expected {FORMAT} of the hub {hub}, got {content.format} of {content.hub}")
        if content.hub == self.fingerprint:
            raise NotTakenIn("own", "this is an export of this hub itself; there is nothing to take in")
        if content.hub not in trusted:
            where = f"if you trust it, add it to trusted_hubs of [communities.{community_id}] and start the hub again"
            raise NotTakenIn("not_trusted", f"signed by the hub {content.hub}, which is not trusted; {where}")
        if content.to not in {"", self.fingerprint}:
            raise NotTakenIn("not_for_us", f"this was told to the hub {content.to} alone; ask {content.hub} for one")
        if content.community != community_id:
            raise NotTakenIn(
                "foreign_community", f"expected evidence of {community_id}, got that of {content.community}"
            )
        return content

    def _gone(self, community_id: CommunityId, hub: str, present: set[str]) -> list[str]:
        books = self._peers.evidence.books(community_id)
        held = {card.card_id for book in books for card in book.cards.values() if card.hub == hub}
        return sorted(held - present)

    def _foreign(self, card: ExperienceCard) -> ForeignCard:
        fields = {
            name: getattr(card, name) for name in ForeignCard.__struct_fields__ if name not in {"card_id", "owner"}
        }
        return ForeignCard(
            card_id=self._pseudonym("card", card.community_id, card.card_id),
            owner=self._pseudonym("owner", card.owner_id),
            **fields,
        )

    def _pseudonym(self, *what: str) -> str:
        return hmac.new(self._salt, "\x1f".join(what).encode(), hashlib.sha256).hexdigest()[:_PSEUDONYM]


def _ours(content: Content, card: ForeignCard) -> ExperienceCard:
    fields = {name: getattr(card, name) for name in ForeignCard.__struct_fields__ if name not in {"card_id", "owner"}}
    return ExperienceCard(
        card_id=f"{content.hub}.{card.card_id}",
        owner_id=OwnerId(f"{content.hub}:{card.owner}"),
        community_id=content.community,
        hub=content.hub,
        **fields,
    )


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
