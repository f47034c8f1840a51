"""``service``: a press reports a fault over OPC UA; a technician is booked at its site."""

from typing import Final

from hub.demo.checks import whole_chain
from hub.demo.clients import NOTHING, Row, part
from hub.demo.scenery import FIELD_SERVICE
from hub.demo.telling import Check, Evidence, Story, Teller, is_so

PRESS: Final = "press-1"
OWNER: Final = "granite-works"
MACHINE: Final = "Press1"
VARIABLES: Final = {"OilTemperature": "number", "FaultCode": "text"}

_FAULT: Final = "F42"
_SITE: Final = "Site of press-1"


async def play(teller: Teller) -> Evidence:
    """Let the press run well, and then report its fault."""
    stage = teller.stage
    await teller.plant.define({MACHINE: VARIABLES})
    await stage.machines(OWNER, "press", {PRESS: MACHINE})
    await stage.grant(
        "repairs",
        OWNER,
        {"service": "adaptable"},
        budget=500_000,
        per_order_limit=200_000,
        allowed_payees=[FIELD_SERVICE],
    )
    await teller.plant.set({f"{MACHINE}.OilTemperature": 47.5, f"{MACHINE}.FaultCode": ""})
    teller.say(f"the press runs warm and reports {_FAULT}")
    await teller.plant.set({f"{MACHINE}.OilTemperature": 88.0, f"{MACHINE}.FaultCode": _FAULT})
    await teller.until_order(PRESS, "confirmed", "rejected", "dead_letter", wanted=lambda order: bool(order["booking"]))
    return await teller.gather([PRESS])


def judge(evidence: Evidence) -> list[Check]:
    """Say what must have come of it."""
    order = evidence.order
    service, visit = _records(evidence, "service"), _records(evidence, "appointment")
    visited = visit[0] if visit else NOTHING
    return [
        is_so("the press has exactly one request", len(evidence.orders) == 1),
        is_so("the hub says that it is confirmed", order.get("state") == "confirmed"),
        is_so("all CRMs together hold one service request and one visit", (len(service), len(visit)) == (1, 1)),
        is_so(f"both are at {FIELD_SERVICE}", {row["connection"] for row in evidence.records} == {FIELD_SERVICE}),
        is_so("the request names the site", service and _SITE in str(service[0]["raw"])),
        is_so("the request has the order's key", service and service[0]["key"] == order.get("key")),
        is_so("the visit has a key of its own", visited.get("key") and visited.get("key") != order.get("key")),
        is_so("the visit is at a set time", visited.get("scheduled_start")),
        is_so("that is the time the hub tells", _starts(order)[:16] == str(visited.get("scheduled_start"))[:16] != ""),
        *whole_chain(
            evidence, "reading", "need", "mandate", "approved", "placing", "placed", "crm_record", "visit", "confirmed"
        ),
    ]


def why(evidence: Evidence) -> str:
    """Say it in one sentence."""
    order = evidence.order
    visit = part(order, "visit")
    return (
        f"The press reported {_FAULT}: {order['reason']}. {order['connection']} holds the request "
        f"{part(order, 'record').get('number')} and sends {visit.get('resource') or 'a technician'} on "
        f"{_starts(order)[:10]} at {_starts(order)[11:16]} UTC."
    )


def _records(evidence: Evidence, kind: str) -> list[Row]:
    return [row for row in evidence.records if row["kind"] == kind]


def _starts(order: Row) -> str:
    return str(part(order, "visit").get("starts_at", ""))


STORY: Final = Story(
    name="service", title="A press reports a fault: a technician is booked", play=play, judge=judge, why=why
)
