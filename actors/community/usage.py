"""How much peers use up in a day, and on which weekdays: what a thing with little history of its own leans towards."""

from collections.abc import Sequence

import numpy as np

from actors.community.weekdays import FLAT, normal_shape
from actors.model.advice import ExperienceCard, PeersUse


def peers_use(cards: Sequence[ExperienceCard], *, asker_owner: str, k_owners: int) -> PeersUse | None:
    """Return the middle of owners' mean use a day, one vote an owner; None below ``k_owners`` other owners.

    The asker's own fleet counts always, and alone where the others are too few.
    """
    by_owner: dict[str, list[ExperienceCard]] = {}
    for card in cards:
        if card.usage > 0:
            by_owner.setdefault(card.owner_id, []).append(card)
    if len(by_owner.keys() - {asker_owner}) < k_owners:
        by_owner = {owner: found for owner, found in by_owner.items() if owner == asker_owner}
    if not by_owner:
        return None
    rates = [float(np.mean([card.usage for card in found])) for found in by_owner.values()]
    shapes = [each for found in by_owner.values() if (each := _mean_shape(found)) is not None]
    weekdays = normal_shape(np.mean(shapes, axis=0).tolist()) if shapes else FLAT
    return PeersUse(per_day=float(np.median(rates)), weekdays=weekdays, owners=len(by_owner))


def _mean_shape(cards: Sequence[ExperienceCard]) -> list[float] | None:
    told = [card.weekdays for card in cards if len(card.weekdays) == len(FLAT)]
    return [float(each) for each in np.mean(told, axis=0)] if told else None
