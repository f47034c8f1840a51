"""What differs between an order as the hub shows it and a record as the CRM holds it: pure."""

from typing import Final

from actors.model.findings import Finding, FindingCode
from actors.model.ids import OrderKey, OwnerId
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import CrmRecord, RecordStatus
from actors.purchasing.view import OrderView

PROOF: Final = "I2CPROOF"
"""Keys of test orders, which ``crm prove`` places and tells a person to remove."""
_S, _C = OrderState, FindingCode
_IN_DOUBT: Final = frozenset({_S.PLACING, _S.UNKNOWN, _S.RECONCILING, _S.CANCELLING})
"""An answer is awaited that will say more."""
_COUNTS_ON_IT: Final = frozenset({_S.PLACED, _S.CONFIRMED, _S.FULFILLED, _S.DEAD_LETTER})
LOOKED_UP: Final = frozenset({_S.PLACED, _S.CONFIRMED})
"""States in which an order's record must be there."""
_NEXT_STEPS: Final = {
    _C.RECORD_UNKNOWN: "ask who placed it; cancel it in the CRM, or let another hub's installation answer for it",
    _C.RECORD_NOT_TAKEN: "cancel the record in the CRM, or approve the order where it waits for a person",
    _C.RECORD_DOUBLE: "cancel one of the two records in the CRM; the order counts on the other one",
    _C.RECORD_ELSEWHERE: "cancel this record in the CRM; the order was placed at another connection",
    _C.RECORD_GONE: "restore the record in the CRM, or cancel the order and let its thing ask again",
    _C.FINGERPRINT_DIFFERS: "look who made the record; cancel it in the CRM when it is not the order's",
    _C.TOTAL_DIFFERS: "compare the record with the order; correct the CRM, or approve or cancel the order",
    _C.NOT_READABLE: "give the hub's user the right to read the record; `iot2crm crm check NAME` tells more",
}


def difference(connection: str, record: CrmRecord, order: OrderView | None) -> Finding | None:
    """Return what is wrong about a record that the CRM holds under a key of ours; ``order`` is whom it belongs to."""
    if record.status is RecordStatus.CANCELLED or record.key.startswith(PROOF):
        return None
    name = record.name
    if order is None:
        return _finding(connection, record, None, _C.RECORD_UNKNOWN, f"no order of this hub has the key of {name}")
    if order.state in _IN_DOUBT:
        return None
    if record.kind is RecordKind.APPOINTMENT:
        return _visit_difference(connection, record, order, name)
    return _record_difference(connection, record, order, name)


def gone(connection: str, order: OrderView) -> Finding | None:
    """Return what is wrong when the CRM surely holds no record of an order."""
    if order.state not in LOOKED_UP or order.record is None:
        return None
    told = f"order {order.key} is {order.state}, and its record {order.record.name} is gone"
    return _finding(connection, order.record, order, _C.RECORD_GONE, told)


def not_readable(connection: str, order: OrderView, why: str) -> Finding | None:
    """Return what is wrong when the CRM does not show an order's record."""
    if order.record is None:
        return None
    return _finding(connection, order.record, order, _C.NOT_READABLE, f"the record of order {order.key}: {why}")


def _record_difference(connection: str, record: CrmRecord, order: OrderView, name: str) -> Finding | None:
    if None not in (record.fingerprint, order.fingerprint or None) and record.fingerprint != order.fingerprint:
        told = f"{name} has the key of order {order.key} and another fingerprint"
        return _finding(connection, record, order, _C.FINGERPRINT_DIFFERS, told)
    if order.connection != connection:
        told = f"{name} stands here, and order {order.key} is at {order.connection or 'no connection yet'}"
        return _finding(connection, record, order, _C.RECORD_ELSEWHERE, told)
    if order.state not in _COUNTS_ON_IT or order.record is None:
        told = f"{name} stands, and order {order.key} is {order.state} ({order.code})"
        return _finding(connection, record, order, _C.RECORD_NOT_TAKEN, told)
    if order.record.record_id != record.record_id:
        told = f"{name} stands beside {order.record.name}, both for order {order.key}"
        return _finding(connection, record, order, _C.RECORD_DOUBLE, told)
    return _total_difference(connection, record, order, name)


def _total_difference(connection: str, record: CrmRecord, order: OrderView, name: str) -> Finding | None:
    """A lower total, and one that a person agreed to, are no difference: the order knows them."""
    is_known = order.record is not None and order.record.total == record.total and order.code != "dearer_in_crm"
    if record.total is None or order.total is None or is_known:
        return None
    if record.total.currency == order.total.currency and record.total.minor <= order.total.minor:
        return None
    told = f"{name} costs {record.total}, and order {order.key} was for {order.total}"
    return _finding(connection, record, order, _C.TOTAL_DIFFERS, told)


def _visit_difference(connection: str, record: CrmRecord, order: OrderView, name: str) -> Finding | None:
    known = order.booking is not None and order.booking.record_id == record.record_id
    is_booking = order.state is _S.PLACED and order.booking is None
    if (known and order.state in _COUNTS_ON_IT) or is_booking:
        return None
    told = f"visit {name} stands, and order {order.key} is {order.state} and does not count on it"
    return _finding(connection, record, order, _C.RECORD_NOT_TAKEN, told)


def _finding(connection: str, record: CrmRecord, order: OrderView | None, code: FindingCode, sentence: str) -> Finding:
    return Finding(
        finding_id=f"{connection}/{code}/{record.record_id or record.key}",
        connection=connection,
        code=code,
        kind=record.kind,
        key=OrderKey(record.key),
        record_id=record.record_id,
        order=None if order is None else order.key,
        owner_id=OwnerId("") if order is None else order.owner_id,
        sentence=sentence,
        next_step=_NEXT_STEPS[code],
    )
