"""``lost_reply``: the CRM stores the order and drops the connection; the order is found by its key."""

from typing import Final

from hub.demo.checks import FROM_THE_RECORD, THROUGH_DOUBT, TO_THE_OFFER, ordered_once, whole_chain
from hub.demo.scenery import WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

PRINTER: Final = "printer-5"
OWNER: Final = "delta-prints"

_CREATE: Final = "PUT /api/v1/orders/"


async def play(teller: Teller) -> Evidence:
    """Let the shop drop the connection after it has stored the order."""
    stage = teller.stage
    shop = stage.sandboxes[WEBSHOP]
    printer = await stage.printer(PRINTER, OWNER)
    await stage.grant(
        "print-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=20_000,
        per_order_limit=15_000,
        allowed_payees=[WEBSHOP],
    )
    await shop.plan(match=f"^{_CREATE}", action="drop_after")
    await printer.tell(do="report", level=8.0, pages=42_000)
    order = await teller.until_order(PRINTER, "confirmed", "dead_letter", "rejected")
    sent = [row for row in await shop.requests() if f"{row['method']} {row['path']}".startswith(_CREATE + order["key"])]
    return await teller.gather([PRINTER], sent=len(sent), dropped=sum(row["fault"] == "drop_after" for row in sent))


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    return [
        is_so("the shop dropped the connection after it had stored the order", evidence.facts.get("dropped") == 1),
        is_so("the order was sent once and not again", evidence.facts.get("sent") == 1),
        is_so("the loss is told as such", evidence.note("unknown").get("code") == "answer_lost"),
        is_so("the hub looked it up", evidence.note("reconciling").get("code") == "looking_up"),
        *ordered_once(evidence, WEBSHOP),
        *whole_chain(evidence, *TO_THE_OFFER, *THROUGH_DOUBT, *FROM_THE_RECORD),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    return (
        f"The shop stored the order and dropped the connection. The hub did not send it again but asked for its key: "
        f"{evidence.note('placed').get('sentence')}. One record, one request."
    )


STORY: Final = Story(
    name="lost_reply",
    title="The CRM's answer is lost: the order is found, not repeated",
    play=play,
    judge=judge,
    why=why,
)
