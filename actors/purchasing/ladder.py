"""The ladder for trouble: remote fix, service, part; and how peers' experience may change its steps.

Without advice the steps are those of the profile: the thing's own fix, then the usual work. Peers' experience may skip
a fix that hardly ever helped, and put another step of the profile in the place of the usual work: one that surely ended
more faults than the usual one did, at no higher cost a fault ended where both are known. What the mandate refuses, or
nobody sells, falls back to the usual work.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.model.advice import Advice, RankedRemedy, Recommendation, Remedy, RemedyKind, Topic
from actors.model.needs import Need, NeedKind

_HARDLY: Final = 0.25
"""A fix of which surely fewer than these helped is not worth the wait."""
_SURE_ENOUGH: Final = 0.5
"""So many an unusual step must surely end where nobody knows about the usual one."""


class Ladder(Struct, frozen=True, kw_only=True):
    """What is done about a fault, and why; ``usual`` is what it falls back to where that cannot be had."""

    need: Need
    usual: Need | None = None
    sentence: str


def has_steps(need: Need) -> bool:
    """Say whether there is anything to decide: more than one way to end the fault."""
    return need.kind is NeedKind.SERVICE and bool(need.remote_fix or need.also_works or need.parts)


def decide(need: Need, advice: Advice | None) -> Ladder:
    """Return the steps for a fault in the light of peers' experience."""
    known = _known(advice)
    told: list[str] = []
    decided, usual = _usual_or_better(need, known, told)
    fix = known.get(Remedy(kind=RemedyKind.FIX, name=need.remote_fix))
    if need.remote_fix and fix is not None and fix.upper < _HARDLY:
        decided = replace(decided, remote_fix="")
        usual = None if usual is None else replace(usual, remote_fix="")
        told.append(f"{fix.remedy.words} is not tried: it helped in {fix.rate:.0%} of {fix.tries} tries")
    return Ladder(need=decided, usual=usual, sentence="; ".join(told) or _as_usual(need))


def remedy_of(need: Need, sku: str) -> Remedy | None:
    """Return what is done about a need where it is neither a supply nor the thing's own fix."""
    match need.kind:
        case NeedKind.SERVICE:
            return Remedy(kind=RemedyKind.SERVICE, name=need.work)
        case NeedKind.PART | NeedKind.REPLACEMENT if sku:
            return Remedy(kind=RemedyKind.PART, name=sku)
        case _:
            return None


def _known(advice: Advice | None) -> dict[Remedy, RankedRemedy]:
    if not isinstance(advice, Recommendation) or advice.topic is not Topic.REMEDY:
        return {}
    return {each.remedy: each for each in advice.remedies}


def _usual_or_better(need: Need, known: dict[Remedy, RankedRemedy], told: list[str]) -> tuple[Need, Need | None]:
    """Return (what is done after the fix, what that falls back to)."""
    usual = known.get(Remedy(kind=RemedyKind.SERVICE, name=need.work))
    allowed = [Remedy(kind=RemedyKind.SERVICE, name=work) for work in need.also_works]
    allowed += [Remedy(kind=RemedyKind.PART, name=part.sku) for part in need.parts]
    better = [known[each] for each in allowed if each in known and _is_better(known[each], usual)]
    if not better:
        return need, None
    best = max(better, key=lambda each: (each.lower, each.remedy.name))
    against = f"{usual.rate:.0%} of {usual.tries}" if usual else "nobody knows how often"
    told.append(
        f"{best.remedy.words} comes before {Remedy(kind=RemedyKind.SERVICE, name=need.work).words}: "
        f"it ended {best.rate:.0%} of {best.tries} ({best.owners} owners), the usual one {against}"
    )
    return _instead(need, best.remedy), need


def _is_better(other: RankedRemedy, usual: RankedRemedy | None) -> bool:
    if usual is None:
        return other.lower >= _SURE_ENOUGH
    if other.lower <= usual.rate:
        return False
    theirs, ours = other.paid, usual.paid
    if theirs is None or ours is None or theirs.currency != ours.currency:
        return True
    return theirs.p50 * max(usual.rate, 1e-9) <= ours.p50 * other.rate


def _instead(need: Need, remedy: Remedy) -> Need:
    if remedy.kind is RemedyKind.SERVICE:
        return replace(need, work=remedy.name)
    parts = tuple(part for part in need.parts if part.sku == remedy.name)
    return replace(need, kind=NeedKind.PART, skus=parts)


def _as_usual(need: Need) -> str:
    first = f"{need.remote_fix}, then " if need.remote_fix else ""
    return f"the usual steps: {first}{need.work}"
