"""From an approved order to a confirmed one: clearance, placing, doubt, proof, the visit, and the end."""

from datetime import timedelta

from actors.dialogue import (
    AskClearance,
    AttemptEnded,
    BookTime,
    CancelRecord,
    LookUp,
    OrderProgressed,
    PlaceRequest,
    SearchTimes,
    SettleReservation,
    TakeTurn,
    thing_address,
)
from actors.model.ids import OrderKey, fingerprint
from actors.model.mandates import Verdict
from actors.model.needs import NeedKind
from actors.model.orders import AppointmentBooking, AppointmentQuery, OrderState, PurchaseOrder, RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Conflict,
    Created,
    CrmRecord,
    Duplicate,
    FindOutcome,
    Found,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    Throttled,
    TimeSlots,
    TimeSlotsOutcome,
    Transient,
    Unsupported,
)
from actors.purchasing.choosing import booking_key_of
from actors.purchasing.sourcing import PurchasingSettings, block, queue, source
from actors.purchasing.state import (
    BookingKnown,
    BookingStarted,
    ClearanceAsked,
    NeedEnded,
    PlacingStarted,
    RecordKnown,
    SlotChosen,
)
from actors.purchasing.turn import Turn

_CONFLICT_S = 1.0
_UNDER_WAY = frozenset(
    {
        OrderState.PLACING,
        OrderState.UNKNOWN,
        OrderState.RECONCILING,
        OrderState.CANCELLING,
        OrderState.DEAD_LETTER,
    }
)
_PERSON = "look at the CRM record and decide: place again under the same key, accept the record, or cancel"


def take_turn(turn: Turn, settings: PurchasingSettings) -> None:
    """The desk is ready: have everything checked once more before anything leaves."""
    if turn.data.clearing:
        return
    if turn.data.state is OrderState.PLACED and turn.data.slot is not None and turn.data.booking is None:
        _ask_clearance(turn, "book")
        return
    if turn.data.state is not OrderState.APPROVED:
        return
    offer = turn.data.offer
    if offer is not None and offer.expires_at is not None and offer.expires_at <= turn.now:
        turn.move(OrderState.DRAFTED, "offer_expired", "the offer ran out while waiting; asking the sellers again")
        source(turn, settings)
        return
    _ask_clearance(turn, "place")


def take_clearance(turn: Turn, settings: PurchasingSettings, verdict: Verdict, sentence: str) -> None:
    """Only with the owner's clearance does the request leave, and only after this turn is durable."""
    purpose = turn.data.clearing
    if not purpose:
        return
    if verdict is not Verdict.ALLOWED:
        turn.note("clearance", sentence, verdict=verdict)
        if purpose == "place":
            block(turn, settings, verdict, sentence)
        else:
            turn.happen(ClearanceAsked(purpose=""))
            turn.pause(sentence)
            turn.remind("times", settings.times_s)
        return
    attempt = turn.data.attempt + 1
    if purpose == "book":
        _book(turn, settings, attempt)
        return
    assert turn.data.request is not None  # noqa: S101 - approved orders have one
    turn.happen(PlacingStarted(attempt=attempt))
    turn.move(OrderState.PLACING, "placing", f"placing at {turn.data.connection}, attempt {attempt}")
    turn.work(turn.data.connection, PlaceRequest(request=turn.data.request, attempt=attempt))


def take_place_outcome(turn: Turn, settings: PurchasingSettings, attempt: int, outcome: PlaceOutcome) -> None:
    """Sort how placing ended: known, surely not written, refused, or in doubt."""
    if turn.data.state is not OrderState.PLACING or attempt != turn.data.attempt:
        return
    turn.tell_owner(AttemptEnded(key=turn.key))
    match outcome:
        case Created(record=record):
            take_record(turn, settings, record, "the CRM made the record")
        case Duplicate(record=record):
            take_record(turn, settings, record, "the CRM had the record already, from an earlier attempt of ours")
        case Ambiguous(reason=reason):
            turn.move(
                OrderState.UNKNOWN, "answer_lost", f"the answer was lost ({reason}); nothing is sent again unseen"
            )
            look_up(turn)
        case Transient(reason=reason) | Conflict(reason=reason) | AuthFailed(reason=reason):
            after_s = _CONFLICT_S if isinstance(outcome, Conflict) else 0.0
            if _place_again(
                turn, "not_placed_yet", f"surely not placed: {reason}; tried again as soon as possible", after_s
            ):
                turn.pause(reason)
        case Throttled(retry_after_s=after_s, reason=reason):
            if _place_again(turn, "throttled", f"the CRM asks to wait {after_s:.0f} s: {reason}", after_s):
                turn.pause(reason, turn.now + timedelta(seconds=after_s))
        case Permanent(code=code, message=message, field=field):
            where = f" (field {field})" if field else ""
            _end(turn, OrderState.REJECTED, f"crm_{code}", f"the CRM refused it: {message}{where}", _mend(code))
        case Unsupported(capability=capability):
            _end(
                turn,
                OrderState.REJECTED,
                "unsupported",
                f"this connection cannot do it: {capability}",
                _mend("mapping"),
            )


