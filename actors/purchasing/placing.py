"""From an approved order to a record in the CRM: clearance, placing, doubt and proof."""

from datetime import timedelta
from typing import assert_never

from actors.dialogue import AskClearance, AttemptEnded, GiveBackTurn, IntroductionFailed, LookUp, PlaceRequest
from actors.model.customers import CustomerThing
from actors.model.mandates import Verdict
from actors.model.orders import OrderState, PurchaseOrder, RecordKind
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
    Transient,
    Unsupported,
)
from actors.purchasing.ending import ABSENT, UNFINISHED, confirm, end, hand_to_person, watch
from actors.purchasing.events import ClearanceAsked, PlacingStarted, RecordKnown
from actors.purchasing.following import record_kind, take_status
from actors.purchasing.sourcing import PurchasingSettings, block, queue, source
from actors.purchasing.turn import Turn
from actors.purchasing.visiting import ask_to_book, book, search_times, take_booking_proof, wait, wants_visit


def take_turn(turn: Turn, settings: PurchasingSettings, connection: str) -> None:
    """The desk is ready: have everything checked once more before anything leaves."""
    if turn.data.clearing and connection == turn.data.connection:
        return
    if turn.data.state is OrderState.PLACED and connection == turn.data.connection:
        ask_to_book(turn)
        return
    if turn.data.state is not OrderState.APPROVED or connection != turn.data.connection:
        turn.work(connection, GiveBackTurn())
        return
    if told := _outdated(turn, settings):
        turn.work(connection, GiveBackTurn())
        turn.move(OrderState.DRAFTED, *told)
        source(turn, settings)
        return
    turn.happen(ClearanceAsked(purpose="place"))
    need = turn.order.need
    turn.tell_owner(AskClearance(key=turn.key, thing_id=need.thing_id, kind=need.kind))


def _outdated(turn: Turn, settings: PurchasingSettings) -> tuple[str, str] | None:
    """Return why the price must be asked for again, as code and sentence."""
    offer, request = turn.data.offer, turn.data.request
    if offer is None or not isinstance(request, PurchaseOrder):
        return None
    if offer.expires_at is not None and offer.expires_at <= turn.now:
        return "offer_expired", "the offer ran out while waiting; asking the sellers again"
    if turn.now - request.ordered_at > timedelta(seconds=settings.price_holds_s):
        return "price_old", "the price is old, the order waited long; asking the sellers again"
    return None


def take_clearance(turn: Turn, settings: PurchasingSettings, verdict: Verdict, sentence: str) -> None:
    """Only with the owner's clearance does the request leave, and only after this turn is durable."""
    purpose = turn.data.clearing
    if not purpose:
        return
    if verdict is not Verdict.ALLOWED:
        turn.note("clearance", sentence, verdict=verdict)
        _not_cleared(turn, settings, verdict, sentence)
    elif purpose == "book":
        book(turn, settings)
    else:
        _place(turn, settings)


def _not_cleared(turn: Turn, settings: PurchasingSettings, verdict: Verdict, sentence: str) -> None:
    turn.work(turn.data.connection, GiveBackTurn())
    if turn.data.clearing == "book":
        wait(turn, settings, sentence)
    elif verdict is Verdict.NEEDS_APPROVAL:
        turn.move(OrderState.DRAFTED, "mandate_changed", "the mandate wants approval now; asking anew")
        source(turn, settings)
    else:
        block(turn, settings, verdict, sentence)


def _place(turn: Turn, settings: PurchasingSettings) -> None:
    request, attempt = turn.data.request, turn.data.attempt + 1
    if request is None:
        raise LookupError(f"order {turn.key} was cleared without a request")
    turn.happen(PlacingStarted(attempt=attempt))
    turn.move(OrderState.PLACING, "placing", f"placing at {turn.data.connection}, attempt {attempt}")
    introduces = _introduction(turn, settings)
    turn.work(turn.data.connection, PlaceRequest(request=request, attempt=attempt, introduces=introduces))


def _introduction(turn: Turn, settings: PurchasingSettings) -> CustomerThing | None:
    """Return what the CRM must know of the thing first, where it keeps its customers' things."""
    connection = turn.data.connection
    can = settings.connections.get(connection)
    if connection not in settings.introduces_things or can is None or not can.customers:
        return None
    need = turn.order.need
    return CustomerThing(owner_id=need.owner_id, thing_id=need.thing_id, serial=turn.order.serial)


def take_failed_introduction(turn: Turn, settings: PurchasingSettings, failed: IntroductionFailed) -> None:
    """The CRM does not take the thing or its owner: the order waits with the reason, and comes again."""
    if turn.data.state is not OrderState.PLACING or failed.attempt != turn.data.attempt:
        return
    turn.tell_owner(AttemptEnded(key=turn.key))
    after_s = turn.again_s(settings.place_again_s, settings.longest_again_s, failed)
    told = f"surely not placed: {turn.data.connection} could not be told of {turn.order.need.thing_id}: {failed.reason}"
    queue(turn, "thing_not_introduced", told, after_s)
    turn.pause(failed.reason, turn.now + timedelta(seconds=after_s))


