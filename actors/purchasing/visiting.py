"""The visit of a service request: find a time, have it cleared, book it once, and prove it when the answer is lost."""

from datetime import timedelta

from actors.dialogue import (
    AskClearance,
    AttemptEnded,
    BookTime,
    DropVisit,
    FollowVisit,
    GiveBackTurn,
    LookUp,
    SearchTimes,
    connection_address,
)
from actors.model.ids import OrderKey, fingerprint
from actors.model.needs import NeedKind
from actors.model.orders import AppointmentBooking, AppointmentQuery, OrderState, RecordKind, TimeSlot
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    Created,
    CrmRecord,
    Duplicate,
    FindOutcome,
    Found,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    TimeSlots,
    TimeSlotsOutcome,
    Unsupported,
)
from actors.purchasing.choosing import booking_key_of
from actors.purchasing.ending import confirm, hand_to_person, tell_thing
from actors.purchasing.events import BookingKnown, BookingStarted, ClearanceAsked, SlotChosen, SlotLost, VisitMoved
from actors.purchasing.events import VisitStep as Step
from actors.purchasing.sourcing import PurchasingSettings
from actors.purchasing.turn import Turn


def wants_visit(turn: Turn, settings: PurchasingSettings) -> bool:
    """Say whether this is a service request at a CRM that books technicians."""
    can = settings.connections.get(turn.data.connection)
    return turn.order.need.kind is NeedKind.SERVICE and can is not None and can.appointments


def is_booking(turn: Turn) -> bool:
    """Say whether a booking is on its way or in doubt."""
    return turn.data.visit in {Step.BOOKING, Step.PROVING}


def search_times(turn: Turn, settings: PurchasingSettings) -> None:
    """Look for a time at which a technician can come, unless the visit is further already."""
    record = turn.data.record
    if record is None or turn.data.visit not in {Step.NONE, Step.WAITING}:
        return
    turn.happen(VisitMoved(to=Step.SEARCHING))
    query = AppointmentQuery(
        service_key=turn.key,
        record_id=record.record_id,
        duration_minutes=turn.order.need.duration_minutes,
        not_before=turn.now,
        not_after=turn.now + timedelta(days=settings.visit_within_days),
    )
    turn.work(turn.data.connection, SearchTimes(query=query))


def take_times(turn: Turn, settings: PurchasingSettings, outcome: TimeSlotsOutcome) -> None:
    """Take the earliest time; the booking then waits for its turn like every request."""
    if turn.data.state is not OrderState.PLACED or turn.data.visit is not Step.SEARCHING:
        return
    if isinstance(outcome, TimeSlots) and outcome.slots:
        slot = outcome.slots[0]
        turn.happen(SlotChosen(slot=slot))
        turn.note("visit", f"earliest time: {slot.starts_at:%d %b %H:%M} UTC with {slot.resource}", slot=slot)
        turn.stand_in_line("visit")
        return
    reason = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or "nobody is free"
    wait(turn, settings, f"no time for a visit: {reason}")


def wait(turn: Turn, settings: PurchasingSettings, reason: str) -> None:
    """Search again later."""
    turn.happen(VisitMoved(to=Step.WAITING))
    turn.remind("times", settings.times_s)
    turn.pause(reason, turn.now + timedelta(seconds=settings.times_s))


def ask_to_book(turn: Turn) -> None:
    """The desk is ready: have the booking cleared."""
    if turn.data.visit is not Step.QUEUED:
        turn.work(turn.data.connection, GiveBackTurn())
        return
    turn.happen(ClearanceAsked(purpose="book"))
    need = turn.order.need
    turn.tell_owner(AskClearance(key=turn.key, thing_id=need.thing_id, kind=need.kind))


def book(turn: Turn, settings: PurchasingSettings) -> None:
    """Cleared: the booking leaves as soon as this turn is durable."""
    record, slot = turn.data.record, turn.data.slot
    if record is None or slot is None:
        raise LookupError(f"order {turn.key} was cleared for a booking without record or time")
    key = _key(turn, settings)
    attempt = turn.data.attempt + 1
    turn.happen(BookingStarted(attempt=attempt))
    turn.note("visit", f"booking {slot.starts_at:%d %b %H:%M} UTC", booking=key)
    booking = AppointmentBooking(
        key=key,
        fingerprint=_mark(key, slot),
        service_key=turn.key,
        record_id=record.record_id,
        slot=slot,
        site=turn.order.place,
        thing_id=turn.order.need.thing_id,
    )
    turn.tell(connection_address(turn.data.connection), FollowVisit(key=key, order=turn.key))
    turn.work(turn.data.connection, BookTime(booking=booking, attempt=attempt))


