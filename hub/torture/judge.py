"""The judge: compares what devices, journal and shops know. Pure functions of the evidence."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.orders import OrderState, PurchaseOrder
from actors.purchasing.state import OrderData
from crm_adapters.sandboxing import SandboxRecord
from hub.torture.books import Page
from hub.torture.evidence import Evidence
from hub.torture.fleet import Ledger

_S = OrderState
SETTLED: Final = frozenset(
    {_S.CONFIRMED, _S.FULFILLED, _S.BLOCKED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED, _S.DEAD_LETTER}
)
"""Nothing more happens by itself."""
IN_CRM: Final = frozenset({_S.PLACED, _S.CONFIRMED, _S.FULFILLED})
HOLDS_MONEY: Final = IN_CRM | {
    _S.AWAITING_APPROVAL,
    _S.APPROVED,
    _S.PLACING,
    _S.UNKNOWN,
    _S.RECONCILING,
    _S.CANCELLING,
    _S.DEAD_LETTER,
}
"""What was reserved for these is reserved still, or spent."""
EXPECTED_ENDS: Final = frozenset({_S.CONFIRMED, _S.FULFILLED, _S.BLOCKED, _S.CANCELLED})
"""How orders may stand in the end when people do nothing and sellers refuse nothing."""


class Readings(Struct, frozen=True, kw_only=True):
    """What became of the messages. All but the first two must be zero."""

    acknowledged: int
    journalled: int
    lost: int
    doubled: int
    altered: int
    unknown: int
    """Rows that no device sent."""
    refused: int
    not_known_again: int


class Orders(Struct, frozen=True, kw_only=True):
    """What became of the needs. All but the first four must be zero."""

    needs: int
    by_state: Mapping[str, int]
    ever: Mapping[str, int]
    """How many orders were ever in doubt (``unknown``) or held back (``blocked``): it was no easy ride."""
    records: int
    lost: int
    """Needs without an order that has an expected end and its reason, and orders without their record."""
    doubled: int
    foreign: int
    """Records that belong to no order that stands by them."""
    unlike: int
    """Records whose fingerprint, total or seller is not the order's."""


class Money(Struct, frozen=True, kw_only=True):
    """What was spent and set aside. ``error_minor`` must be zero."""

    used_minor: int
    error_minor: int


def judge_readings(ledger: Ledger, evidence: Evidence) -> Readings:
    """Compare what was acknowledged with what is there."""
    found: Counter[str] = Counter()
    for sent, stored in ledger.book.beside(evidence.book):
        found.update(_compared(sent, stored))
    return Readings(
        acknowledged=ledger.acknowledged,
        journalled=evidence.messages,
        lost=found["lost"],
        doubled=found["doubled"],
        altered=found["altered"],
        unknown=found["unknown"] + len(evidence.strange),
        refused=len(ledger.refused),
        not_known_again=ledger.not_known_again,
    )


def _compared(sent: Page, stored: Page) -> dict[str, int]:
    length = max(len(sent), len(stored))
    told, kept = sent.levels(length), stored.levels(length)
    acknowledged, rows = sent.counts(length) > 0, stored.counts(length)
    was_sent, is_there = ~np.isnan(told), rows > 0
    return {
        "lost": int((acknowledged & ~is_there).sum()),
        "doubled": int((rows[is_there] - 1).sum()),
        "altered": int((was_sent & is_there & (told != kept)).sum()),
        "unknown": int((~was_sent & is_there).sum()),
    }


