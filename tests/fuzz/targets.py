"""What is fuzzed: functions that read bytes which nobody vouches for, and samples of what they are for.

``examine`` returns the codes that it came to: ``taken``, or those of refusals. Whatever it raises is a crash.
"""

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import aiocoap
import cbor2
from aiocoap.error import UnparsableMessage
from asyncua import ua as _ua  # type: ignore[attr-defined]
from asyncua.ua.ua_binary import struct_to_binary
from msgspec import Struct

from actors.model.errors import MalformedPayload
from actors.model.machine import RequestEnding, Wanted
from protocols.coap.bodies import decode_body
from protocols.coap.datagram import BadOption, Target, Way, read
from protocols.coap.lwm2m.tlv import TlvEntry, TlvKind, encode_tlv
from protocols.coap.lwm2m.values import decode_values
from protocols.coap.mapping import FORMATS as COAP_FORMATS
from protocols.coap.registration import told as registered
from protocols.coap.replies import Rejected
from protocols.http.cloudevents import BATCHED, STRUCTURED, Part
from protocols.http.hooks import pushed_parts
from protocols.http.intake import ACCEPTED, parts_of
from protocols.http.mapping import Rejected as HttpRejected
from protocols.http.signing import ID, SIGNATURE, TIMESTAMP, NotProved, proved, signed
from protocols.http.unpacking import TooLarge, unpacked
from protocols.opcua.examining import examine_response, examine_value
from protocols.payloads import Format, decode_payload
from protocols.senml import decode_cbor, decode_json

ua: Any = _ua
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
TAKEN: Final = "taken"
_LIMIT: Final = 64 * 1024
_SOURCES: Final = {"level": "lvl"}


class Fuzzed(Struct, frozen=True, kw_only=True):
    """One thing to fuzz. Inputs are the samples, changed; the first byte chooses among ways where there are several."""

    name: str
    samples: Sequence[bytes]
    examine: Callable[[bytes], Sequence[str]]


def _readings(body: bytes, form: Format) -> str:
    try:
        decode_payload(body, form, NOW, _SOURCES)
    except MalformedPayload as error:
        return _told(error)
    return TAKEN


def _told(error: Exception) -> str:
    if not str(error):
        raise AssertionError("a refusal without a word")
    return "malformed"


def coap_datagram(data: bytes) -> Sequence[str]:
    """Do what the front end does: answer it, or hand it on to aiocoap."""
    found = read(data)
    match found:
        case Target(content_format=number, size=size):
            form = COAP_FORMATS.get(number)
            if form is None:
                return ["unsupported_format"]
            return [_readings(data[4 + (data[0] & 0x0F) + size + 1 :], form)]
        case BadOption():
            return ["bad_option"]
        case Way.FURTHER:
            return [_handed_on(data)]
        case Way.DROP | Way.RESET:
            return [found.value]


def _handed_on(data: bytes) -> str:
    try:
        cast("Any", aiocoap.Message).decode(data)
    except UnparsableMessage:
        return "unparsable"
    return "handed_on"


def senml(data: bytes) -> Sequence[str]:
    """Read a pack in the form that the first byte chooses."""
    decode = decode_json if data[:1] < b"\x80" else decode_cbor
    try:
        decode(data[1:], NOW)
    except MalformedPayload as error:
        return [_told(error)]
    return [TAKEN]


_LWM2M_FORMATS: Final = (11542, 11542, 11542, 11543, 0, 110, 112, None, 60)


def lwm2m(data: bytes) -> Sequence[str]:
    """Read a device's answer in the format that the first byte chooses."""
    number = _LWM2M_FORMATS[(data[0] if data else 0) % len(_LWM2M_FORMATS)]
    try:
        decode_values(data[1:], number, "/3303/0", NOW)
    except MalformedPayload as error:
        return [_told(error)]
    return [TAKEN]


_CE_HEADERS: Final = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "urn:x", "ce-type": "t"}


def http_body(data: bytes) -> Sequence[str]:
    """Read a post of readings; the first byte chooses its media type, packing and headers."""
    way = data[0] if data else 0
    media, body = ACCEPTED[way % len(ACCEPTED)], data[1:]
    try:
        if way & 0x80:
            body = unpacked(body, _LIMIT)
        headers = _CE_HEADERS if way & 0x40 else {}
        if way & 0x60 == 0x60:
            headers = {**headers, "ce-time": body[:30].decode("latin-1"), "ce-id": body[-9:].decode("latin-1")}
        parts = parts_of(media, headers, body)
    except MalformedPayload as error:
        return [_told(error)]
    except TooLarge:
        return ["too_large"]
    found = [parts] if isinstance(parts, Part) else parts
    return [_readings(part.body, part.form) for part in found]


_WEBHOOK_KEY: Final = b"k" * 32
_WEBHOOK_NAMES: Final = (ID, TIMESTAMP, SIGNATURE)