def take_booking_outcome(turn: Turn, settings: PurchasingSettings, attempt: int, outcome: PlaceOutcome) -> None:
    """Sort how booking ended; a time that another took leads to a new search."""
    data = turn.data
    if data.state is not OrderState.PLACED or data.visit is not Step.BOOKING or attempt != data.attempt:
        return
    if isinstance(outcome, Ambiguous):
        turn.happen(VisitMoved(to=Step.PROVING))
        turn.note("visit", f"the answer to the booking was lost ({outcome.reason}); asking the CRM")
        job = LookUp(key=_key(turn, settings), kind=RecordKind.APPOINTMENT, placed_at=turn.now)
        turn.work(turn.data.connection, job)
        return
    turn.tell_owner(AttemptEnded(key=turn.key))
    match outcome:
        case Created(record=record):
            _booked(turn, settings, record)
        case Duplicate(record=record):
            _booked_before(turn, settings, record)
        case Permanent(message=message):
            _search_again(turn, settings, message)
        case Unsupported():
            turn.happen(VisitMoved(to=Step.NONE))
            confirm(turn, settings)
        case _:
            reason = outcome.reason
            after_s = turn.again_s(settings.place_again_s, settings.longest_again_s, outcome)
            turn.happen(VisitMoved(to=Step.QUEUED))
            turn.pause(reason)
            turn.stand_in_line(reason, after_s)


def take_booking_proof(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    """Take the CRM's word on a booking in doubt."""
    if turn.data.state is not OrderState.PLACED or turn.data.visit is not Step.PROVING:
        return
    match outcome:
        case Found(record=record):
            turn.tell_owner(AttemptEnded(key=turn.key))
            _booked_before(turn, settings, record)
        case Absent():
            turn.tell_owner(AttemptEnded(key=turn.key))
            turn.happen(VisitMoved(to=Step.QUEUED))
            turn.stand_in_line("visit")
        case _:
            hand_to_person(turn, "visit_unknown", "it cannot be found out whether the visit is booked")


def _booked(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    turn.happen(BookingKnown(record=record))
    turn.note("visit", f"booked: {record.name}", record=record)
    confirm(turn, settings)


def _booked_before(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    """A booking with our key counts as ours unless it carries another mark; some CRMs keep none on appointments."""
    slot = turn.data.slot
    if slot is not None and record.fingerprint in {None, _mark(_key(turn, settings), slot)}:
        _booked(turn, settings, record)
        return
    told = f"booking {record.name} has our key, but another fingerprint"
    hand_to_person(turn, "foreign_booking", told)


def hear_booking(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    """Follow what people in the CRM did to the visit: moved it, or took it out of the calendar."""
    booking = turn.data.booking
    if booking is None or record.key != booking.key or turn.data.state not in {OrderState.PLACED, OrderState.CONFIRMED}:
        return
    if record.status is RecordStatus.CANCELLED:
        _lose_booking(turn, settings, record)
    elif record != booking:
        _take_booking(turn, record)


def _take_booking(turn: Turn, record: CrmRecord) -> None:
    before = turn.data.slot
    turn.happen(BookingKnown(record=record))
    slot = turn.data.slot
    if slot is None or before is None or (slot.starts_at, slot.ends_at) == (before.starts_at, before.ends_at):
        return
    told = (
        f"the visit was moved in the CRM: now {slot.starts_at:%d %b %H:%M} UTC, before {before.starts_at:%d %b %H:%M}"
    )
    turn.move(turn.data.state, "visit_moved", told)
    tell_thing(turn)


def _lose_booking(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    """The request stands without a visit: book another time, as for one that somebody else took."""
    turn.tell(connection_address(turn.data.connection), DropVisit(key=record.key))
    if turn.data.state is OrderState.CONFIRMED:
        told = f"the visit was cancelled in the CRM ({record.status_text}); looking for another time"
        turn.move(OrderState.PLACED, "visit_cancelled", told)
        turn.remind("expiry", settings.expiry_days * 86400)
        tell_thing(turn)
    _search_again(turn, settings, f"cancelled in the CRM ({record.status_text})")


def _search_again(turn: Turn, settings: PurchasingSettings, message: str) -> None:
    turn.happen(SlotLost())
    turn.happen(VisitMoved(to=Step.NONE))
    turn.note("visit", f"that time cannot be booked: {message}")
    if turn.data.lost_slots >= settings.booking_rounds:
        hand_to_person(turn, "no_visit", f"no visit could be booked: {message}")
        return
    search_times(turn, settings)


def _key(turn: Turn, settings: PurchasingSettings) -> OrderKey:
    return booking_key_of(settings.installation, turn.order.need, turn.data.lost_slots)


def _mark(key: OrderKey, slot: TimeSlot) -> str:
    return fingerprint(key, slot.reference)
