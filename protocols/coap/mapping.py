"""From one CoAP request to one device message. Pure, and free of any stack's types."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from actors.model.errors import MalformedPayload
from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage
from actors.ports import ConnectedThing
from protocols.coap.identity import Sender
from protocols.coap.replies import Rejected, ReplyCode
from protocols.payloads import Format, Payload, content_id, decode_payload, digest

PROTOCOL: Final = "coap"
EXCHANGE_LIFETIME_S: Final = 247  # RFC 7252 section 4.8.2: no message id is used again within
FORMATS: Final[Mapping[int, Format]] = {form.number: form for form in Format}


class Arrival(Struct, frozen=True, gc=False):
    """One complete POST or PUT to a thing's resource. ``exchange`` is the message id (2 bytes), then the token."""

    sender: Sender
    thing_id: ThingId
    content_format: int | None
    payload: bytes
    exchange: bytes


def device_message(arrival: Arrival, thing: ConnectedThing, now: datetime) -> DeviceMessage:
    """Decode what arrived.

    Raises:
        Rejected: 4.15 for a format that is not ours, 4.00 for a body that cannot be read.
    """
    form = _form(arrival.content_format)
    try:
        payload = decode_payload(arrival.payload, form, now, thing.profile.sources.get(PROTOCOL, {}))
    except MalformedPayload as error:
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", str(error)) from None
    return DeviceMessage(
        thing_id=thing.thing_id,
        message_id=_identity(arrival, form, payload, now),
        received_at=now,
        readings=payload.readings,
        protocol=PROTOCOL,
    )


def _form(number: int | None) -> Format:
    try:
        return FORMATS[-1 if number is None else number]
    except KeyError:
        expected = ", ".join(f"{form.number} ({form.media_type})" for form in Format)
        got = "none" if number is None else str(number)
        text = f"Content-Format: expected one of {expected}, got {got}"
        raise Rejected(ReplyCode.UNSUPPORTED_FORMAT, "unsupported", text) from None


def _identity(arrival: Arrival, form: Format, payload: Payload, now: datetime) -> str:
    """Return the identity under which a message is stored once.

    In this order: ``boot:seq`` of a JSON body; a digest of the body when every reading has an absolute time; else
    sender, message id, token and body within EXCHANGE_LIFETIME, which is what CoAP itself calls a duplicate (RFC 7252
    section 4.5). The last one is at least once: a retransmission that meets a restarted hub at a lifetime's end, or
    a device that gives up an exchange and sends the same reading in a new one, is stored twice.
    """
    if payload.own_id is not None:
        return payload.own_id
    if payload.timed:
        return content_id(form, arrival.payload)
    window = int(now.timestamp()) // EXCHANGE_LIFETIME_S
    message_id, token = int.from_bytes(arrival.exchange[:2], "big"), arrival.exchange[2:]
    exchange = f"{arrival.sender.host}/{arrival.sender.port}/{message_id}".encode()
    return f"coap:{window}:{digest(exchange, token, form.media_type.encode(), arrival.payload)}"
