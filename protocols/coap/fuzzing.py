"""What fuzzing calls: any bytes in, the code of the answer or refusal out. Anything else that is raised is a defect.

Used by ``make fuzz`` with many inputs and by the tests with few. ``SEEDS`` are sound inputs to begin from.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import cbor2
from aiocoap import Message

from actors.model.errors import MalformedPayload
from protocols.coap.bodies import decode_body
from protocols.coap.datagram import BadOption, Reader, Target, Way, is_discovery, piggybacked, read, reset
from protocols.coap.links import parse_links
from protocols.coap.lwm2m.tlv import decode_tlv, encode_tlv
from protocols.coap.lwm2m.values import LWM2M_JSON, SENML_CBOR, SENML_JSON, TEXT, TLV, decode_values
from protocols.coap.machine import Inquiry
from protocols.coap.registration import told
from protocols.coap.replies import Rejected, bad_option
from protocols.senml import decode_cbor, decode_json

Subject = Callable[[bytes], str]
_aiocoap: Any = Message  # has no types
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OK: Final = "ok"
_JSON: Final = 50
_CBOR: Final = 60


class FuzzDefect(Exception):
    """Two readings of the same bytes differ, or something was not refused that should be."""


def datagram(data: bytes) -> str:
    """Say what becomes of a datagram; what is passed on must be one that aiocoap can decode to the same."""
    found = read(data)
    if Reader().read(data) != found:
        raise FuzzDefect(f"read twice, read otherwise: {data.hex()}")
    if isinstance(found, BadOption):
        return f"{piggybacked(data, bad_option(found.number, is_proxying=found.is_proxying))[1]:#x}"
    if found is Way.DROP:
        return "silence"
    if found is Way.RESET:
        return f"{reset(data)[0]:#x}"
    message = _aiocoap.decode(data)
    if isinstance(found, Target):
        if message.payload != data[len(data) - len(message.payload) :] or message.opt.uri_path[0] != "t":
            raise FuzzDefect(f"not the message that aiocoap reads: {data.hex()}")
    elif data[1]:
        is_discovery(data)
    return _OK


def senml_json(data: bytes) -> str:
    """Read a SenML pack in JSON."""
    return _read(lambda: decode_json(data, _NOW))


def senml_cbor(data: bytes) -> str:
    """Read a SenML pack in CBOR."""
    return _read(lambda: decode_cbor(data, _NOW))


def lwm2m_tlv(data: bytes) -> str:
    """Read TLV; what was read and written must be read as the same again."""
    try:
        entries = decode_tlv(data)
    except MalformedPayload:
        return "4.00"
    if decode_tlv(encode_tlv(entries)) != entries:
        raise FuzzDefect(f"written and read otherwise: {data.hex()}")
    return _read(lambda: decode_values(data, TLV, "/3303", _NOW))


def lwm2m_values(data: bytes) -> str:
    """Read a value in each of the other formats; the first byte chooses."""
    forms = (TEXT, SENML_JSON, SENML_CBOR, LWM2M_JSON, None)
    form = forms[data[0] % len(forms)] if data else None
    return _read(lambda: decode_values(data[1:], form, "/3303/0/5700", _NOW))


def links(data: bytes) -> str:
    """Read links, and the query of a registration."""
    code = _read(lambda: parse_links(data))
    query = data.decode(errors="replace").split("&")
    return code if code != _OK else _read(lambda: told(query, b""))


def machine_body(data: bytes) -> str:
    """Read a body of the machine interface in JSON or CBOR."""
    form = _CBOR if data[:1] > b"\x7f" else _JSON
    return _read(lambda: decode_body(data, form, Inquiry))


def _read(reading: Callable[[], object]) -> str:
    try:
        reading()
    except MalformedPayload as error:
        if not str(error):
            raise FuzzDefect("a refusal without a text") from error
        return "4.00"
    except Rejected as rejected:
        return f"{rejected.reply.code >> 5}.{rejected.reply.code & 31:02d}"
    return _OK


SUBJECTS: Final[Mapping[str, Subject]] = {
    "coap_datagram": datagram,
    "senml_json": senml_json,
    "senml_cbor": senml_cbor,
    "lwm2m_tlv": lwm2m_tlv,
    "lwm2m_values": lwm2m_values,
    "coap_links": links,
    "coap_machine_body": machine_body,
}
SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "coap_datagram": (
        b'\x41\x02\x00\x01\x01\xb1t\x06tank-1\x11n\xff[{"n":"level","v":1}]',
        b"\x50\x01\x12\x34\xbb.well-known\x04core",
        b"\x44\x01\x00\x02abcd\x60\x51m\x06tank-1\x06orders",
        b"\x41\x02\x00\x03\x01\x97\x09\x00\x01\xffxxxxxxxxxxxx",
        b"\x61\x45\x00\x01\x01\x62\x00\x05\xff21.5",
        b"\x70\x00\x00\x01",
    ),
    "senml_json": (
        b'[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.7e9,"bu":"Cel","n":"t","v":21.5},{"n":"f","vb":true}]',
    ),
    "senml_cbor": (cbor2.dumps([{-2: "dev:", -3: 1.7e9, 0: "t", 1: "Cel", 2: 21.5}, {0: "f", 4: True}]),),
    "lwm2m_tlv": (
        bytes.fromhex("08000ce81644084035800000000000"),
        bytes.fromhex("c800144f70656e204d6f62696c6520416c6c69616e63658606410001410105"),
    ),
    "lwm2m_values": (
        b"\x0021.5",
        b'\x01[{"n":"/3303/0/5700","v":1}]',
        b'\x03{"bn":"/3303/0/","e":[{"n":"5700","v":1}]}',
    ),
    "coap_links": (b'</3/0>;rt="a b";if=x,</3303/0>;obs', b"ep=node&lt=60&base=coap://[::1]:5683&lwm2m=1.1&b=UQ"),
    "coap_machine_body": (
        b'{"subject":"content"}',
        cbor2.dumps({"subject": "x"}),
    ),
}