def judge_orders(evidence: Evidence, records: Mapping[str, Sequence[SandboxRecord]]) -> tuple[Orders, list[str]]:
    """Compare needs, orders and the shops' own records; the list says what is wrong, one line each."""
    made = [(seller, record) for seller, known in records.items() for record in known]
    counts = Counter(record.key for _, record in made)
    lost = [*_lost_needs(evidence), *_lost_records(evidence.orders, counts)]
    doubled = [f"{key}: {count} records" for key, count in counts.items() if count > 1]
    foreign = [
        f"{seller} {record.record_id}: {_why_foreign(evidence, record)}"
        for seller, record in made
        if _why_foreign(evidence, record)
    ]
    unlike = [
        f"{seller} {record.record_id}: {difference}"
        for seller, record in made
        for difference in _differences(evidence, seller, record)
    ]
    figures = Orders(
        needs=len(evidence.needs),
        by_state=Counter(order.state.value for order in evidence.orders.values()),
        ever={state.value: _ever(evidence, state) for state in (OrderState.UNKNOWN, OrderState.BLOCKED)},
        records=len(made),
        lost=len(lost),
        doubled=len(doubled),
        foreign=len(foreign),
        unlike=len(unlike),
    )
    return figures, [*lost, *doubled, *foreign, *unlike]


def judge_money(evidence: Evidence) -> tuple[Money, list[str]]:
    """Compare the counters that bound the budgets with the orders and with the owners' own books."""
    used = sum(evidence.meters.values())
    held = sum(_holds(order) for order in evidence.orders.values())
    books = sum(sum(owner.used.values()) for owner in evidence.owners.values())
    wrong = [f"{key}: {why}" for key, why in _wrong_reservations(evidence)]
    if used != held:
        wrong.append(f"the counters say {used}, the orders {held} minor units")
    if used != books:
        wrong.append(f"the counters say {used}, the owners' books {books} minor units")
    return Money(used_minor=used, error_minor=abs(used - held) + abs(used - books)), wrong


def _ever(evidence: Evidence, state: OrderState) -> int:
    return sum(1 for order in evidence.orders.values() if any(passage.state is state for passage in order.passages))


def _lost_needs(evidence: Evidence) -> Iterator[str]:
    for opened in evidence.needs:
        order = evidence.orders.get(opened.key)
        if order is None:
            yield f"{opened.need.correlation_id}: no order {opened.key}"
        elif order.state not in EXPECTED_ENDS:
            yield f"{opened.key}: {order.state} ({order.code}): {order.sentence}"
        elif not order.code or not order.sentence:
            yield f"{opened.key}: {order.state} without a reason"


def _lost_records(orders: Mapping[OrderKey, OrderData], counts: Mapping[str, int]) -> Iterator[str]:
    for key, order in orders.items():
        if order.state in IN_CRM and key not in counts:
            yield f"{key}: {order.state}, but no shop has it"


def _why_foreign(evidence: Evidence, record: SandboxRecord) -> str:
    order = evidence.orders.get(OrderKey(record.key))
    if order is None:
        return f"no order has its key {record.key!r}"
    return "" if order.state in IN_CRM else f"its order {record.key} is {order.state} ({order.code})"


def _differences(evidence: Evidence, seller: str, record: SandboxRecord) -> Iterator[str]:
    order = evidence.orders.get(OrderKey(record.key))
    request = order.request if order is not None else None
    if order is None or not isinstance(request, PurchaseOrder):
        return
    facts = {
        "seller": (order.connection, seller),
        "fingerprint": (request.fingerprint, record.fingerprint),
        "total": (request.total.minor, record.total_minor),
        "record": (order.record.record_id if order.record else None, record.record_id),
    }
    for name, (wanted, got) in facts.items():
        if wanted != got:
            yield f"{name}: the order has {wanted!r}, the record {got!r}"


def _holds(order: OrderData) -> int:
    """Return what an order has set aside or spent, in minor units."""
    if order.state not in HOLDS_MONEY or not isinstance(order.request, PurchaseOrder):
        return 0
    return order.request.total.minor


def _wrong_reservations(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield reservations without an order that holds them, and orders without the reservation that they need."""
    reserved = {
        key: reservation.amount.minor if reservation.amount else 0
        for owner in evidence.owners.values()
        for key, reservation in owner.reservations.items()
    }
    for key, minor in reserved.items():
        order = evidence.orders.get(key)
        if order is None or order.state is OrderState.FULFILLED or _holds(order) != minor:
            yield key, f"{minor} are reserved, but its order is {order.state if order else 'not there'}"
    for key, order in evidence.orders.items():
        if _holds(order) and order.state is not OrderState.FULFILLED and key not in reserved:
            yield key, f"it is {order.state} without a reservation"
