"""A large epoch is told in turns, and none of them tells about fewer than k owners."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from actors.community.dealing import dealt
from actors.community.evidence import Book, Cell, Standing, Stood
from actors.model.advice import ExperienceCard, Topic
from actors.model.ids import CommunityId, OwnerId

K = 5
CELL = Cell(CommunityId("office"), Topic.MATERIAL, "black", "INK-1")
TOLD = Stood(standing=Standing.PUBLISHED)
TRIMMED = Stood(standing=Standing.TRIMMED)


def book_of(cards_of_owners: list[int]) -> Book:
    """Return a book in which each owner has so many cards that nobody was told yet."""
    book = Book(CELL)
    for owner, cards in enumerate(cards_of_owners):
        for number in range(cards):
            book.take(
                ExperienceCard(
                    card_id=f"{owner}-{number}",
                    community_id=CELL.community_id,
                    topic=CELL.topic,
                    owner_id=OwnerId(f"o{owner}"),
                    subject=CELL.subject,
                    sku=CELL.sku,
                    lived=1000.0,
                )
            )
    return book


def owners_of(book: Book, turn: Mapping[str, Stood]) -> set[str]:
    return {book.cards[card_id].owner_id for card_id, stood in turn.items() if stood.is_told}


@given(st.lists(st.integers(1, 40), min_size=K, max_size=60), st.sets(st.integers(0, 500)))
def test_every_turn_that_tells_something_is_of_k_owners_and_all_is_told_once(counts: list[int], odd: set[int]) -> None:
    book = book_of(counts)
    changes = {card_id: TRIMMED if place in odd else TOLD for place, card_id in enumerate(book.cards)}
    turns = dealt(book, changes, k_owners=K, most=16)
    assert sorted(card_id for turn in turns for card_id in turn) == sorted(changes)
    assert all(changes[card_id] == stood for turn in turns for card_id, stood in turn.items())
    telling = [owners_of(book, turn) for turn in turns if owners_of(book, turn)]
    assert len(telling) <= 1 or all(len(owners) >= K for owners in telling)


def test_no_turn_is_large_where_owners_have_like_many_cards() -> None:
    book = book_of([200] * K)
    turns = dealt(book, dict.fromkeys(book.cards, TOLD), k_owners=K, most=32)
    assert max(len(turn) for turn in turns) <= 32
    assert len(turns) >= 1000 // 32
