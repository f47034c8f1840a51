"""The judge: compares what the hub says of its one order with the CRM's own records. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from actors.model.needs import NeedKind
from actors.model.orders import OrderState, PurchaseOrder, RecordKind
from actors.model.outcomes import RecordStatus
from actors.purchasing.state import OrderData
from crm_adapters.sandboxing import SandboxRecord
from hub.fault_matrix.cell import SETTLED, Cell, Evidence

_S: Final = OrderState
_IN_CRM: Final = frozenset({_S.CONFIRMED, _S.FULFILLED})
_HOLDS_MONEY: Final = _IN_CRM | {_S.DEAD_LETTER}
_STANDS: Final = frozenset({RecordStatus.CONFIRMED, RecordStatus.FULFILLED})


class Judgement(Struct, frozen=True, kw_only=True):
    """What is wrong with one cell, sentence by sentence; all of it empty where nothing is."""

    unnamed: Sequence[str] = ()
    """It did not end, or without a reason."""
    lost: Sequence[str] = ()
    """The order stands on no record, or a record on no order."""
    doubled: Sequence[str] = ()
    unlike: Sequence[str] = ()
    """Record and order differ, or the money set aside is not what the order holds."""
    unexpected: Sequence[str] = ()
    """It ended in a way that this trouble does not explain."""
    unmet: Sequence[str] = ()
    """The trouble did not happen: the cell proves nothing."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.unnamed, *self.lost, *self.doubled, *self.unlike, *self.unexpected, *self.unmet)


def judge(cell: Cell, evidence: Evidence) -> Judgement:
    """Say what is wrong with a cell."""
    main = RecordKind.SERVICE if cell.flow.need is NeedKind.SERVICE else RecordKind.ORDER
    records = [record for record in evidence.records if record.kind is main]
    visits = [record for record in evidence.records if record.kind is RecordKind.APPOINTMENT]
    order = evidence.order
    expected = cell.trouble.ends_in(cell.flow, cell.phase)
    unexpected = () if order.state in expected else (f"ended {_end(order)}, expected {', '.join(sorted(expected))}",)
    return Judgement(
        unnamed=tuple(_unnamed(order)),
        lost=(*_lost(order, records), *_lost_visits(order, visits)),
        doubled=tuple(
            f"{len(found)} {kind}s" for kind, found in ((main, records), ("appointment", visits)) if len(found) > 1
        ),
        unlike=(*_differences(order, records), *_money(order, evidence.used_minor)),
        unexpected=unexpected,
        unmet=() if evidence.hits else ("the trouble did not happen",),
    )


def _unnamed(order: OrderData) -> Iterator[str]:
    if order.state not in SETTLED:
        waiting = f", waiting: {order.waiting.reason}" if order.waiting else ""
        yield f"it did not end: {_end(order)}: {order.sentence}{waiting}"
    elif not order.code or not order.sentence:
        yield f"{order.state} without a reason"
    elif order.state is _S.DEAD_LETTER and not order.next_step:
        yield f"{_end(order)} tells no next step"


def _lost(order: OrderData, records: Sequence[SandboxRecord]) -> Iterator[str]:
    standing = [record for record in records if record.status is not RecordStatus.CANCELLED]
    if order.state in _IN_CRM and not standing:
        yield f"{_end(order)}, but the CRM has no record"
    elif order.state in SETTLED - _HOLDS_MONEY and standing:
        yield f"{_end(order)}, but the CRM has {standing[0].record_id} ({standing[0].status})"
    if order.state is _S.CONFIRMED and isinstance(order.request, PurchaseOrder):
        for record in standing:
            if record.status not in _STANDS:
                yield f"{_end(order)}, but in the CRM {record.record_id} is {record.status}"


def _lost_visits(order: OrderData, visits: Sequence[SandboxRecord]) -> Iterator[str]:
    known = {order.booking.record_id} if order.booking else set[str]()
    made = {visit.record_id for visit in visits if visit.status is not RecordStatus.CANCELLED}
    if order.state in _IN_CRM and known != made:
        yield f"the order knows the visits {sorted(known)}, the CRM {sorted(made)}"


def _differences(order: OrderData, records: Sequence[SandboxRecord]) -> Iterator[str]:
    request = order.request
    for record in records:
        facts = {"fingerprint": (request.fingerprint if request else None, record.fingerprint)}
        facts["key"] = (request.key.casefold() if request else None, record.key.casefold())
        if order.record is not None:
            facts["record"] = (order.record.record_id, record.record_id)
        if order.state in _IN_CRM and isinstance(request, PurchaseOrder):
            facts["total"] = (str(request.total.minor), str(record.total_minor))
        for name, (ours, theirs) in facts.items():
            if ours != theirs:
                yield f"{name}: the order has {ours!r}, the record {theirs!r}"


def _money(order: OrderData, used_minor: int) -> Iterator[str]:
    holds = order.state in _HOLDS_MONEY and isinstance(order.request, PurchaseOrder)
    held = order.request.total.minor if holds and isinstance(order.request, PurchaseOrder) else 0
    if order.state in SETTLED and used_minor != held:
        yield f"{used_minor} minor units are set aside, but {_end(order)} holds {held}"


def _end(order: OrderData) -> str:
    return f"{order.state}/{order.code}"
