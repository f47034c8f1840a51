"""``replacement``: peers' lives say that an engine is about to fail; its owner approves; a module is ordered once."""

from functools import partial
from typing import Final

from hub.demo.checks import FROM_THE_RECORD, money, ordered_once, whole_chain
from hub.demo.clients import part
from hub.demo.engines import VARIABLES, Engines, cycle_values, until_trained
from hub.demo.scenery import MAKER
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

ENGINE: Final = "engine-1"
OWNER: Final = "acme-plant"
MACHINE: Final = "Engine1"

_K_OWNERS: Final = 5
_LOOK_EVERY: Final = 5


async def play(engines: Engines, teller: Teller) -> Evidence:
    """Let the engine wear out, cycle by cycle, until its order awaits approval, and approve it."""
    stage = teller.stage
    await teller.plant.define({MACHINE: VARIABLES})
    await stage.machines(OWNER, engines.kind.profile, {ENGINE: MACHINE})
    await stage.grant(
        "replacements",
        OWNER,
        {"replacement": "adaptable"},
        budget=2_000_000,
        per_order_limit=1_500_000,
        allowed_payees=[MAKER],
    )
    teller.say("the community learns from its members' finished lives")
    await until_trained(stage, engines.kind)
    teller.say("the engine runs, one cycle after another")
    cycles = await _run(teller, engines)
    order = await teller.until_order(ENGINE, "awaiting_approval")
    stored = [row for row in await stage.all_records() if row["thing"] == ENGINE]
    teller.say(f"after {cycles} cycles: {order['sentence']}; the owner approves")
    await stage.hub.post(f"/api/v1/orders/{order['key']}/approve")
    await teller.until_order(ENGINE, "confirmed", "rejected", "dead_letter")
    return await teller.gather([ENGINE], cycles=cycles, stored_before_approval=len(stored))


async def _run(teller: Teller, engines: Engines) -> int:
    """Return the cycle after which the engine's need was known, the last one at most."""
    for cycle in range(1, len(engines.told) + 1):
        await teller.plant.set(cycle_values({MACHINE: engines.told}, cycle))
        await teller.plant.settle()
        if cycle % _LOOK_EVERY == 0 and await teller.follow(ENGINE) is not None:
            return cycle
    return len(engines.told)


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    advice = part(evidence.note("advice"), "advice")
    interval, peers = part(advice, "interval"), part(advice, "evidence")
    estimate = advice.get("estimate", -1.0)
    return [
        is_so("peers say that it is due", advice.get("action") in {"order_replacement", "watch"} and estimate >= 0),
        is_so("the estimate has an interval", interval.get("low", 1.0) <= estimate <= interval.get("high", -1.0)),
        is_so("enough other owners stand behind it", peers.get("owners", 0) >= _K_OWNERS),
        is_so("it is told in a sentence", advice.get("sentence")),
        is_so("nothing was ordered before the approval", evidence.facts.get("stored_before_approval") == 0),
        is_so("a person approved", evidence.order.get("approved_by")),
        *ordered_once(evidence, MAKER),
        *whole_chain(evidence, "reading", "need", "advice", "offers", "choice", "mandate", "awaiting_approval"),
        *whole_chain(evidence, "awaiting_approval", "approval", "approved", "placing", *FROM_THE_RECORD),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    order = evidence.order
    advice = part(evidence.note("advice"), "advice")
    return (
        f"{advice['sentence']} {order['approved_by']} approved, and {order['connection']} got one order for "
        f"{order['sku']} at {money(part(order, 'total'))}."
    )


def story(engines: Engines) -> Story:
    """Return the story as these engines play it."""
    return Story(
        name="replacement",
        title="Peers say that an engine is about to fail: a module is ordered",
        play=partial(play, engines),
        judge=judge,
        why=why,
    )
