"""Packs from the wire: JSON by msgspec, CBOR by cbor2, both bounded."""

import base64
import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import cbor2
import msgspec

from actors.model.errors import MalformedPayload
from protocols.senml.labels import LABELS, NUMBERS, kind_of
from protocols.senml.resolving import MAX_RECORDS, Pack, Record, records_of, resolve

_DECIMAL_TAG: Final = 4
_DIGITS: Final = 400  # more decimal digits than a double spans
_FRACTIONS_UP_TO_BYTES: Final = 4096
_OPAQUE: Final = object()


def decode_json(body: bytes, now: datetime, *, max_records: int = MAX_RECORDS, paths: bool = False) -> Pack:
    """Resolve a pack of ``application/senml+json``; ``now`` is what relative times refer to.

    Data values (``vd``) come as their base64url text. Sums (``s``) are checked and dropped: no property holds them.
    ``paths``: names begin with a slash, as those of LwM2M do.

    Raises:
        MalformedPayload: The text says which record and field, and what was expected there.
    """
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"SenML JSON: {error}; expected an array of records") from None
    records = records_of(decoded, max_records)
    pack = resolve(records, now, paths=paths)
    if _may_repeat_labels(body, records):
        _refuse_repeated_labels(body)
    return pack


def decode_cbor(body: bytes, now: datetime, *, max_records: int = MAX_RECORDS, paths: bool = False) -> Pack:
    """Resolve a pack of ``application/senml+cbor``, else as ``decode_json``.

    Decimal fractions (tag 4) are taken in bodies up to 4096 bytes, other tagged values not at all.

    Raises:
        MalformedPayload: The text says which record and field, and what was expected there.
    """
    stream = io.BytesIO(body)
    try:
        decoded = cbor2.CBORDecoder(
            stream, max_depth=_depth_for(body), allow_duplicate_keys=False, semantic_decoders=_TAGS
        ).decode()
    except (cbor2.CBORError, ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise MalformedPayload(f"SenML CBOR, before byte {stream.tell()}: {error}; expected an array of maps") from None
    if len(body) > stream.tell():
        raise MalformedPayload(f"SenML CBOR, byte {stream.tell()}: expected the end, got more")
    records = [_named(index, record) for index, record in enumerate(records_of(decoded, max_records))]
    return resolve(records, now, paths=paths)


def _may_repeat_labels(body: bytes, records: Sequence[Record]) -> bool:
    """Say whether an object may have held a label twice: the decoder kept the last one and did not tell.

    Without escapes every colon either follows a label or stands inside a text, so an excess over the decoded ones
    belongs to something that was not kept. Counting costs far less than a decoder that reports pairs.
    """
    colons = 0
    for record in records:
        colons += len(record)
        for label, value in record.items():
            colons += label.count(":") + (value.count(":") if type(value) is str else 0)
    return b"\\" in body or body.count(b":") != colons


def _refuse_repeated_labels(body: bytes) -> None:
    index = itertools.count()

    def check(pairs: list[tuple[str, object]]) -> None:
        place = next(index)
        repeated = [label for label, times in Counter(label for label, _ in pairs).items() if times > 1]
        if repeated:
            raise MalformedPayload(f"SenML record {place}: expected each label once, got {repeated[0]!r} again")

    json.loads(body, object_pairs_hook=check)


def _depth_for(body: bytes) -> int:
    """Return how deep containers may nest: a pack of records, and in small bodies the tag and pair of a fraction.

    Deeper arrays could be map keys, and equal hashes of many keys would cost quadratic time.
    """
    return 4 if len(body) <= _FRACTIONS_UP_TO_BYTES and b"\xc4" in body else 2


def _named(index: int, record: Record) -> Record:
    """Return a CBOR record under the labels of JSON."""
    named: dict[str, object] = {}
    for label, value in record.items():
        if type(label) is int:
            named[LABELS.get(label, f"label {label}")] = value
        elif type(label) is not str:
            raise MalformedPayload(f"SenML record {index}: expected whole numbers as labels, got {kind_of(label)}")
        elif label in NUMBERS:
            raise MalformedPayload(f"SenML record {index}: expected the label {NUMBERS[label]} for {label!r} in CBOR")
        else:
            named[label] = value
    if "vd" in named:
        named["vd"] = _as_text(index, named["vd"])
    return named


def _as_text(index: int, data: object) -> str:
    if type(data) is not bytes:
        raise MalformedPayload(f"SenML record {index}, 'vd': expected bytes, got {kind_of(data)}")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _opaque(_value: object, _immutable: object, /) -> object:
    """Stand for a tagged value: no known field may be one, and unknown fields are not looked at."""
    return _OPAQUE


def _decimal(value: object, _immutable: object, /) -> object:
    """Return a decimal fraction as a float (RFC 8428 section 6)."""
    match value:
        case [int(exponent), int(mantissa)] if abs(exponent) <= _DIGITS:
            return float(Decimal(mantissa).scaleb(exponent))
        case _:
            return _OPAQUE


_EVALUATED: Final = (0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000)  # by cbor2 itself
_TAGS: Final[Mapping[int, Callable[[object, object], object]]] = {
    **dict.fromkeys(_EVALUATED, _opaque),
    _DECIMAL_TAG: _decimal,
}
