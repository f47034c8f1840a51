"""What several stories have to show: once in the CRM, as the hub says, with the whole chain."""

from collections.abc import Iterable, Sequence

from hub.demo.clients import NOTHING, Row, part
from hub.demo.telling import Check, Evidence, is_so

TO_THE_OFFER = ("reading", "need", "advice", "offers", "choice", "mandate")
THROUGH_DOUBT = ("approved", "placing", "unknown", "reconciling")
FROM_THE_RECORD = ("placed", "crm_record", "confirmed")
TO_THE_RECORD = ("approved", "placing", *FROM_THE_RECORD)


def ordered_once(evidence: Evidence, connection: str) -> list[Check]:
    """Return checks that the first order is confirmed and is exactly one record, at this connection, to the cent."""
    order = evidence.order
    records = orders_in(evidence.records, str(order.get("thing_id", "")))
    record = records[0] if records else NOTHING
    total = part(order, "total")
    return [
        is_so("the thing has exactly one order", len(orders_for(evidence, str(order.get("thing_id")))) == 1),
        is_so("the hub says that the order is confirmed", order.get("state") == "confirmed"),
        is_so("all CRMs together hold exactly one order of the thing", len(records) == 1),
        is_so(f"it is at {connection}", record.get("connection") == connection),
        is_so("it has the order's key", record.get("key") and record.get("key") == order.get("key")),
        is_so(
            "it costs what the mandate was asked about",
            (record.get("total_minor"), record.get("currency")) == (total.get("minor"), total.get("currency")),
        ),
    ]


def whole_chain(evidence: Evidence, *steps: str) -> list[Check]:
    """Return a check that the chain holds these steps in this order."""
    return [is_so(f"the chain goes {' > '.join(steps)}", in_order(steps, evidence.steps()))]


def nothing_ordered(evidence: Evidence, thing_id: str) -> Check:
    """Return a check that no CRM holds anything of a thing."""
    return is_so(
        f"no CRM holds anything of {thing_id}", not [row for row in evidence.records if row["thing"] == thing_id]
    )


def in_order(wanted: Iterable[str], steps: Sequence[str]) -> bool:
    """Say whether ``wanted`` occur in ``steps`` in this order, others between them."""
    left = iter(steps)
    return all(step in left for step in wanted)


def orders_in(records: Iterable[Row], thing_id: str) -> list[Row]:
    """Return the CRM orders of a thing."""
    return [row for row in records if row["kind"] == "order" and row["thing"] == thing_id]


def orders_for(evidence: Evidence, thing_id: str) -> list[Row]:
    """Return the hub's orders of a thing."""
    return [order for order in evidence.orders if order["thing_id"] == thing_id]


def money(amount: Row) -> str:
    """Return an amount as people write it."""
    return f"{amount['minor'] / 100:.2f} {amount['currency']}" if amount else "nothing"
