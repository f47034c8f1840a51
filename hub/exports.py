"""What travels between hubs: a signed list of pieces, each of some cards; and how pieces are cut and checked.

The list is signed, and names every piece by its SHA-256: a piece that was changed, cut off, left out or brought from
elsewhere is told from its name alone. Pure; what takes long is a generator, one piece a step.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.community.cards import LEVELS
from actors.model.advice import ExperienceCard, RemedyTried, Topic
from actors.model.errors import HubError
from actors.model.ids import CommunityId, OwnerId

WHOLE: Final = "iot2crm-community-1"
"""The format of older hubs: all cards in what is signed."""
IN_PIECES: Final = "iot2crm-community-2"
TRAVELS: Final = frozenset({Topic.MATERIAL, Topic.HEALTH, Topic.REMEDY})
"""Topics whose answers keep a foreign hub to a third of the weight; cards of others stay at home."""
LARGEST_EXPORT: Final = 64 * 1024 * 1024
"""Bytes of all pieces of an export together."""
LARGEST_PIECE: Final = 64 * 1024
LARGEST_LIST: Final = 512 * 1024
"""Bytes of a signed list, and of an older hub's export whole: decoding it keeps the loop waiting."""
LARGEST_WHOLE: Final = 256 * 1024
MOST_PIECES: Final = 4096
MOST_CARDS: Final = 32
"""Of one piece: what one turn takes in while the loop waits."""


class NotTakenIn(HubError):
    """An export cannot be taken in; the text says why, and what to do. ``code`` is for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class ForeignCard(Struct, frozen=True, kw_only=True, gc=False):
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


class Piece(Struct, frozen=True, kw_only=True):
    """Some of an export."""

    cards: tuple[ForeignCard, ...] = ()
    sketches: tuple[Sketch, ...] = ()


class PieceName(Struct, frozen=True, kw_only=True):
    """What a piece is known by: the SHA-256 of its bytes in hex, how many they are, and how many cards it holds."""

    sha256: str
    size: int
    cards: int


class Content(Struct, frozen=True, kw_only=True):
    """What is signed. ``number`` rises from one export of a hub to its next; cards stand here in older exports only."""

    format: str
    hub: str
    community: CommunityId
    number: int
    cards: tuple[ForeignCard, ...]
    sketches: tuple[Sketch, ...]
    to: str = ""
    """The one hub that it is meant for; nothing: any that trusts this one."""
    pieces: tuple[PieceName, ...] = ()


class Export(Struct, frozen=True, kw_only=True):
    """The content as it was signed, the key that it was signed with, and the signature; both in hex."""

    content: str
    public_key: str
    signature: str


def name_of(packed: bytes, cards: int) -> PieceName:
    """Return what a piece is known by."""
    return PieceName(sha256=hashlib.sha256(packed).hexdigest(), size=len(packed), cards=cards)


def cut(told: Iterable[Sketch | ForeignCard]) -> Iterator[tuple[PieceName, bytes]]:
    """Yield what is told in pieces within the bounds."""
    cards: list[bytes] = []
    sketches: list[bytes] = []
    size = 0
    for each in told:
        packed = msgspec.json.encode(each)
        if size and (len(cards) == MOST_CARDS or size + len(packed) > LARGEST_PIECE - _BRACKETS):
            yield _packed(cards, sketches)
            cards, sketches, size = [], [], 0
        (cards if isinstance(each, ForeignCard) else sketches).append(packed)
        size += len(packed) + 1
    if size:
        yield _packed(cards, sketches)


def _packed(cards: list[bytes], sketches: list[bytes]) -> tuple[PieceName, bytes]:
    packed = b'{"cards":[%b],"sketches":[%b]}' % (b",".join(cards), b",".join(sketches))
    return name_of(packed, len(cards)), packed


def opened(packed: bytes, where: str) -> Piece:
    """Return a piece that can be taken in as it is. Raises: NotTakenIn."""
    try:
        piece = msgspec.json.decode(packed, type=Piece)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotTakenIn("broken_piece", f"{where}: expected cards and sketches, got {error}; {_AGAIN}") from error
    for card in piece.cards:
        if len(card.curve) not in {0, len(LEVELS)} or not all(map(math.isfinite, (card.lived, card.usage))):
            told = f"{where}: card {card.card_id}: expected {len(LEVELS)} levels or none, got {len(card.curve)}"
            raise NotTakenIn("broken_piece", f"{told}; {_AGAIN}")
    return piece


def check_bounds(content: Content) -> None:
    """Refuse what is larger than a hub takes. Raises: NotTakenIn."""
    size = sum(each.size for each in content.pieces)
    largest = max((each.size for each in content.pieces), default=0)
    most = max((each.cards for each in content.pieces), default=0)
    bounds = (
        ("pieces", len(content.pieces), MOST_PIECES),
        ("bytes", size, LARGEST_EXPORT),
        ("bytes in a piece", largest, LARGEST_PIECE),
        ("cards in a piece", most, MOST_CARDS),
    )
    for what, got, allowed in bounds:
        if got > allowed:
            told = f"expected an export of at most {allowed} {what}, got {got}; split that community on its hub"
            raise NotTakenIn("too_large", told)


def check_piece(packed: bytes, wanted: PieceName, where: str) -> None:
    """Refuse bytes that are not this piece. Raises: NotTakenIn."""
    got = hashlib.sha256(packed).hexdigest()
    if got != wanted.sha256:
        told = f"{where}: expected {wanted.size} bytes of SHA-256 {wanted.sha256}, got {len(packed)} of {got}"
        raise NotTakenIn("broken_piece", f"{told}; nothing of the export was taken in; {_AGAIN}")


def as_ours(content: Content, card: ForeignCard) -> ExperienceCard:
    """Return a foreign card as this hub keeps it."""
    return ExperienceCard(
        card_id=f"{content.hub}.{card.card_id}",
        owner_id=OwnerId(f"{content.hub}:{card.owner}"),
        community_id=content.community,
        hub=content.hub,
        **unchanged(card),
    )


def unchanged(card: ExperienceCard | ForeignCard) -> dict[str, Any]:
    """Return what a card tells at home and abroad alike."""
    return {name: getattr(card, name) for name in _UNCHANGED}


_UNCHANGED: Final = tuple(name for name in ForeignCard.__struct_fields__ if name not in {"card_id", "owner"})
_BRACKETS: Final = 100
_AGAIN: Final = "get this piece, or the whole export, again from its hub"
