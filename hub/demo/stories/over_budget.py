"""``over_budget``: what a printer needs costs more than its owner's budget has left; nothing is ordered."""

from typing import Final

from hub.demo.checks import TO_THE_OFFER, money, nothing_ordered, whole_chain
from hub.demo.clients import part
from hub.demo.scenery import FIELD_SERVICE, WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

PRINTER: Final = "printer-4"
OWNER: Final = "cobalt-school"

_BUDGET: Final = 2_000
_REASON: Final = "over_budget"


async def play(teller: Teller) -> Evidence:
    """Let a printer run low whose owner has 20 euros left."""
    printer = await teller.stage.printer(PRINTER, OWNER)
    await teller.stage.grant(
        "school-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=_BUDGET,
        per_order_limit=15_000,
        allowed_payees=[WEBSHOP, FIELD_SERVICE],
    )
    await printer.tell(do="report", level=9.0, pages=31_000)
    await teller.until_order(PRINTER, "blocked", "confirmed", "dead_letter")
    mandates = await teller.stage.hub.get("/api/v1/mandates")
    used = [sum(row["used_minor"].values()) for row in mandates if row["owner_id"] == OWNER]
    return await teller.gather([PRINTER], budget_used_minor=sum(used))


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    order = evidence.order
    refusals = evidence.note("mandate").get("refusals") or ()
    return [
        is_so("the thing has exactly one order", len(evidence.orders) == 1),
        is_so("the hub holds it back", order.get("state") == "blocked"),
        is_so("the reason code says why", order.get("code") == _REASON),
        is_so("a sentence and a next step tell the owner", order.get("sentence") and order.get("next_step")),
        is_so("every offer was refused for the budget", refusals and all(r["verdict"] == _REASON for r in refusals)),
        is_so("no money is set aside", evidence.facts.get("budget_used_minor") == 0),
        nothing_ordered(evidence, PRINTER),
        *whole_chain(evidence, *TO_THE_OFFER, "blocked"),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    best = part(evidence.note("choice"), "best")
    return (
        f"The best offer costs {money(part(best, 'landed'))} and the budget is {_BUDGET / 100:.2f} EUR: "
        f"{evidence.order['sentence']}. No CRM holds an order."
    )


STORY: Final = Story(
    name="over_budget", title="An order would break the budget: it is held", play=play, judge=judge, why=why
)
