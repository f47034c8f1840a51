"""May this be bought? A mandate's word on one candidate, as a pure function of what the owner has set."""

from collections.abc import Sequence
from datetime import datetime

from actors.dialogue import Candidate
from actors.model.ids import ThingId
from actors.model.mandates import Level, Mandate, Period, Verdict
from actors.model.money import Money
from actors.model.needs import NeedKind

SENTENCES = {
    Verdict.ALLOWED: "inside the mandate",
    Verdict.NEEDS_APPROVAL: "the mandate wants a person to approve this",
    Verdict.NO_MANDATE: "no mandate covers this thing and this kind of need; grant one with a budget",
    Verdict.MANDATE_EXPIRED: "the mandate has run out or has not begun; renew it",
    Verdict.MANDATE_REVOKED: "the owner revoked the mandate",
    Verdict.THING_OFF: "the owner switched this thing off; switch it on to let it order again",
    Verdict.ALL_OFF: "the owner switched all things off; switch them on to let them order again",
    Verdict.LEVEL_TOO_LOW: "the mandate lets this thing announce its needs, not buy; raise its level to change that",
    Verdict.PAYEE_NOT_ALLOWED: "the mandate does not name this seller; add the seller or wait for another offer",
    Verdict.ITEM_NOT_ALLOWED: "the mandate does not name this item; add the item or wait for another offer",
    Verdict.OVER_ORDER_LIMIT: "the price is above the mandate's limit for one order; raise the limit or order yourself",
    Verdict.OVER_BUDGET: "the rest of the budget is too small; raise the budget or wait for the next period",
    Verdict.WRONG_CURRENCY: "the offer is in another currency than the mandate; no rate is agreed",
    Verdict.TOO_MANY_ORDERS: "this thing ordered too often in seven days; it stops buying until that is over",
    Verdict.TOO_SOON: "this thing ordered for the same need only just before; it waits",
}


_NEAREST_LAST = (
    Verdict.NO_MANDATE,
    Verdict.MANDATE_REVOKED,
    Verdict.MANDATE_EXPIRED,
    Verdict.LEVEL_TOO_LOW,
    Verdict.PAYEE_NOT_ALLOWED,
    Verdict.ITEM_NOT_ALLOWED,
    Verdict.WRONG_CURRENCY,
    Verdict.OVER_ORDER_LIMIT,
    Verdict.OVER_BUDGET,
    Verdict.TOO_SOON,
    Verdict.TOO_MANY_ORDERS,
    Verdict.THING_OFF,
    Verdict.ALL_OFF,
)


def most_telling(refusals: Sequence[Verdict]) -> Verdict:
    """Return the refusal that was nearest to a yes: the one whose remedy a person wants to hear of."""
    told = [verdict for verdict in refusals if verdict in _NEAREST_LAST]
    return max(told, key=_NEAREST_LAST.index, default=Verdict.NO_MANDATE)


def judge_mandate(mandate: Mandate, thing_id: ThingId, kind: NeedKind, now: datetime) -> Verdict:
    """Say whether the mandate covers this thing and kind of need at this time."""
    level = mandate.levels.get(kind)
    if level is None or (mandate.things and thing_id not in mandate.things):
        return Verdict.NO_MANDATE
    if mandate.revoked_at is not None:
        return Verdict.MANDATE_REVOKED
    if not mandate.valid_from <= now < mandate.valid_until:
        return Verdict.MANDATE_EXPIRED
    if level in {Level.OFF, Level.ANNOUNCER}:
        return Verdict.LEVEL_TOO_LOW
    return Verdict.ALLOWED


def names_seller(mandate: Mandate, connection: str, kind: NeedKind) -> bool:
    """Say whether anything of this kind may be bought there under a mandate; a fixed one has its first seller only."""
    payees = mandate.allowed_payees[:1] if mandate.levels.get(kind) is Level.FIXED else mandate.allowed_payees
    return connection in payees


def no_seller(covering: Sequence[Mandate], sellers: Sequence[str]) -> str:
    """Return why none of the connected sellers may hear of a need."""
    named = ", ".join(dict.fromkeys(payee for mandate in covering for payee in mandate.allowed_payees))
    return (
        f"no connected seller is one that the mandate allows: it names {named}, connected are {', '.join(sellers)};"
        " nobody was asked; add a seller to the mandate, or connect one that it names"
    )


def judge_candidate(mandate: Mandate, candidate: Candidate, kind: NeedKind, used_minor: int) -> Verdict:
    """Say whether a mandate that covers the need allows this candidate, with ``used_minor`` of the budget gone."""
    if candidate.connection not in mandate.allowed_payees:
        return Verdict.PAYEE_NOT_ALLOWED
    if candidate.sku and not _item_allowed(mandate, candidate, kind):
        return Verdict.ITEM_NOT_ALLOWED
    if candidate.amount is not None:
        verdict = _judge_amount(mandate, candidate.amount, used_minor)
        if verdict is not Verdict.ALLOWED:
            return verdict
    if kind in mandate.approval_kinds or _is_above(candidate.amount, mandate.approval_above):
        return Verdict.NEEDS_APPROVAL
    return Verdict.ALLOWED


def budget_meter(mandate: Mandate, now: datetime) -> str:
    """Return the name of the counter that bounds this mandate's spending in the present period (UTC calendar)."""
    pattern = {Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m", Period.YEAR: "%Y"}[mandate.budget_period]
    return f"budget/{mandate.owner_id}/{mandate.mandate_id}/{now.strftime(pattern)}/{mandate.budget.currency}"


def _item_allowed(mandate: Mandate, candidate: Candidate, kind: NeedKind) -> bool:
    if mandate.levels[kind] is Level.FIXED:
        return mandate.allowed_items[:1] == (candidate.sku,) and mandate.allowed_payees[0] == candidate.connection
    return not mandate.allowed_items or candidate.sku in mandate.allowed_items


def _judge_amount(mandate: Mandate, amount: Money, used_minor: int) -> Verdict:
    if {amount.currency} != _currencies(mandate):
        return Verdict.WRONG_CURRENCY
    if amount.exceeds(mandate.per_order_limit):
        return Verdict.OVER_ORDER_LIMIT
    if used_minor + amount.minor > mandate.budget.minor:
        return Verdict.OVER_BUDGET
    return Verdict.ALLOWED


def _currencies(mandate: Mandate) -> set[str]:
    amounts = (mandate.budget, mandate.per_order_limit, mandate.approval_above)
    return {amount.currency for amount in amounts if amount is not None}


def _is_above(amount: Money | None, threshold: Money | None) -> bool:
    return amount is not None and threshold is not None and amount.exceeds(threshold)
