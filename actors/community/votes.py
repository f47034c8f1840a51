"""Whose experience may be told and what it weighs: k distinct owners, one vote an owner, a third for a foreign hub."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from actors.community.cards import capped_by_hub
from actors.model.advice import ExperienceCard


def tellable(cards: Sequence[ExperienceCard], asker_owner: str, k_owners: int) -> list[ExperienceCard]:
    """Return the cards that the asker may hear about: all when enough other owners' are among them, else its own.

    Foreign hubs alone are never enough: none of them could be kept to a third.
    """
    others = {card.owner_id for card in cards if card.owner_id != asker_owner}
    if len(others) >= k_owners and not all(card.hub for card in cards):
        return list(cards)
    return [card for card in cards if card.owner_id == asker_owner]


def owner_votes(cards: Iterable[ExperienceCard]) -> Mapping[str, float]:
    """Return each owner's vote: one, or less where its foreign hub would have more than a third of all."""
    hub_of = {card.owner_id: card.hub for card in cards}
    if not any(hub_of.values()):
        return dict.fromkeys(hub_of, 1.0)
    names = ["", *sorted({hub for hub in hub_of.values() if hub})]
    hubs = np.array([names.index(hub) for hub in hub_of.values()])
    votes = capped_by_hub(np.ones(len(hubs)), hubs) if (hubs == 0).any() else np.ones(len(hubs))
    return dict(zip(hub_of, votes.tolist(), strict=True))


def hubs_among(cards: Iterable[ExperienceCard]) -> int:
    """Return how many hubs' owners are among these cards' owners."""
    return len({card.hub for card in cards})
