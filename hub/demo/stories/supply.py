"""``supply``: a printer's ink will run out before a delivery could come; two sellers offer; the cheaper one gets it."""

from datetime import timedelta
from typing import Any, Final

from hub.demo.checks import TO_THE_OFFER, TO_THE_RECORD, money, ordered_once, whole_chain
from hub.demo.clients import Row, part, parts
from hub.demo.scenery import FIELD_SERVICE, WEBSHOP
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

PRINTER: Final = "printer-1"
OWNER: Final = "acme-offices"

_STEP_S: Final = 6 * 3600.0
_SLOW: Final = 18
_FAST: Final = 18
"""Reports every six hours: four and a half days of little use, then as many of much."""
_FORMATS: Final = 3
_LOW_AT: Final = 15.0


async def play(teller: Teller) -> Evidence:
    """Let the printer report nine days of use."""
    stage = teller.stage
    printer = await stage.printer(PRINTER, OWNER)
    await stage.grant(
        "office-supplies",
        OWNER,
        {"supply": "adaptable"},
        budget=20_000,
        per_order_limit=15_000,
        allowed_payees=[WEBSHOP, FIELD_SERVICE],
    )
    teller.say("a printer reports nine days of use, in JSON, SenML JSON and SenML CBOR in turn")
    start = stage.clock.now() - timedelta(seconds=_STEP_S * (_SLOW + _FAST))
    await printer.tell(do="report", level=92.0, pages=10_000, at=start)
    await _use(printer.tell, start, _SLOW, drop=1.0, pages=25)
    await _use(printer.tell, start + timedelta(seconds=_STEP_S * _SLOW), _FAST, drop=2.375, pages=60)
    await teller.until_order(PRINTER, "confirmed")
    told = await printer.tell(do="log")
    requests = [row for sandbox in stage.sandboxes.values() for row in await sandbox.requests()]
    facts = {"acknowledged": len(told["acknowledged"]), "messages": await stage.messages_of(PRINTER)}
    return await teller.gather([PRINTER], **facts, requests=len(requests))


async def _use(tell: Any, start: Any, count: int, *, drop: float, pages: int) -> None:
    first = start + timedelta(seconds=_STEP_S)
    await tell(do="stream", count=count, drop=drop, pages=pages, start=first, step_s=_STEP_S)


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    need = part(evidence.note("need"), "evidence")
    peers = part(evidence.note("advice"), "peers")
    best = part(evidence.note("choice"), "best")
    others = [offer for offer in _offers(evidence) if offer["sku"] == best.get("sku") and offer != best]
    acknowledged = evidence.facts.get("acknowledged", 0)
    return [
        is_so("the forecast spoke before the level was low", need.get("level", 0) > _LOW_AT),
        is_so("the forecast is a distribution", 0 < need.get("empty_in_days_p10", 0) < need.get("empty_in_days", 0)),
        is_so("five other owners or more stand behind the advice", peers.get("owners", 0) > 5),
        is_so("the own fleet's experience counts, as such", peers.get("own_fleet", 0) > 0),
        is_so("another seller offered the same item", others),
        is_so("the chosen offer is discounted", best.get("discounts")),
        is_so("its list price is not the lowest", all(_list_price(best) > _list_price(other) for other in others)),
        is_so("its landed cost is the lowest", all(_landed(best) < _landed(other) for other in others)),
        is_so("every acknowledged message is there once", acknowledged == evidence.facts.get("messages")),
        is_so("all three formats were used", acknowledged >= _FORMATS),
        *ordered_once(evidence, WEBSHOP),
        *whole_chain(evidence, *TO_THE_OFFER, *TO_THE_RECORD),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    best = part(evidence.note("choice"), "best")
    dearer = [offer for offer in _offers(evidence) if offer["sku"] == best.get("sku") and offer != best]
    rest = f" against {money(dearer[0]['landed'])} at {dearer[0]['seller']}" if dearer else ""
    peers = part(evidence.note("advice"), "peers")
    return (
        f"{evidence.order['reason']}. {peers.get('owners', 0)} owners' experience named {best.get('sku')}; "
        f"{best.get('seller')} asks {money(part(best, 'landed'))} landed{rest}, so it was ordered there, once."
    )


def _offers(evidence: Evidence) -> list[Row]:
    return [offer for note in evidence.trace if note["step"] == "offers" for offer in parts(note, "offers")]


def _landed(offer: Row) -> int:
    return int(offer["landed"]["minor"])


def _list_price(offer: Row) -> int:
    return int(offer["unit_price"]["minor"])


STORY: Final = Story(
    name="supply", title="A printer orders its ink where it is cheapest", play=play, judge=judge, why=why
)
