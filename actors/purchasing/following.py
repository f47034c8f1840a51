"""What people in the CRM do to a record that is ours: the order follows, by its table of states."""

from typing import Final

from actors.dialogue import LookUp
from actors.model.money import Money
from actors.model.needs import NeedKind
from actors.model.orders import OrderState, PurchaseOrder, RecordKind
from actors.model.outcomes import CrmRecord, FindOutcome, Found, RecordStatus
from actors.purchasing.ending import confirm, end, hand_to_person, watch
from actors.purchasing.events import RecordKnown
from actors.purchasing.expecting import is_overdue
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.turn import Turn
from actors.purchasing.visiting import hear_booking, is_booking, wants_visit

_S = OrderState
_AT_CRM: Final = frozenset({_S.PLACED, _S.CONFIRMED})
_UNDER_WAY: Final = frozenset({_S.PLACING, _S.UNKNOWN, _S.RECONCILING, _S.CANCELLING})
"""An answer is awaited that will say more than a record heard of meanwhile."""


def hear(turn: Turn, settings: PurchasingSettings, connection: str, record: CrmRecord) -> None:
    """Take a record as the CRM tells it by itself."""
    if connection != turn.data.connection or turn.data.request is None:
        return
    if record.kind is RecordKind.APPOINTMENT:
        hear_booking(turn, settings, record)
    elif record.kind is not record_kind(turn) or not _is_ours(turn, record):
        return
    elif turn.data.state in _UNDER_WAY or is_booking(turn):
        turn.remind("status", settings.status_s)
    elif turn.data.state in _AT_CRM:
        _take_record(turn, settings, record)
    elif turn.data.state is _S.DEAD_LETTER:
        _hear_as_dead_letter(turn, record)


def ask_status(turn: Turn, settings: PurchasingSettings) -> None:
    """Look at the record again, or later where an answer is awaited."""
    if turn.data.state in _UNDER_WAY:
        turn.remind("status", settings.status_s)
    elif (turn.data.state in _AT_CRM or is_overdue(turn.data)) and turn.data.record is not None:
        turn.work(turn.data.connection, LookUp(key=turn.key, kind=record_kind(turn)))


def take_status(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    """Take what a look-up found. A record that is not there is a person's case, once reconciliation has seen it."""
    if is_overdue(turn.data):
        if isinstance(outcome, Found) and _is_ours(turn, outcome.record):
            _hear_as_dead_letter(turn, outcome.record)
        if is_overdue(turn.data):
            watch(turn, settings)
        return
    if turn.data.state not in _AT_CRM:
        return
    if isinstance(outcome, Found) and not is_booking(turn) and _is_ours(turn, outcome.record):
        _take_record(turn, settings, outcome.record)
    else:
        watch(turn, settings)


def _is_ours(turn: Turn, record: CrmRecord) -> bool:
    """Say whether this is the record of this order: another may have our key, and some CRMs keep no fingerprint."""
    known, request = turn.data.record, turn.data.request
    if known is not None and known.record_id != record.record_id:
        return False
    if record.fingerprint is None:
        return known is not None
    return request is not None and record.fingerprint == request.fingerprint


def _take_record(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    before = turn.data.record
    if record != before:
        turn.happen(RecordKnown(record=record))
    told = f" ({record.status_text})" if record.status_text else ""
    match record.status:
        case RecordStatus.CANCELLED:
            end(turn, _S.CANCELLED, "cancelled_in_crm", f"cancelled in the CRM{told}")
        case RecordStatus.FULFILLED:
            end(turn, _S.FULFILLED, "fulfilled_in_crm", f"done, says the CRM{told}")
        case _ if dearer := _dearer(turn, before, record):
            hand_to_person(turn, "dearer_in_crm", dearer)
        case RecordStatus.CONFIRMED if turn.data.state is _S.PLACED and not wants_visit(turn, settings):
            confirm(turn, settings)
        case _:
            _note_total(turn, before, record)
            watch(turn, settings)


def _hear_as_dead_letter(turn: Turn, record: CrmRecord) -> None:
    """A person decides; but what the CRM says helps, and a record cancelled or fulfilled there decides it."""
    before = turn.data.record
    if record == before:
        return
    turn.happen(RecordKnown(record=record))
    if record.status is RecordStatus.CANCELLED:
        end(turn, _S.CANCELLED, "cancelled_in_crm", "cancelled in the CRM")
        return
    if record.status is RecordStatus.FULFILLED and is_overdue(turn.data):
        end(turn, _S.FULFILLED, "fulfilled_in_crm", "done, says the CRM, later than it was awaited")
        return
    turn.note("crm_record", f"the CRM says: {record.name} is {record.status}", record=record)


def _dearer(turn: Turn, before: CrmRecord | None, record: CrmRecord) -> str:
    """Return what a person must agree to: a total that was raised in the CRM, above what was ordered."""
    ordered, known = _ordered(turn), None if before is None else before.total
    if ordered is None or known is None or record.total is None or record.total == known:
        return ""
    if record.total.currency == ordered.currency and record.total.minor <= ordered.minor:
        return ""
    return f"the total was changed in the CRM from {known} to {record.total}; {ordered} was ordered"


def _note_total(turn: Turn, before: CrmRecord | None, record: CrmRecord) -> None:
    if before is not None and None not in (before.total, record.total) and before.total != record.total:
        turn.note("crm_record", f"the total was changed in the CRM from {before.total} to {record.total}")


def _ordered(turn: Turn) -> Money | None:
    return turn.data.request.total if isinstance(turn.data.request, PurchaseOrder) else None


def record_kind(turn: Turn) -> RecordKind:
    """Return which kind of CRM record this order becomes."""
    return RecordKind.SERVICE if turn.order.need.kind is NeedKind.SERVICE else RecordKind.ORDER
