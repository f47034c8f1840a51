"""Sentences for people: templates over evidence, never free invention."""

from collections.abc import Mapping

from actors.community.cards import Estimate
from actors.community.supplies import SupplyChoice
from actors.model.advice import Interval
from actors.model.money import Money

_ABSTENTIONS = {
    "too_few_owners": "Too few owners have shared experience that fits: at least {k} besides you are needed.",
    "no_evidence": "No peer has shared experience that fits yet.",
    "no_model": "The community has no health model yet: too few finished lives have been shared.",
    "out_of_range": "The readings look like nothing the community has seen, so it will not guess.",
    "not_a_member": "The thing is not a member of this community.",
    "timeout": "The community did not answer in time.",
}


def health_sentence(estimate: Estimate, interval: Interval, *, unit: str, order_by: float | None) -> str:
    """Return what peers say about a remaining life, and the latest age at which to order when that is near."""
    said = (
        f"Of {_peers(estimate.peers, estimate.owners, estimate.own_fleet)} with a health index like this one, half "
        f"ran {estimate.p50:.0f} more {unit} or fewer ({interval.level:.0%} between "
        f"{interval.low:.0f} and {_up_to(interval.high)})."
    )
    return said if order_by is None else f"{said} {_order_by(order_by, unit)}"


def material_sentence(best: SupplyChoice, others: int, *, unit: str) -> str:
    """Return why a supply is the best known, against how many others."""
    against = f", more than {_count(others, 'other supply', 'other supplies')}" if others else ""
    return (
        f"{best.sku} lasted {best.mean:.4g} {unit} a piece for "
        f"{_peers(best.lives, best.owners, best.own_fleet, 'piece used up', 'pieces used up')}, "
        f"surely {best.lower:.4g}{against}.{_paid(best.prices)}"
    )


def abstention_sentence(reason: str, *, k_owners: int) -> str:
    """Return why there is no answer."""
    return _ABSTENTIONS.get(reason, f"The community gives no answer: {reason}.").format(k=k_owners)


def _peers(count: int, owners: int, own: int, one: str = "peer", many: str = "peers") -> str:
    if own == count:
        return f"{_count(count, one, many)} (all of your own fleet; other owners are too few to be told)"
    yours = f", {own} of your own fleet" if own else ""
    return f"{_count(count, one, many)} ({_count(owners, 'owner', 'owners')}{yours})"


def _order_by(order_by: float, unit: str) -> str:
    cycle = unit.removesuffix("s")
    return f"Order by {cycle} {order_by:.0f} at the latest."


def _up_to(high: float) -> str:
    return "125 or more" if high >= 125 else f"{high:.0f}"


def _paid(prices: Mapping[str, tuple[int, int, int]]) -> str:
    told = [
        f"{Money(minor=low, currency=currency).decimal()} to {Money(minor=high, currency=currency)}"
        for currency, (low, _, high) in sorted(prices.items())
    ]
    return f" Most paid {' or '.join(told)}." if told else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
