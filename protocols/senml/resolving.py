"""From the records of a pack to readings: base fields, names, times and values (RFC 8428 section 4)."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final, cast, final

from msgspec import Struct

from actors.model.errors import MalformedPayload
from actors.model.readings import Reading, Reported
from protocols.senml.labels import RELATIVE_BELOW_S, kind_of

MAX_RECORDS: Final = 4096
VERSION: Final = 10

Record = Mapping[Any, Any]

_NUMBER: Final = "a number"
_TYPES: Final[Mapping[str, tuple[str, frozenset[type]]]] = (
    dict.fromkeys(("bn", "bu", "n", "u", "vs", "vd"), ("text", frozenset({str})))
    | dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), (_NUMBER, frozenset({int, float})))
    | {"vb": ("a flag", frozenset({bool})), "bver": ("a whole number", frozenset({int}))}
)
_VALUES: Final = frozenset({"v", "vs", "vb", "vd"})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,199}")  # RFC 8428 section 4.5.1; the length is ours
_PATH: Final = re.compile(r"/[A-Za-z0-9\-:./_]{0,199}")  # LwM2M 1.1 names values by their paths, against RFC 8428
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@final
class Pack(Struct, frozen=True, kw_only=True):
    """A resolved pack.

    ``entries`` pairs the full name (base name and name) with a reading that carries the local one: the full name
    without the pack's first base name. ``timed`` says that every record has an absolute time: equal bytes are then one
    message.
    """

    entries: tuple[tuple[str, Reading], ...]
    timed: bool


def records_of(decoded: object, max_records: int) -> Sequence[Record]:
    """Return the decoded pack as its records.

    Raises:
        MalformedPayload: It is not an array of 1 to ``max_records`` objects.
    """
    if not isinstance(decoded, list):
        raise MalformedPayload(f"SenML: expected an array of records, got {kind_of(decoded)}")
    records = cast("list[object]", decoded)
    if not 0 < len(records) <= max_records:
        raise MalformedPayload(f"SenML: expected 1 to {max_records} records, got {len(records)}")
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise MalformedPayload(f"SenML record {index}: expected an object, got {kind_of(record)}")
    return cast("list[Record]", records)


def resolve(records: Sequence[Record], now: datetime, *, paths: bool = False) -> Pack:
    """Resolve records under the labels of JSON; ``now`` is what relative times refer to.

    ``paths``: names begin with a slash, as those of LwM2M do.

    Raises:
        MalformedPayload: The text says which record and field, and what was expected there.
    """
    base = _Base(now, _PATH if paths else _NAME)
    entries: list[tuple[str, Reading]] = []
    for index, record in enumerate(records):
        try:
            entries.append(base.entry(record))
        except _Wrong as wrong:
            raise MalformedPayload(f"SenML record {index}{wrong}") from None
    return Pack(entries=tuple(entries), timed=base.timed)


class _Wrong(Exception):
    """What is wrong with one record; the text goes on after its number."""


@final
class _Base:
    """The base fields as they stand while a pack is read (RFC 8428 section 4.1)."""

    __slots__ = ("_device", "_name", "_names_are", "_now", "_sum", "_time", "_unit", "_value", "_version", "timed")

    def __init__(self, now: datetime, names_are: re.Pattern[str]) -> None:
        self._now = now
        self._names_are = names_are
        self._device: str | None = None
        self._name = ""
        self._time: float | None = None
        self._unit: str | None = None
        self._value = 0.0
        self._sum = 0.0
        self._version: int | None = None
        self.timed = True

    def entry(self, record: Record) -> tuple[str, Reading]:
        for label, value in record.items():
            _check(label, value)
        self._carry(record)
        name, local = self._names(record)
        value = self._value_of(record)
        unit = record.get("u", self._unit) if type(value) is float else None
        at, is_relative = self._instant_of(record)
        return name, Reading(name=local, value=value, unit=unit, observed_at=at, by_receipt=is_relative)

    def _carry(self, record: Record) -> None:
        if "bver" in record:
            self._set_version(record["bver"])
        self._name = record.get("bn", self._name)
        self._time = record.get("bt", self._time)
        self._unit = record.get("bu", self._unit)
        self._value = record.get("bv", self._value)
        self._sum = record.get("bs", self._sum)

    def _set_version(self, version: int) -> None:
        if not 0 < version <= VERSION:
            raise _Wrong(f", 'bver': expected a version from 1 to {VERSION}, got {version}")
        if self._version not in (None, version):
            raise _Wrong(f", 'bver': expected one version in the whole pack, got {self._version} and {version}")
        self._version = version

    def _names(self, record: Record) -> tuple[str, str]:
        name = self._name + record.get("n", "")
        if self._names_are.fullmatch(name) is None:
            got, first = repr(name[:80]), "a slash" if self._names_are is _PATH else "a letter or digit"
            raise _Wrong(f", name: expected 1 to 200 of A-Z a-z 0-9 - : . / _, first {first}, got {got}")
        if self._device is None:
            self._device = self._name
        return name, name.removeprefix(self._device) or name

    def _value_of(self, record: Record) -> Reported:
        given = _VALUES.intersection(record)
        if len(given) != 1:
            got = ", ".join(sorted(given)) or ("a sum alone, which no property holds" if "s" in record else "none")
            raise _Wrong(f": expected one of v, vs, vb, vd, got {got}")
        if "s" in record:
            _finite("s", self._sum + record["s"])
        (label,) = given
        value: Reported = record[label]
        return _finite("v", self._value + record["v"]) if label == "v" else value

    def _instant_of(self, record: Record) -> tuple[datetime | None, bool]:
        """Return a record's time, and whether it was told relative to now."""
        offset = record.get("t")
        if offset is None and self._time is None:
            self.timed = False
            return None, False
        seconds = _finite("t", (self._time or 0) + (offset or 0))
        is_relative = seconds < RELATIVE_BELOW_S
        self.timed = self.timed and not is_relative
        try:
            return (self._now if is_relative else _EPOCH) + timedelta(seconds=seconds), is_relative
        except OverflowError:
            raise _Wrong(f", 't': expected a time in the years 1 to 9999, got {seconds:g} s") from None


def _check(label: str, value: object) -> None:
    wanted = _TYPES.get(label)
    if wanted is None:
        _check_unknown(label, value)
        return
    expected, types = wanted
    if type(value) not in types:
        raise _Wrong(f", {label!r}: expected {expected}, got {kind_of(value)}")
    if expected is _NUMBER:
        _finite(label, cast("float", value))
    elif label == "vd" and _BASE64URL.fullmatch(cast("str", value)) is None:
        raise _Wrong(", 'vd': expected base64url text")


def _check_unknown(label: str, value: object) -> None:
    if label.endswith("_"):
        raise _Wrong(
            f", {label[:80]!r}: a label with a final _ must be understood, and it is not (RFC 8428 section 4.4)"
        )
    if isinstance(value, list | dict):
        raise _Wrong(f", {label[:80]!r}: expected a plain value, got {kind_of(cast('object', value))}")


def _finite(label: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        raise _Wrong(f", {label!r}: expected a number within the range of a double") from None
    if not isfinite(number):
        raise _Wrong(f", {label!r}: expected a finite number, got {number}")
    return number
