"""Strict decoding of TOML tables into Structs that reports every mistake, not only the first.

msgspec stops at the first error. Here each key of each table is converted by itself, and whatever fails is noted at its
place. A value that failed is ``BAD``, and what holds one is not built.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo

from actors.model.errors import ConfigError
from actors.model.secrets import Secret
from hub.config import words
from hub.config.problems import Spot
from hub.secrets import SecretRefused, resolve_secret

T = TypeVar("T", bound=Struct)
BAD: Final = object()
_MISSING: Final = "nothing: it is missing"
_RESIZE: Final = "add or remove some until it fits"
_LISTS: Final[Mapping[object, Callable[[list[object]], Any]]] = {
    list: list,
    tuple: tuple,
    Sequence: tuple,
    set: set,
    frozenset: frozenset,
}
_TABLES: Final = (dict, Mapping)


class Decoder(Struct, frozen=True, kw_only=True):
    """Decodes the tables of one file. Relative paths are meant from ``folder``; ``paths_exist`` wants them there."""

    folder: Path
    environ: Mapping[str, str]
    paths_exist: bool = False

    def table(self, kind: type[T], raw: object, spot: Spot) -> T | None:
        """Return ``raw`` as a ``kind``, or None after noting everything that is wrong with it at ``spot``."""
        built = self._struct(kind, raw, spot)
        return None if built is BAD else cast("T", built)

    def _struct(self, kind: type[Struct], raw: object, spot: Spot) -> object:
        if not isinstance(raw, dict):
            spot.note("a table", words.got(raw), "give it keys of its own, each on a line")
            return BAD
        table, inside = cast("dict[str, object]", raw), spot.entered()
        fields = msgspec.structs.fields(kind)
        known = [field.encode_name for field in fields]
        unknown = note_unknown(table, [*known, kind.__struct_config__.tag_field or ""], inside)
        values = {field.name: self._field(field, table, inside) for field in fields}
        given = {name: value for name, value in values.items() if value is not msgspec.UNSET}
        return BAD if unknown or any(value is BAD for value in given.values()) else _build(kind, given, inside)

    def _field(self, field: FieldInfo, table: Mapping[str, object], inside: Spot) -> object:
        spot = inside.at(field.encode_name)
        if field.encode_name in table:
            return self._value(field.type, table[field.encode_name], spot, field.default)
        if not field.required:
            return msgspec.UNSET
        if words.is_table(field.type):
            spot.entered().note("this table", _MISSING, f"add a table [{spot.entered().table}]")
        else:
            sample = words.example(field.type, field.default)
            spot.note(words.expected(field.type), _MISSING, f"add it, for example: {field.encode_name} = {sample}")
        return BAD

    def _value(self, kind: Any, raw: object, spot: Spot, default: object = msgspec.NODEFAULT) -> object:
        base, metas = _unwrap(kind)
        if get_origin(base) in {Union, UnionType}:
            return self._union(base, raw, spot, default)
        if isinstance(base, type) and issubclass(base, Struct):
            return self._struct(base, raw, spot)
        if base is Secret:
            return self._secret(raw, spot)
        if base is Path and isinstance(raw, str) and raw:
            return self._path(raw, spot)
        if get_origin(base) in _TABLES and isinstance(raw, dict):
            return self._dict(base, metas, cast("dict[str, object]", raw), spot)
        if get_origin(base) in _LISTS and not _has_fixed_length(base) and isinstance(raw, list):
            return self._list(base, metas, cast("list[object]", raw), spot)
        return _leaf(kind, raw, spot, default)

    def _union(self, base: Any, raw: object, spot: Spot, default: object) -> object:
        members = [member for member in get_args(base) if member is not type(None)]
        if len(members) == 1:
            return self._value(members[0], raw, spot, default)
        structs = [member for member in members if isinstance(member, type) and issubclass(member, Struct)]
        if len(structs) == len(members) and isinstance(raw, dict):
            return self._tagged(structs, cast("dict[str, object]", raw), spot)
        return _leaf(base, raw, spot, default)

    def _tagged(self, members: Sequence[type[Struct]], raw: Mapping[str, object], spot: Spot) -> object:
        """Build the member of a tagged union that the table's tag names."""
        field = members[0].__struct_config__.tag_field or "type"
        by_tag = {str(member.__struct_config__.tag): member for member in members}
        tag = raw.get(field)
        if str(tag) in by_tag:
            return self._struct(by_tag[str(tag)], raw, spot)
        hint = words.did_you_mean(str(tag), by_tag) or "choose one of these"
        spot.at(field).note(f"one of {words.choices(by_tag)}", words.got(tag) if field in raw else _MISSING, hint)
        return BAD

    def _dict(self, base: Any, metas: Sequence[Meta], raw: Mapping[str, object], spot: Spot) -> object:
        inner = get_args(base)
        names = {name: _leaf(inner[0], name, spot.at(name)) for name in raw}
        entries = {names[name]: self._value(inner[1], item, spot.at(name)) for name, item in raw.items()}
        if not all(_fits(len(raw), meta) for meta in metas):
            spot.entered().note(words.expected(Annotated[base, *metas]), words.count(len(raw), "entry"), _RESIZE)
            return BAD
        return BAD if any(part is BAD for part in (*entries, *entries.values())) else entries

    def _list(self, base: Any, metas: Sequence[Meta], raw: Sequence[object], spot: Spot) -> object:
        items = [self._value(get_args(base)[0], item, spot.item(number)) for number, item in enumerate(raw, 1)]
        if not all(_fits(len(raw), meta) for meta in metas):
            spot.note(words.expected(Annotated[base, *metas]), words.count(len(raw), "item"), _RESIZE)
            return BAD
        return BAD if any(item is BAD for item in items) else cast("object", _LISTS[get_origin(base)](items))

    def _path(self, raw: str, spot: Spot) -> object:
        path = self.folder / Path(raw).expanduser()
        if self.paths_exist and not path.exists():
            spot.note("a file that exists", f"{path}, which does not", "create it, or mend the path")
            return BAD
        return path

    def _secret(self, raw: object, spot: Spot) -> object:
        try:
            resolved = resolve_secret(raw, environ=self.environ, folder=self.folder)
        except SecretRefused as refused:
            spot.note(refused.expected, refused.got, refused.advice)
            return BAD
        if resolved.warning:
            spot.warn(resolved.warning)
        return resolved.secret