def take_place_outcome(turn: Turn, settings: PurchasingSettings, attempt: int, outcome: PlaceOutcome) -> None:
    """Sort how placing ended: known, surely not written, refused, or in doubt."""
    if turn.data.state is not OrderState.PLACING or attempt != turn.data.attempt:
        return
    if isinstance(outcome, Ambiguous):
        _look_up(turn, settings, outcome.reason)
        return
    turn.tell_owner(AttemptEnded(key=turn.key))
    match outcome:
        case Created(record=record):
            _take_record(turn, settings, record, "the CRM made the record")
        case Duplicate(record=record):
            _take_record(turn, settings, record, "the CRM had the record already, from an earlier attempt of ours")
        case Transient() | Conflict() | AuthFailed() | Throttled():
            _queue_again(turn, settings, outcome)
        case Permanent(code=code, message=message, leaves_record=True):
            hand_to_person(turn, _named("crm", code), f"the CRM refused to finish what it holds: {message}")
        case Permanent(code=code, message=message, field=field):
            where = f" (field {field})" if field else ""
            _refused(turn, _named("crm", code), f"the CRM refused it: {message}{where}", code)
        case Unsupported(capability=capability):
            _refused(turn, "unsupported", f"this connection cannot do it: {capability}", "mapping")
        case _:
            assert_never(outcome)


def _queue_again(
    turn: Turn, settings: PurchasingSettings, outcome: Transient | Conflict | AuthFailed | Throttled
) -> None:
    """Surely not written: wait for another turn, longer with every attempt and at least as long as the CRM asks."""
    after_s = turn.again_s(settings.place_again_s, settings.longest_again_s, outcome)
    code = "throttled" if isinstance(outcome, Throttled) else "not_placed_yet"
    queue(turn, code, f"surely not placed, tried again as soon as possible: {outcome.reason}", after_s)
    turn.pause(outcome.reason, turn.now + timedelta(seconds=after_s))


def _named(what: str, code: str) -> str:
    """Return a reason code that is one word, whatever words the CRM uses for its own."""
    return "_".join([what, *code.split()])


def _refused(turn: Turn, code: str, sentence: str, named: str) -> None:
    next_step = f"mend what the CRM names ({named}) in its mapping or data; the thing asks again after its next change"
    end(turn, OrderState.REJECTED, code, sentence, next_step)


def _look_up(turn: Turn, settings: PurchasingSettings, reason: str) -> None:
    """Ask the CRM whether it holds our record; only its evidence leads out of doubt.

    Its settle time counts from now: the request may have left later than it was decided, and been answered later still.
    """
    turn.move(OrderState.UNKNOWN, "answer_lost", f"the answer was lost ({reason}); nothing is sent again unseen")
    turn.move(OrderState.RECONCILING, "looking_up", "asking the CRM whether it holds the order")
    turn.work(turn.data.connection, LookUp(key=turn.key, kind=record_kind(turn), placed_at=turn.now))
    can = settings.connections.get(turn.data.connection)
    if can is not None and can.settle_s:
        told = f"what {turn.data.connection} does not hold may still come: it counts as absent after {can.settle_s:g} s"
        turn.pause(told, turn.now + timedelta(seconds=can.settle_s))


def take_look_up(turn: Turn, settings: PurchasingSettings, kind: RecordKind, outcome: FindOutcome) -> None:
    """Take the proof either way."""
    if kind is RecordKind.APPOINTMENT:
        take_booking_proof(turn, settings, outcome)
    elif turn.data.state is OrderState.RECONCILING:
        _take_proof(turn, settings, outcome)
    else:
        take_status(turn, settings, outcome)


def _take_proof(turn: Turn, settings: PurchasingSettings, outcome: FindOutcome) -> None:
    match outcome:
        case Found(record=record):
            turn.tell_owner(AttemptEnded(key=turn.key))
            _take_record(turn, settings, record, "found by its key: the lost answer was a yes")
        case Absent(unfinished=unfinished):
            turn.tell_owner(AttemptEnded(key=turn.key))
            after_s = turn.again_s(settings.place_again_s, settings.longest_again_s, outcome)
            if unfinished:
                queue(turn, UNFINISHED, "the CRM holds it unfinished; placing it again finishes it", after_s)
            else:
                told = "the CRM holds no such order; it is placed again under the same key"
                queue(turn, ABSENT, told, after_s)
        case Permanent(code=code, message=message):
            hand_to_person(
                turn, _named("lookup", code), f"the CRM refuses to say whether it holds the order: {message}"
            )
        case _:
            hand_to_person(turn, "lookup_failed", "it cannot be found out whether the CRM holds the order")


def _take_record(turn: Turn, settings: PurchasingSettings, record: CrmRecord, how: str) -> None:
    """Our record is in the CRM, unless the fingerprint says that it is somebody else's."""
    expected = turn.data.request.fingerprint if turn.data.request else None
    name = record.name
    if record.fingerprint != expected:
        hand_to_person(turn, "foreign_record", f"record {name} has our key, but another fingerprint")
        return
    turn.happen(RecordKnown(record=record))
    turn.move(OrderState.PLACED, "placed", f"{how}: {name} at {turn.data.connection}")
    turn.note("crm_record", f"{name} at {turn.data.connection}", record=record)
    go_on(turn, settings, record)


def go_on(turn: Turn, settings: PurchasingSettings, record: CrmRecord) -> None:
    """Do what follows from a record that the CRM holds: a visit, the confirmation, or following its status."""
    if wants_visit(turn, settings) and turn.data.booking is None:
        watch(turn, settings)
        search_times(turn, settings)
    elif record.status in {RecordStatus.CONFIRMED, RecordStatus.FULFILLED} or not isinstance(
        turn.data.request, PurchaseOrder
    ):
        confirm(turn, settings)
    else:
        watch(turn, settings)
