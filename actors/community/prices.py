"""What peers paid: quantiles that no single owner can be told from."""

from collections.abc import Sequence

import numpy as np

from actors.model.advice import ExperienceCard, Paid

_QUANTILES = (0.1, 0.5, 0.9)


def paid_by_currency(cards: Sequence[ExperienceCard], asker_owner: str, k_owners: int) -> dict[str, Paid]:
    """Return quantiles for each currency in which enough other owners paid, the commonest currency first.

    The asker's own payments count always, and alone where the others are too few. An owner has one vote.
    """
    by_currency: dict[str, list[tuple[int, str]]] = {}
    for card in cards:
        if card.price_minor is not None and card.currency:
            by_currency.setdefault(card.currency, []).append((card.price_minor, card.owner_id))
    commonest = sorted(by_currency.items(), key=lambda item: (-len(item[1]), item[0]))
    told = {currency: _tellable(found, asker_owner, k_owners) for currency, found in commonest}
    return {currency: _quantiles(currency, found) for currency, found in told.items() if found}


def _tellable(paid: list[tuple[int, str]], asker_owner: str, k_owners: int) -> list[tuple[int, str]]:
    others = {owner for _, owner in paid if owner != asker_owner}
    return paid if len(others) >= k_owners else [each for each in paid if each[1] == asker_owner]


def _quantiles(currency: str, paid: list[tuple[int, str]]) -> Paid:
    ordered = sorted(paid)
    _, owner = np.unique([each for _, each in ordered], return_inverse=True)
    count = np.bincount(owner)
    weight = np.ones(len(ordered)) if len(count) == 1 else 1.0 / count[owner]
    places = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    low, middle, high = np.interp(_QUANTILES, places, [each for each, _ in ordered])
    return Paid(currency=currency, p10=round(float(low)), p50=round(float(middle)), p90=round(float(high)))