def webhook(data: bytes) -> Sequence[str]:
    """Prove a cloud's message: its three headers, a line each, and the body; then read it as of its first kind."""
    *told, body = (data.split(b"\n", 3) + [b""] * 3)[:4]
    headers = {name: line.decode(errors="surrogateescape") for name, line in zip(_WEBHOOK_NAMES, told, strict=True)}
    try:
        proved(headers, body, [_WEBHOOK_KEY], NOW)
    except NotProved as error:
        return [_told(error), *_pushed(body)]
    return [TAKEN, *_pushed(body)]


def _pushed(body: bytes) -> Sequence[str]:
    try:
        parts = pushed_parts(ACCEPTED[0], {}, body)
    except HttpRejected as rejected:
        return [rejected.problem.code]
    found = [parts] if isinstance(parts, Part) else parts
    return [_readings(part.body, part.form) for part in found]


def opcua(data: bytes) -> Sequence[str]:
    """Read a data value or a publish response, as the first byte chooses."""
    examined = (examine_response if data[:1] < b"\x40" else examine_value)(data[1:])
    return [*examined.refusals, *([TAKEN] if examined.readings or not examined.refusals else [])]


def registration(data: bytes) -> Sequence[str]:
    """Read what a device says of itself: its query until the first line break, then its links."""
    query, _, body = data.partition(b"\n")
    try:
        registered(query.decode("latin-1").split("&"), body)
    except Rejected as rejected:
        return [rejected.reply.reason]
    return [TAKEN]


