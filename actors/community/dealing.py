"""How a large epoch is told in small turns, none of which tells about fewer than k owners."""

import heapq
from collections.abc import Mapping

from actors.community.evidence import Book, Stood


def dealt(book: Book, changes: Mapping[str, Stood], *, k_owners: int, most: int) -> list[dict[str, Stood]]:
    """Return the changes in turns of about ``most`` cards; in each that tells something, k distinct owners' do.

    What too few owners are left for goes with the last turn, so that one may be larger: an owner that has more cards
    than all others together is told about with them, or not at all.
    """
    seen = {card_id for card_id, stood in changes.items() if stood.is_told != book.stood[card_id].is_told}
    quiet = [card_id for card_id in changes if card_id not in seen]
    turns = _turns([card_id for card_id in changes if card_id in seen], book, k_owners, most)
    turns += [quiet[first : first + most] for first in range(0, len(quiet), most)]
    return [{card_id: changes[card_id] for card_id in turn} for turn in turns]


def _turns(seen: list[str], book: Book, k_owners: int, most: int) -> list[list[str]]:
    if len(seen) <= most:
        return [seen] if seen else []
    of_owner: dict[str, list[str]] = {}
    for card_id in seen:
        of_owner.setdefault(book.cards[card_id].owner_id, []).append(card_id)
    waiting = [(-len(ids), owner) for owner, ids in of_owner.items()]
    heapq.heapify(waiting)
    turns: list[list[str]] = []
    while len(waiting) >= k_owners:  # those with the most first, so that others are left to go with them
        owners = [heapq.heappop(waiting)[1] for _ in range(min(len(waiting), max(k_owners, most)))]
        share = max(1, most // len(owners))
        turns.append([])
        for owner in owners:
            ids = of_owner[owner]
            turns[-1] += ids[:share]
            del ids[:share]
            if ids:
                heapq.heappush(waiting, (-len(ids), owner))
    rest = [card_id for _, owner in waiting for card_id in of_owner[owner]]
    return [*turns[:-1], [*turns[-1], *rest]] if turns else [rest]
