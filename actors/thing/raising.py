"""How a need goes out: its event, its order's name, what the owner sees of it, and the note of where it came from."""

from typing import Final

from actors.dialogue import RaiseNeed, order_address
from actors.model.advice import Advice, Recommendation
from actors.model.ids import OrderKey
from actors.model.machine import Wanted
from actors.model.needs import Need
from actors.model.readings import AnyDeviceMessage, DeviceMessage, PlainMessage, Reported
from actors.model.things import Purpose, ThingRecord
from actors.runtime.turns import Claim, Effect, Note, Put, Tell
from actors.thing.state import NeedOpened, NeedView, ThingEvent, ThingState

FROM_DEVICES: Final = (PlainMessage, DeviceMessage)
Source = AnyDeviceMessage | Advice | Wanted
"""What made a need be noticed."""
Decided = tuple[list[ThingEvent], list[Effect]]
"""What a turn has decided so far."""


def raise_need(
    state: ThingState, record: ThingRecord, opened: tuple[Need, OrderKey], source: Source, decided: Decided
) -> None:
    """Add to a turn's decisions that a need is open, under the key of its order."""
    need, key = opened
    events, effects = decided
    events.append(NeedOpened(need=need, key=key))
    effects.append(Claim(open_name(need.thing_id, need.subject), key))
    effects.append(_source_note(state, need, source))
    shown = source if isinstance(source, Recommendation) else None
    view = NeedView(need=need, key=key, is_open=True, advice=shown)
    effects.append(Put("need", need.correlation_id, need.owner_id, view))
    raised = RaiseNeed(
        need=need,
        serial=record.serial,
        place=record.place,
        is_test=record.is_test,
        community_id=state.communities[0] if state.communities else None,
        share_prices=Purpose.PRICES in record.shares,
        advice=shown,
    )
    effects.append(Tell(order_address(key), raised))


def open_name(thing_id: str, subject: str) -> str:
    """Return the name that stands for the one open order of a thing and subject, held until the order has ended.

    It is the thing's to hold: no two shards could keep its orders, each in a place of its own, from being two.
    """
    return f"open/{thing_id}/{subject}"


def _source_note(state: ThingState, need: Need, message: Source) -> Note:
    if isinstance(message, Wanted):
        sentence = f"{need.thing_id} asked by itself for {need.title}"
        return Note(need.correlation_id, "request", sentence, {"wanted": message, "evidence": need.evidence})
    if not isinstance(message, FROM_DEVICES):
        reached = "hour {hours:g}" if "hours" in need.evidence else "cycle {cycle:g}"
        sentence = f"{need.thing_id} reported {reached.format_map({'cycle': 0.0, **need.evidence})} of {need.title}"
        return Note(need.correlation_id, "reading", sentence, {"messages": state.messages, "evidence": need.evidence})
    values: dict[str, Reported] = {
        reading.name: reading.value for reading in message.readings if not isinstance(reading.value, tuple)
    }
    told = ", ".join(f"{name} {value}" for name, value in values.items())
    facts = {
        "message_id": message.message_id,
        "protocol": message.protocol,
        "received_at": message.received_at,
        "values": values,
        "messages_before": state.messages - 1,
    }
    return Note(need.correlation_id, "reading", f"{need.thing_id} reported {told}", facts)
