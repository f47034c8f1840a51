"""Sentences for people: templates over evidence, never free invention."""

from collections.abc import Mapping, Sequence

from actors.community.cards import Estimate
from actors.community.supplies import SupplyChoice
from actors.model.advice import Interval, Paid, RankedRemedy, Signal, Topic
from actors.model.money import Money

_ABSTENTIONS = {
    "too_few_owners": "Too few owners have shared experience that fits: at least {k} besides you are needed.",
    "no_evidence": "No peer has shared experience that fits yet.",
    "no_model": "The community has no model of this yet: too few lives or failures have been shared.",
    "out_of_range": "The readings look like nothing the community has seen, so it will not guess.",
    "drifted": "Events come much more often here than at any peer, so the community will not guess.",
    "not_a_member": "The thing is not a member of this community.",
    "timeout": "The community did not answer in time.",
}


_MISSING = {
    "no_model": "lives that ended, with the consent to train on them: ten or more",
    "out_of_range": "readings within what members' machines have shown, or a model trained on machines like this one",
    "not_a_member": "the thing's membership: its profile listed among the community's members",
    "timeout": "an answer in time; it is asked for again",
}
_EVIDENCE = {
    Topic.FAILURE: "histories of errors and failures",
    Topic.HEALTH: "cards of lives that ended",
    Topic.MATERIAL: "supplies used up",
    Topic.REMEDY: "faults that were met, and how",
    Topic.SPARES: "histories of parts",
}


def health_sentence(
    estimate: Estimate, interval: Interval, *, unit: str, order_by: float | None, signals: Sequence[Signal] = ()
) -> str:
    """Return what peers say about a remaining life, what moved, and the latest age at which to order when near."""
    said = (
        f"Of {_peers(estimate.peers, estimate.owners, estimate.own_fleet)} with a health index like this one, half "
        f"ran {estimate.p50:.0f} more {unit} or fewer ({interval.level:.0%} between "
        f"{interval.low:.0f} and {_up_to(interval.high)})."
    )
    told = f"{said}{_moved(signals)}"
    return told if order_by is None else f"{told} {_order_by(order_by, unit)}"


def material_sentence(best: SupplyChoice, others: int, *, unit: str) -> str:
    """Return why a supply is the best known, against how many others."""
    against = f", more than {_count(others, 'other supply', 'other supplies')}" if others else ""
    return (
        f"{best.sku} lasted {best.mean:.4g} {unit} a piece for "
        f"{_peers(best.lives, best.owners, best.own_fleet, 'piece used up', 'pieces used up')}, "
        f"surely {best.lower:.4g}{against}.{_paid(best.prices)}"
    )


def remedy_sentence(ranked: Sequence[RankedRemedy]) -> str:
    """Return what ended a fault most surely, at what cost, against what else was tried."""
    best = ranked[0]
    others = [f"{each.remedy.words} {each.rate:.0%} of {each.tries}" for each in ranked[1:4]]
    against = f" Also tried: {', '.join(others)}." if others else ""
    back = f"; it came back {_count(best.came_back, 'time', 'times')}" if best.came_back else ""
    name = best.remedy.words
    return (
        f"{name[0].upper()}{name[1:]} ended this fault for good in {best.rate:.0%} of "
        f"{_peers(best.tries, best.owners, best.own_fleet, 'try', 'tries')}, surely in {best.lower:.0%}{back}."
        f"{_paid({best.paid.currency: best.paid} if best.paid else {})}{against}"
    )


def what_is_missing(reason: str, topic: Topic, *, k_owners: int) -> str:
    """Return what would have to be there for an answer."""
    if reason in {"too_few_owners", "no_evidence"}:
        return f"{_EVIDENCE[topic]}, shared by at least {k_owners} owners besides the asker's, or by its own fleet"
    return _MISSING.get(reason, "")


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


def _moved(signals: Sequence[Signal]) -> str:
    if not signals:
        return ""
    told = " and ".join(f"{each.name} ({each.moved:+.1f} deviations)" for each in signals)
    return f" Moved most: {told}."


def _paid(prices: Mapping[str, Paid]) -> str:
    told = [
        f"{Money(minor=paid.p10, currency=currency).decimal()} to {Money(minor=paid.p90, currency=currency)}"
        for currency, paid in sorted(prices.items())
    ]
    return f" Most paid {' or '.join(told)}." if told else ""


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