PLAIN: Final = json.dumps({"boot": "b", "seq": 7, "readings": [{"name": "lvl", "value": 41.5, "unit": "%"}]}).encode()
PACK: Final[list[dict[str, Any]]] = [
    {"bn": "urn:dev:", "bt": 1.7e9, "bu": "Cel", "n": "lvl", "v": 21.5},
    {"n": "on", "vb": True, "t": -5},
    {"n": "x", "vs": "text", "u": "%"},
]
_LABELS: Final = {"bn": -2, "bt": -3, "bu": -4, "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6}
CBOR_PACK: Final = cbor2.dumps([{_LABELS[name]: value for name, value in item.items()} for item in PACK])
JSON_PACK: Final = json.dumps(PACK).encode()
EVENT: Final = {"specversion": "1.0", "id": "1", "source": "urn:x", "type": "t", "data": json.loads(PLAIN)}
PACKED_EVENT: Final = {
    **EVENT,
    "data": None,
    "datacontenttype": "application/senml+cbor",
    "data_base64": base64.b64encode(CBOR_PACK).decode(),
}


WANTED: Final = b'{"subject":"ink_black","sku":"INK-1","quantity":2,"reason":"low"}'


def machine_body(data: bytes) -> Sequence[str]:
    """Read what a thing asks of the machine interface, in JSON or CBOR."""
    codes: list[str] = []
    for kind in (Wanted, RequestEnding):
        try:
            decode_body(data[1:], 60 if data[:1] > b"\x7f" else 50, kind)
        except Rejected as rejected:
            if not rejected.reply.text:
                raise AssertionError("a refusal without a word") from rejected
            codes.append(rejected.reply.reason)
        else:
            codes.append(TAKEN)
    return codes


def _coap(code: int, options: Sequence[tuple[int, bytes]], payload: bytes, kind: int = 0x41) -> bytes:
    data, number = bytearray([kind, code, 0x12, 0x34, 0x99]), 0
    for option, value in options:
        delta, number = option - number, option
        data.append((min(delta, 13) << 4) | len(value))
        data += (bytes([delta - 13]) if delta >= 13 else b"") + value
    return bytes(data) + (b"\xff" + payload if payload else b"")


_TO_TANK: Final = [(11, b"things"), (11, b"tank-1"), (11, b"readings")]
_DATAGRAMS: Final = (
    _coap(2, [*_TO_TANK, (12, b"\x32")], PLAIN),
    _coap(2, [(11, b"t"), (11, b"tank-1"), (12, b"\x32")], PLAIN),
    _coap(2, [(11, b"t"), (11, b"tank-1"), (12, b"\x70")], CBOR_PACK),
    _coap(1, [(6, b""), (11, b".well-known"), (11, b"core"), (15, b"rt=x")], b""),
    _coap(3, [(11, b"t"), (11, b"tank-1"), (12, b"\x32"), (27, b"\x0e")], PLAIN, 0x51),
    b"\x70\x00\x12\x34",
    b"\x40\x00\x12\x34",
)


def _variants() -> list[bytes]:
    kinds = ua.VariantType
    values = [
        ua.Variant(41.5, kinds.Double),
        ua.Variant([1.0, 2.0, 3.0], kinds.Double),
        ua.Variant("text", kinds.String),
        ua.Variant(b"\x00\x01", kinds.ByteString),
        ua.Variant(True, kinds.Boolean),
        ua.Variant(2**63, kinds.UInt64),
        ua.Variant(ua.LocalizedText("hi", "en"), kinds.LocalizedText),
        ua.Variant(NOW.replace(tzinfo=None), kinds.DateTime),
        ua.Variant([[1, 2], [3, 4]], kinds.Int32),
    ]
    return [struct_to_binary(ua.DataValue(value, SourceTimestamp=NOW.replace(tzinfo=None))) for value in values]


def _response(values: Sequence[Any]) -> bytes:
    items = [ua.MonitoredItemNotification(number, value) for number, value in enumerate(values)]
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 1
    response.Parameters.NotificationMessage.NotificationData = [ua.DataChangeNotification(MonitoredItems=items)]
    packed: bytes = struct_to_binary(response)
    return packed


def _responses() -> list[bytes]:
    return [_response([ua.DataValue(ua.Variant(41.5, ua.VariantType.Double)), ua.DataValue(ua.Variant("x"))])]


_TLV: Final = (
    TlvEntry(kind=TlvKind.RESOURCE, number=5700, value=b"\x41\xac\x00\x00"),
    TlvEntry(kind=TlvKind.RESOURCE, number=5701, value=b"Cel"),
    TlvEntry(
        kind=TlvKind.MULTIPLE_RESOURCE,
        number=5601,
        entries=(TlvEntry(kind=TlvKind.RESOURCE_INSTANCE, number=0, value=b"\x41\xac\x00\x00"),),
    ),
)
_PUSHED: Final = (
    b'{"type":"t","timestamp":"2026-01-01T00:00:00Z","data":{"thing":"t","readings":[{"name":"lvl","value":1}]}}'
)
TARGETS: Final = (
    Fuzzed(name="coap_datagrams", samples=_DATAGRAMS, examine=coap_datagram),
    Fuzzed(name="senml", samples=(b"\x00" + JSON_PACK, b"\xff" + CBOR_PACK), examine=senml),
    Fuzzed(
        name="lwm2m_tlv",
        samples=(
            b"\x00\xe4\x16\x44\x41\xac\x00\x00\xc1\x00\x01",
            b"\x00" + encode_tlv(_TLV),
            b"\x01" + encode_tlv([TlvEntry(kind=TlvKind.OBJECT_INSTANCE, number=0, entries=_TLV)]),
            b"\x03" + b'{"bn":"/3303/0/","e":[{"n":"5700","v":21.5},{"n":"5701","sv":"Cel"}]}',
            b"\x05" + json.dumps([{"bn": "/3303/0/", "n": "5700", "v": 21.5}, {"n": "5701", "vs": "Cel"}]).encode(),
            b"\x06" + cbor2.dumps([{-2: "/3303/0/", 0: "5700", 2: 21.5}]),
            b"\x04" + b"21.5",
        ),
        examine=lwm2m,
    ),
    Fuzzed(
        name="http_bodies",
        samples=(
            b"\x00" + PLAIN,
            b"\x00[" + PLAIN + b"," + PLAIN + b"]",
            b"\x01" + JSON_PACK,
            b"\x02" + CBOR_PACK,
            bytes([ACCEPTED.index(STRUCTURED)]) + json.dumps(EVENT).encode(),
            bytes([ACCEPTED.index(STRUCTURED)]) + json.dumps(PACKED_EVENT).encode(),
            bytes([ACCEPTED.index(BATCHED)]) + json.dumps([EVENT, EVENT]).encode(),
            b"\x82" + gzip.compress(PLAIN),
            b"\x82" + gzip.compress(b" " * 100_000),
            b"\x41" + PLAIN,
        ),
        examine=http_body,
    ),
    Fuzzed(
        name="webhooks",
        samples=(
            "\n".join(signed([_WEBHOOK_KEY], "msg_1", NOW, _PUSHED).values()).encode() + b"\n" + _PUSHED,
            "\n".join(signed([b"n" * 32, _WEBHOOK_KEY], "msg_2", NOW, b"").values()).encode() + b"\n",
        ),
        examine=webhook,
    ),
    Fuzzed(
        name="opcua_variants",
        samples=(*(b"\xff" + value for value in _variants()), *(b"\x00" + told for told in _responses())),
        examine=opcua,
    ),
    Fuzzed(
        name="coap_registrations",
        samples=(
            b"ep=node-1&lt=60&b=U\n</3303/0>;rt=temperature,</1/0>;ver=1.1",
            b'ep=a&d=x&base=coap://[::1]:5683&lwm2m=1.1\n</sensors>;ct=40;title="a, b"',
        ),
        examine=registration,
    ),
    Fuzzed(
        name="coap_machine_bodies",
        samples=(
            b"\x00" + WANTED,
            b"\xff" + cbor2.dumps(json.loads(WANTED)),
            b"\x00" + json.dumps({"subject": "ink_black", "met": True}).encode(),
        ),
        examine=machine_body,
    ),
)