def as_table(raw: object) -> Mapping[str, object]:
    """Return a table as it is, and anything else as an empty one: the decoder notes it."""
    return cast("dict[str, object]", raw) if isinstance(raw, dict) else {}


def note_unknown(table: Mapping[str, object], known: Sequence[str], spot: Spot) -> Sequence[str]:
    """Note and return every key and table that nobody reads; the value stays unsaid, it may be a misspelt secret."""
    unknown = sorted(table.keys() - known)
    for name in unknown:
        is_heading = isinstance(table[name], dict) and not spot.table
        at, noun = (spot.at(name).entered(), "table") if is_heading else (spot.at(name), "key")
        hint = words.did_you_mean(name, known) or "remove it"
        at.note(f"one of {words.choices(filter(None, known))}", f"a {noun} that nobody reads", hint)
    return unknown


def _unwrap(kind: Any) -> tuple[Any, Sequence[Meta]]:
    """Return the type without its annotations, and the constraints among them."""
    if hasattr(kind, "__supertype__"):
        return _unwrap(kind.__supertype__)
    if get_origin(kind) is not Annotated:
        return kind, ()
    base, *extras = get_args(kind)
    return base, [extra for extra in extras if isinstance(extra, Meta)]


def _leaf(kind: Any, raw: object, spot: Spot, default: object = msgspec.NODEFAULT) -> object:
    try:
        value: object = msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        sample = f"write, for example: {spot.key} = {words.example(kind, default)}"
        if words.is_table(kind):
            sample = f"write a heading [{spot.entered().table}] and its keys below it"
        hint = words.did_you_mean(raw, words.options(kind)) if isinstance(raw, str) else ""
        spot.note(words.expected(kind), words.got(raw), hint or sample)
        return BAD
    if isinstance(value, float) and not math.isfinite(value):
        spot.note("a finite number", words.got(raw), "write digits")
        return BAD
    return value


def _has_fixed_length(base: Any) -> bool:
    return get_origin(base) is tuple and Ellipsis not in get_args(base)


def _fits(length: int, meta: Meta) -> bool:
    return (meta.min_length or 0) <= length <= (length if meta.max_length is None else meta.max_length)


def _build(kind: type[Struct], values: Mapping[str, object], spot: Spot) -> object:
    """Build the Struct; what its own checks refuse is noted in their words."""
    try:
        return kind(**values)
    except (ValueError, TypeError, ConfigError) as error:
        spot.note("keys that go together", str(error), "change the keys that it names")
        return BAD