def look_up(turn: Turn) -> None:
    """Ask the CRM whether it holds our record; only its evidence leads out of doubt.

    Its settle time counts from now: the request may have left later than it was decided, and been answered later still.
    """
    turn.move(OrderState.RECONCILING, "looking_up", "asking the CRM whether it holds the order")
    job = LookUp(key=turn.key, kind=_kind(turn), placed_at=turn.now)
    turn.work(turn.data.connection, job)


def take_look_up(turn: Turn, settings: PurchasingSettings, kind: RecordKind, outcome: FindOutcome) -> None:
    """Take the proof either way."""
    if kind is RecordKind.APPOINTMENT:
        _take_booking_proof(turn, settings, outcome)
        return
    if turn.data.state is OrderState.RECONCILING:
        _take_proof(turn, settings, outcome)
    elif isinstance(outcome, Found):
        take_status(turn, settings, outcome.record)


def _take_proof(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    match outcome:
        case Found(record=record):
            take_record(turn, settings, record, "found by its key: the lost answer was a yes")
        case Absent():
            _place_again(turn, "proven_absent", "the CRM holds no such order; it is placed again under the same key")
        case Permanent(code=code, message=message):
            _for_a_person(turn, f"lookup_{code}", f"the CRM refuses to say whether it holds the order: {message}")
        case _:
            _for_a_person(turn, "lookup_failed", "it cannot be found out whether the CRM holds the order")


def _place_again(turn: Turn, code: str, sentence: str, after_s: float = 0.0) -> bool:
    """Wait for the desk once more, unless the need is over by now; say whether it waits."""
    if not turn.data.need_over:
        queue(turn, code, sentence, after_s)
        return True
    turn.move(OrderState.APPROVED, code, sentence)
    _end(turn, OrderState.CANCELLED, "need_gone", f"no longer needed: {turn.data.need_over}")
    return False


def take_record(turn: Turn, settings: PurchasingSettings, record: CrmRecord, how: str) -> None:
    """Our record is in the CRM, unless the fingerprint says that it is somebody else's."""
    expected = turn.data.request.fingerprint if turn.data.request else None
    if record.fingerprint != expected:
        told = f"record {record.number or record.record_id} has our key, but another fingerprint"
        _for_a_person(turn, "foreign_record", told)
        return
    turn.happen(RecordKnown(record=record))
    name = record.number or record.record_id
    turn.move(OrderState.PLACED, "placed", f"{how}: {name} at {turn.data.connection}")
    turn.note("crm_record", f"{name} at {turn.data.connection}", record=record)
    if turn.data.need_over:
        _end(turn, OrderState.FULFILLED, "need_met", turn.data.need_over)
    else:
        _after_placed(turn, settings, record)


def take_status(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    """Follow what people did to the record in the CRM."""
    if turn.data.state not in {OrderState.PLACED, OrderState.CONFIRMED}:
        return
    turn.happen(RecordKnown(record=record))
    match record.status:
        case RecordStatus.CANCELLED:
            _end(turn, OrderState.CANCELLED, "cancelled_in_crm", f"cancelled in the CRM ({record.status_text})")
        case RecordStatus.FULFILLED:
            _end(turn, OrderState.FULFILLED, "fulfilled_in_crm", f"done, says the CRM ({record.status_text})")
        case RecordStatus.CONFIRMED if turn.data.state is OrderState.PLACED and not _wants_visit(turn, settings):
            confirm(turn)
        case _:
            turn.remind("status", settings.status_s)


def _after_placed(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    if _wants_visit(turn, settings):
        search_times(turn, settings)
    elif record.status in {RecordStatus.CONFIRMED, RecordStatus.FULFILLED} or not isinstance(
        turn.data.request, PurchaseOrder
    ):
        confirm(turn)
    else:
        turn.remind("status", settings.status_s)


def confirm(turn: Turn) -> None:
    """The CRM stands by it."""
    visit = f", visit {turn.data.slot.starts_at:%d %b %H:%M} UTC" if turn.data.booking and turn.data.slot else ""
    name = turn.data.record.number or turn.data.record.record_id if turn.data.record else turn.key
    turn.move(OrderState.CONFIRMED, "confirmed", f"{name} is confirmed by {turn.data.connection}{visit}")
    turn.forget("expiry")
    _tell_thing(turn)


def search_times(turn: Turn, settings: PurchasingSettings) -> None:
    """Look for a time at which a technician can come."""
    assert turn.data.record is not None  # noqa: S101 - only placed requests get a visit
    query = AppointmentQuery(
        service_key=turn.key,
        record_id=turn.data.record.record_id,
        duration_minutes=turn.order.need.duration_minutes,
        not_before=turn.now,
        not_after=turn.now + timedelta(days=settings.visit_within_days),
    )
    turn.work(turn.data.connection, SearchTimes(query=query))


def take_times(turn: Turn, settings: PurchasingSettings, outcome: TimeSlotsOutcome) -> None:
    """Take the earliest time; the booking then waits for its turn like every request."""
    if turn.data.state is not OrderState.PLACED or turn.data.booking is not None:
        return
    if isinstance(outcome, TimeSlots) and outcome.slots:
        slot = outcome.slots[0]
        turn.happen(SlotChosen(slot=slot))
        turn.note("visit", f"earliest time: {slot.starts_at:%d %b %H:%M} UTC with {slot.resource}", slot=slot)
        turn.work(turn.data.connection, TakeTurn(reason="visit"))
        return
    reason = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or "nobody is free"
    turn.pause(f"no time for a visit: {reason}", turn.now + timedelta(seconds=settings.times_s))
    turn.remind("times", settings.times_s)


def take_booking_outcome(turn: Turn, settings: PurchasingSettings, outcome: PlaceOutcome) -> None:
    """Sort how booking ended; a slot that another took leads to a new search."""
    if turn.data.state is not OrderState.PLACED or turn.data.booking is not None:
        return
    turn.tell_owner(AttemptEnded(key=turn.key))
    match outcome:
        case Created(record=record) | Duplicate(record=record):
            turn.happen(BookingKnown(record=record))
            turn.note("visit", f"booked: {record.number or record.record_id}", record=record)
            confirm(turn)
        case Ambiguous(reason=reason):
            turn.note("visit", f"the answer to the booking was lost ({reason}); asking the CRM")
            key = _booking_key(turn, settings)
            job = LookUp(key=key, kind=RecordKind.APPOINTMENT, placed_at=turn.now)
            turn.work(turn.data.connection, job)
        case Permanent(message=message):
            _search_again(turn, settings, message)
        case Unsupported():
            confirm(turn)
        case _:
            turn.pause(getattr(outcome, "reason", ""))
            turn.work(turn.data.connection, TakeTurn(after_s=getattr(outcome, "retry_after_s", _CONFLICT_S)))


def cancel(turn: Turn, by: str, reason: str) -> str:
    """Take a person's wish to cancel; return what it led to."""
    match turn.data.state:
        case OrderState.PLACED | OrderState.CONFIRMED:
            turn.move(OrderState.CANCELLING, "cancelling", f"{by} cancels: {reason}; asking {turn.data.connection}")
            turn.work(turn.data.connection, CancelRecord(key=turn.key, kind=_kind(turn), reason=reason))
            return "cancelling"
        case OrderState.PLACING | OrderState.UNKNOWN | OrderState.RECONCILING | OrderState.CANCELLING:
            return f"cannot be cancelled while {turn.data.state}; try again when the CRM has answered"
        case OrderState.FULFILLED | OrderState.REJECTED | OrderState.CANCELLED | OrderState.EXPIRED:
            return f"ended already: {turn.data.state}"
        case _:
            _end(turn, OrderState.CANCELLED, "cancelled_by_person", f"{by} cancelled: {reason}")
            return "cancelled"


def take_cancelled(turn: Turn, outcome: FindOutcome) -> None:
    """Take the CRM's word on cancelling."""
    if turn.data.state is not OrderState.CANCELLING:
        return
    match outcome:
        case Found(record=record) if record.status is RecordStatus.CANCELLED:
            turn.happen(RecordKnown(record=record))
            _end(turn, OrderState.CANCELLED, "cancelled_in_crm", "cancelled in the CRM")
        case Absent():
            _end(turn, OrderState.CANCELLED, "cancelled_in_crm", "the CRM holds no such record")
        case _:
            why = getattr(outcome, "message", "") or getattr(outcome, "reason", "") or "it stays as it was"
            turn.move(OrderState.CONFIRMED, "not_cancelled", f"the CRM did not cancel it: {why}", "ask the seller")
            if turn.data.need_over:
                _end(turn, OrderState.FULFILLED, "need_met", turn.data.need_over)


def close_need(turn: Turn, reason: str, *, dismissed: bool) -> None:
    """The need is over: what was not sent is cancelled, what was placed is fulfilled, what is in doubt ends later."""
    state = turn.data.state
    if state in {OrderState.PLACED, OrderState.CONFIRMED} and not dismissed:
        _end(turn, OrderState.FULFILLED, "need_met", reason)
    elif state in {OrderState.DRAFTED, OrderState.AWAITING_APPROVAL, OrderState.APPROVED, OrderState.BLOCKED}:
        _end(turn, OrderState.CANCELLED, "need_gone", f"no longer needed: {reason}")
    else:
        turn.note("need_closed", reason)
        if not dismissed and state in _UNDER_WAY:
            turn.happen(NeedEnded(reason=reason))


def expire(turn: Turn) -> None:
    """Nothing came of it in time."""
    if turn.data.state in {OrderState.DRAFTED, OrderState.AWAITING_APPROVAL, OrderState.APPROVED, OrderState.BLOCKED}:
        last = turn.data.waiting.reason if turn.data.waiting else turn.data.sentence
        _end(turn, OrderState.EXPIRED, "expired", f"given up after the set time; the last reason was: {last}")


def reject(turn: Turn, by: str, reason: str) -> str:
    """Take a person's no."""
    if turn.data.state is not OrderState.AWAITING_APPROVAL:
        return f"not awaiting approval: {turn.data.state}"
    _end(turn, OrderState.REJECTED, "rejected_by_person", f"{by} refused: {reason}")
    return "rejected"


def _ask_clearance(turn: Turn, purpose: str) -> None:
    turn.happen(ClearanceAsked(purpose=purpose))
    need = turn.order.need
    turn.tell_owner(AskClearance(key=turn.key, thing_id=need.thing_id, kind=need.kind))


def _book(turn: Turn, settings: PurchasingSettings, attempt: int) -> None:
    record, slot = turn.data.record, turn.data.slot
    assert record is not None  # noqa: S101 - only placed requests get a visit
    assert slot is not None  # noqa: S101 - cleared for this slot
    key = _booking_key(turn, settings)
    turn.happen(BookingStarted(attempt=attempt))
    turn.note("visit", f"booking {slot.starts_at:%d %b %H:%M} UTC", booking=key)
    booking = AppointmentBooking(
        key=key,
        fingerprint=fingerprint(key, slot.reference),
        service_key=turn.key,
        record_id=record.record_id,
        slot=slot,
        site=turn.order.place,
    )
    turn.work(turn.data.connection, BookTime(booking=booking, attempt=attempt))


def _booking_key(turn: Turn, settings: PurchasingSettings) -> OrderKey:
    return booking_key_of(settings.installation, turn.order.need, turn.data.booking_rounds)


def _take_booking_proof(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    match outcome:
        case Found(record=record):
            take_booking_outcome(turn, settings, Duplicate(record=record))
        case Absent():
            turn.work(turn.data.connection, TakeTurn(reason="visit"))
        case _:
            _for_a_person(turn, "visit_unknown", "it cannot be found out whether the visit is booked")


def _search_again(turn: Turn, settings: PurchasingSettings, message: str) -> None:
    turn.note("visit", f"that time cannot be booked: {message}")
    if turn.data.booking_rounds >= settings.booking_rounds:
        _for_a_person(turn, "no_visit", f"no visit could be booked: {message}")
        return
    search_times(turn, settings)


def _wants_visit(turn: Turn, settings: PurchasingSettings) -> bool:
    can = settings.connections.get(turn.data.connection)
    return turn.order.need.kind is NeedKind.SERVICE and can is not None and can.appointments


def _kind(turn: Turn) -> RecordKind:
    return RecordKind.SERVICE if turn.order.need.kind is NeedKind.SERVICE else RecordKind.ORDER


def _end(turn: Turn, state: OrderState, code: str, sentence: str, next_step: str = "") -> None:
    """Reach an end: free what is reserved and tell the thing."""
    turn.move(state, code, sentence, next_step)
    for name in ("expiry", "advice", "offers", "source_again", "status", "times", "blocked"):
        turn.forget(name)
    spent = None
    if state is OrderState.FULFILLED and isinstance(turn.data.request, PurchaseOrder):
        spent = turn.data.request.total
    turn.tell_owner(SettleReservation(key=turn.key, spent=spent))
    _tell_thing(turn)


def _for_a_person(turn: Turn, code: str, sentence: str) -> None:
    turn.move(OrderState.DEAD_LETTER, code, sentence, _PERSON)
    _tell_thing(turn)


def _tell_thing(turn: Turn) -> None:
    need = turn.order.need
    progress = OrderProgressed(
        key=turn.key,
        subject=need.subject,
        state=turn.data.state,
        sentence=turn.data.sentence,
        sku=turn.data.offer.sku if turn.data.offer else "",
        price=turn.data.offer.landed if turn.data.offer else None,
    )
    turn.tell(thing_address(need.thing_id), progress)


def _mend(code: str) -> str:
    return f"mend what the CRM names ({code}) in its mapping or data, then raise the need again"
