"""``off_switch``: a tank's order is queued at a CRM that is down; its owner switches the tank off; nothing leaves."""

from typing import Final

from hub.demo.checks import TO_THE_OFFER, nothing_ordered, orders_for, orders_in, whole_chain
from hub.demo.clients import part
from hub.demo.scenery import WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

TANK: Final = "tank-2"
PRINTER: Final = "printer-6"
OWNER: Final = "fjord-depot"

_CREATE: Final = "PUT /api/v1/orders/"


async def play(teller: Teller) -> Evidence:
    """Queue the tank's order behind an outage, switch the tank off, and end the outage."""
    stage = teller.stage
    shop = stage.sandboxes[WEBSHOP]
    tank, printer = await stage.tank(TANK, OWNER), await stage.printer(PRINTER, OWNER)
    await stage.grant(
        "depot-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=100_000,
        per_order_limit=60_000,
        allowed_payees=[WEBSHOP],
        approval_kinds=["supply"],
    )
    await tank.tell(do="report", level=38.0)
    await printer.tell(do="report", level=7.0, pages=8_000)
    queued = await teller.until_order(TANK, "awaiting_approval")
    other = await teller.until_order(PRINTER, "awaiting_approval")
    await shop.set_down(down=True)
    teller.say("the shop is down; the printer's order finds out first")
    await stage.hub.post(f"/api/v1/orders/{other['key']}/approve")
    await stage.until_down(WEBSHOP)
    await stage.hub.post(f"/api/v1/orders/{queued['key']}/approve")
    waiting = await teller.until_order(TANK, "approved")
    teller.say("the tank's order is queued; its owner switches the tank off")
    off = await stage.hub.post(f"/api/v1/things/{TANK}/off")
    await shop.set_down(down=False)
    teller.say("the shop is up again")
    await teller.until_order(PRINTER, "confirmed")
    await teller.until_order(TANK, "blocked", "confirmed")
    sent = [
        row for row in await shop.requests() if f"{row['method']} {row['path']}".startswith(_CREATE + queued["key"])
    ]
    return await teller.gather([TANK, PRINTER], queued=waiting, off=off, sent=len(sent))


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    order, off = evidence.order, part(evidence.facts, "off")
    other = orders_for(evidence, PRINTER)
    return [
        is_so("the tank has exactly one order", len(orders_for(evidence, TANK)) == 1),
        is_so(
            "it was queued when the tank was switched off", part(evidence.facts, "queued").get("state") == "approved"
        ),
        is_so("off is acknowledged", off.get("state") == "off"),
        is_so("the acknowledgement lists what was under way: nothing", off.get("already_under_way") == []),
        is_so("no request for it ever left", evidence.facts.get("sent") == 0),
        is_so("the order is held back because the thing is off", order.get("code") == "thing_off"),
        is_so("it is not placed", order.get("state") == "blocked"),
        nothing_ordered(evidence, TANK),
        is_so("the owner's other thing ordered once", len(orders_in(evidence.records, PRINTER)) == 1),
        is_so("and that is confirmed", [each["state"] for each in other] == ["confirmed"]),
        *whole_chain(evidence, *TO_THE_OFFER, "approval", "approved", "clearance", "blocked"),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    return (
        "The tank's order was queued at a shop that was down when its owner switched the tank off. The shop came back "
        f"and nothing left for the tank: {evidence.order['sentence']}. Their printer, still on, ordered once."
    )


STORY: Final = Story(
    name="off_switch", title="The owner switches a thing off: nothing leaves any more", play=play, judge=judge, why=why
)
