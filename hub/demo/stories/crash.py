"""``crash``: the hub is killed while readings stream in and an order is at the seller; nothing is lost or doubled."""

import asyncio
from typing import Any, Final

from hub.demo.checks import FROM_THE_RECORD, THROUGH_DOUBT, TO_THE_OFFER, ordered_once, whole_chain
from hub.demo.processes import until
from hub.demo.scenery import WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

ORDERING: Final = "printer-2"
STREAMING: Final = "printer-3"
OWNER: Final = "borealis-labs"

_STREAMED: Final = 200
_SILENCE_S: Final = 20.0
_BEFORE_KILL: Final = 20


async def play(teller: Teller) -> Evidence:
    """Kill the hub when the seller has stored the order and the hub has not heard so."""
    stage = teller.stage
    shop = stage.sandboxes[WEBSHOP]
    ordering = await stage.printer(ORDERING, OWNER)
    streaming = await stage.printer(STREAMING, OWNER)
    await stage.grant(
        "lab-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=20_000,
        per_order_limit=15_000,
        allowed_payees=[WEBSHOP],
        things=[ORDERING],
    )
    await shop.plan(match="^PUT /api/v1/orders/", action="hang_after", delay_s=_SILENCE_S)
    await ordering.tell(do="report", level=12.0, pages=20_000)
    await _until_stored(teller)
    async with asyncio.TaskGroup() as group:
        stream = group.create_task(streaming.tell(do="stream", count=_STREAMED, every_s=0.02, drop=0.1, pages=1))
        before = await _until_streaming(teller)
        teller.say(f"SIGKILL: {before} readings are in, the shop holds the order, the hub has no answer")
        await stage.kill_hub()
        await stage.start_hub()
        teller.say("the hub is up again on the same data directory")
    await ordering.tell(do="report", level=11.5, pages=20_010)
    await teller.until_order(ORDERING, "confirmed")
    return await teller.gather([ORDERING, STREAMING], **await _facts(teller, streaming, stream.result(), before))


async def _until_stored(teller: Teller) -> None:
    """Wait until the shop has stored the order; it is silent then, so the hub goes on placing."""
    stage = teller.stage

    async def probe() -> bool | None:
        stored = [row for row in await stage.sandboxes[WEBSHOP].records() if row["thing"] == ORDERING]
        order = await teller.follow(ORDERING)
        return True if stored and order is not None and order["state"] == "placing" else None

    await until(stage.clock, "the shop holds an order that the hub is still placing", probe)


async def _until_streaming(teller: Teller) -> int:
    """Return how many readings are in, some of many."""
    stage = teller.stage

    async def probe() -> int | None:
        count = await stage.messages_of(STREAMING)
        return count if count >= _BEFORE_KILL else None

    return await until(stage.clock, f"{_BEFORE_KILL} readings are in", probe)


async def _facts(teller: Teller, streaming: Any, streamed: Any, before: int) -> dict[str, Any]:
    log = (await streaming.tell(do="log"))["log"]
    return {
        "sent": _STREAMED,
        "acknowledged": len(streamed["acknowledged"]),
        "distinct": len({entry["id"] for entry in log}),
        "sent_again": sum(entry["attempts"] > 1 for entry in log),
        "stored_before_the_kill": before,
        "stored": await teller.stage.messages_of(STREAMING),
        "dead_letters": len(await teller.stage.hub.get("/api/v1/dead-letters")),
    }


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    facts = evidence.facts
    return [
        is_so("the kill came in the middle", 0 < facts.get("stored_before_the_kill", 0) < facts.get("sent", 0)),
        is_so("the device had to send again what was not acknowledged", facts.get("sent_again", 0) > 0),
        is_so("every reading was acknowledged in the end", facts.get("acknowledged") == facts.get("sent")),
        is_so("no acknowledged reading is lost or there twice", facts.get("stored") == facts.get("distinct")),
        is_so("nothing became a dead letter", facts.get("dead_letters") == 0),
        *ordered_once(evidence, WEBSHOP),
        *whole_chain(evidence, *TO_THE_OFFER, *THROUGH_DOUBT, *FROM_THE_RECORD),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    facts = evidence.facts
    return (
        f"The hub was killed with {facts['stored_before_the_kill']} of {facts['sent']} readings in and an order at the "
        f"shop. Started again, it held all {facts['stored']} readings once, looked the order up by its key, and did "
        "not order again."
    )


STORY: Final = Story(
    name="crash", title="The hub is killed; nothing is lost, nothing is doubled", play=play, judge=judge, why=why
)
