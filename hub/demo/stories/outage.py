"""``outage``: a CRM is down when a tank's order is due; its owner sees why and when; later there is one order."""

from typing import Final

from hub.demo.checks import FROM_THE_RECORD, TO_THE_OFFER, ordered_once, whole_chain
from hub.demo.clients import Row, part
from hub.demo.scenery import WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

TANK: Final = "tank-1"
OWNER: Final = "elm-wash"


async def play(teller: Teller) -> Evidence:
    """Approve a tank's order while the shop is down, look at what the owner sees, and end the outage."""
    stage = teller.stage
    shop = stage.sandboxes[WEBSHOP]
    tank = await stage.tank(TANK, OWNER)
    await stage.grant(
        "wash-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=100_000,
        per_order_limit=60_000,
        allowed_payees=[WEBSHOP],
        approval_kinds=["supply"],
    )
    teller.say("a tank reports its level over CoAP; its owner wants to see every order first")
    await tank.tell(do="report", level=41.0)
    order = await teller.until_order(TANK, "awaiting_approval")
    await shop.set_down(down=True)
    teller.say("the shop is down; the owner approves")
    await stage.hub.post(f"/api/v1/orders/{order['key']}/approve")
    seen = await teller.until_order(TANK, "approved", "reconciling", wanted=_tells_why)
    stored = [row for row in await shop.records() if row["thing"] == TANK]
    await shop.set_down(down=False)
    teller.say("the shop is up again")
    await teller.until_order(TANK, "confirmed")
    return await teller.gather([TANK], seen=seen, stored_in_the_outage=len(stored))


def _tells_why(order: Row) -> bool:
    """Say whether the owner sees a reason and the next try."""
    waiting = part(order, "waiting")
    return bool(waiting.get("reason") and waiting.get("next_try_at"))


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    seen = part(evidence.facts, "seen")
    waiting = part(seen, "waiting")
    return [
        is_so("the owner saw the reason", waiting.get("reason")),
        is_so("the owner saw when it is tried next", waiting.get("next_try_at")),
        is_so("the owner saw a reference to ask about", seen.get("reference")),
        is_so("nothing was stored in the outage", evidence.facts.get("stored_in_the_outage") == 0),
        *ordered_once(evidence, WEBSHOP),
        *whole_chain(evidence, *TO_THE_OFFER, "awaiting_approval", "approval", "approved", "waiting", "placing"),
        *whole_chain(evidence, "waiting", *FROM_THE_RECORD),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    seen = part(evidence.facts, "seen")
    return (
        f"While the shop was down the owner read: {part(seen, 'waiting')['reason']}; next try "
        f"{str(part(seen, 'waiting')['next_try_at'])[11:19]} UTC; reference {seen['reference']}. "
        "When it was up again, exactly one order was placed."
    )


STORY: Final = Story(
    name="outage", title="A CRM is down: the order waits and says why", play=play, judge=judge, why=why
)
