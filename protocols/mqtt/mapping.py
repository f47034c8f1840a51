"""Between MQTT messages and the vocabulary. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from actors.model.base import Value
from actors.model.commands import Carried, CommandFailure, CommandOutcome, NotCarried
from actors.model.errors import MalformedPayload
from actors.model.ids import CommandId, ThingId
from actors.model.machine import Sentence
from actors.model.readings import DeviceMessage, Receipt, Refused, Reported
from actors.model.things import THING_ID_PATTERN
from actors.ports import ConnectedThing
from protocols.payloads import Format, content_id, decode_payload, digest

PROTOCOL: Final = "mqtt"
READINGS: Final = "readings"
RECEIPTS: Final = "receipts"
COMMANDS: Final = "commands"
OUTCOMES: Final = "outcomes"
_THING_ID: Final = re.compile(THING_ID_PATTERN)
_MEDIA: Final[Mapping[str, Format]] = {form.media_type: form for form in Format}


class Arrival(Struct, frozen=True, kw_only=True):
    """One publication as the broker brought it. ``packet`` is its packet id, 0 at QoS 0."""

    topic: str
    body: bytes
    packet: int
    is_retained: bool
    content_type: str = ""


class Outcome(Value, frozen=True, kw_only=True):
    """What a thing says about a command."""

    command_id: CommandId
    ok: bool
    code: Literal["rejected", "failed"] = "failed"
    detail: Sentence = ""
    results: Annotated[dict[str, Reported], Meta(max_length=100)] = {}


class Told(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a thing is told about its readings, on its topic ``receipts``."""

    message_id: str = ""
    stored: bool
    duplicate: bool = False
    code: str = ""
    detail: str = ""


def place_of(topic: str, prefix: str) -> tuple[ThingId, str] | None:
    """Return the thing and the kind that a topic names; None when it is not one of ours, or nobody is called so."""
    if not topic.startswith(f"{prefix}/"):
        return None
    thing_id, _, kind = topic[len(prefix) + 1 :].partition("/")
    is_ours = kind in {READINGS, OUTCOMES} and _THING_ID.fullmatch(thing_id) is not None
    return (ThingId(thing_id), kind) if is_ours else None


def device_message(arrival: Arrival, thing: ConnectedThing, now: datetime, number: int) -> DeviceMessage:
    """Decode readings; ``number`` tells publications without any identity of their own apart.

    Raises:
        MalformedPayload: the text says where and what was expected.
    """
    form = form_of(arrival)
    payload = decode_payload(arrival.body, form, now, thing.profile.sources.get(PROTOCOL, {}))
    own = payload.own_id or (content_id(form, arrival.body) if payload.timed else None)
    return DeviceMessage(
        thing_id=thing.thing_id,
        message_id=own or _identity(arrival, now, number),
        received_at=now,
        readings=payload.readings,
        protocol=PROTOCOL,
    )


def form_of(arrival: Arrival) -> Format:
    """Return the form of a body: what its content type says, or what its first byte shows.

    Raises:
        MalformedPayload: a content type that is not ours.
    """
    if arrival.content_type:
        form = _MEDIA.get(arrival.content_type.partition(";")[0].strip().lower())
        if form is None:
            known = ", ".join(_MEDIA)
            raise MalformedPayload(f"content type: expected one of {known}, got {arrival.content_type[:60]!r}")
        return form
    first = arrival.body.lstrip()[:1]
    if first == b"{":
        return Format.JSON
    return Format.SENML_JSON if first == b"[" else Format.SENML_CBOR


def _identity(arrival: Arrival, now: datetime, number: int) -> str:
    """Return an identity for what has none of its own.

    A retained message is the same for good. At QoS 1 the broker sends again under the same packet id, which it uses
    anew only after 65,535 others. So the id with the body and the day is an identity; over midnight, and at QoS 0, a
    message may be stored twice.
    """
    told = digest(arrival.topic.encode(), arrival.body)
    if arrival.is_retained:
        return f"retained:{told}"
    if arrival.packet:
        return f"mqtt:{arrival.packet}:{now:%Y%m%d}:{told}"
    return f"mqtt0:{number}:{now.isoformat()}:{told}"


def receipt_of(message_id: str, receipt: Receipt) -> Told:
    """Return what a thing is told."""
    if isinstance(receipt, Refused):
        return Told(message_id=message_id, stored=False, code=receipt.code, detail=receipt.detail)
    return Told(message_id=message_id, stored=True, duplicate=receipt.duplicate)


def outcome_of(body: bytes) -> tuple[CommandId, CommandOutcome]:
    """Return what a thing says about a command.

    Raises:
        MalformedPayload: the text says where and what was expected.
    """
    try:
        told = _OUTCOME.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"outcome: {error}") from None
    if told.ok:
        return told.command_id, Carried(detail=told.detail, results=told.results)
    detail = told.detail or "the thing says so"
    return told.command_id, NotCarried(code=CommandFailure(told.code), detail=detail)


_OUTCOME: Final = msgspec.json.Decoder(Outcome)
