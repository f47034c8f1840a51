"""Types and values in an operator's words."""

import datetime as dt
import difflib
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, cast

from msgspec import inspect

from actors.model.secrets import Secret
from hub.secrets import HOW_TO_WRITE

_BOUNDS: Final = (("gt", "above"), ("ge", "of at least"), ("lt", "below"), ("le", "of at most"))
_LENGTHS: Final = (("min_length", "at least"), ("max_length", "at most"))
_FORMS: Final = {
    "^[a-z][a-z0-9_]{0,63}$": ("a name of lower-case letters, digits and _ that starts with a letter", '"tank_sensor"'),
    "^[A-Z]{3}$": ("a currency of three letters", '"EUR"'),
}
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a flag"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text"),
    (dict, "a table"),
    (list, "a list"),
    (dt.datetime, "a date and time"),
    (dt.date, "a date"),
    (dt.time, "a time"),
)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean "x"?`` for the closest known word, or "" when none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def choices(known: Iterable[str]) -> str:
    """Return names as a list for people."""
    return ", ".join(f'"{name}"' for name in sorted(known)) or "none"


def got(value: object) -> str:
    """Return what was written; what is inside tables and lists stays out, it may be secret."""
    word = next((word for kind, word in _KINDS if issubclass(type(value), kind)), "a value")
    return word if word in {"a table", "a list"} else f"{toml(value)} ({word})"


def count(number: int, noun: str) -> str:
    """Return ``1 item``, ``2 items``, ``3 entries``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def toml(value: object) -> str:
    """Return a value as it is written in TOML."""
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return toml(value.value)
        case str() | Path():
            return f'"{value}"'
        case list() | tuple():
            return f"[{', '.join(toml(item) for item in cast('Sequence[object]', value))}]"
        case _:
            return str(value)


def expected(kind: Any) -> str:
    """Return what a Python type wants, in words."""
    return _words(inspect.type_info(kind))


def example(kind: Any, default: object) -> str:
    """Return something that could be written: the default where there is one."""
    if isinstance(default, bool | int | float | str | tuple) and default != "":
        return toml(cast("object", default))
    return _sample(_the_one(inspect.type_info(kind)))


def options(kind: Any) -> list[str]:
    """Return the texts that a type allows, where it allows only some."""
    match _the_one(inspect.type_info(kind)):
        case inspect.EnumType(cls=cls):
            return [str(member.value) for member in cls]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case _:
            return []


def is_table(kind: Any) -> bool:
    """Say whether a type is written as a table."""
    return isinstance(_the_one(inspect.type_info(kind)), inspect.StructType | inspect.DictType)


def _the_one(info: inspect.Type) -> inspect.Type:
    """Return the first member of ``X | None`` and its like; other types as they are."""
    if isinstance(info, inspect.UnionType):
        return next(member for member in info.types if not isinstance(member, inspect.NoneType))
    return info.type if isinstance(info, inspect.Metadata) else info


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.UnionType(types=types):
            members = [_words(member) for member in types if not isinstance(member, inspect.NoneType)]
            return " or ".join(dict.fromkeys(members))
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.TupleType(item_types=items):
            return f"a list of {count(len(items), 'item')}: {', '.join(_words(item) for item in items)}"
        case inspect.DictType():
            return "a table" + _limits(info, _LENGTHS, " of ", " entries").replace("1 entries", "1 entry")
        case inspect.CustomType(cls=cls):
            return _CUSTOM.get(cls, "a value that the adapter understands")
        case _:
            return _PLAIN.get(type(info), lambda _: "a table")(info)


def _number(noun: str) -> Callable[[Any], str]:
    return lambda info: noun + _limits(info, _BOUNDS, " ", "")


def _text(info: Any) -> str:
    if info.pattern is not None:
        return _FORMS[info.pattern][0] if info.pattern in _FORMS else f"a text of the form {info.pattern}"
    return "a text" + _limits(info, _LENGTHS, " of ", " characters")


def _list(info: Any) -> str:
    limits = _limits(info, _LENGTHS, " of ", " items").replace("least 1 items", "least 1 item")
    return f"a list{limits}, each {_words(info.item_type)}"


def _limits(info: Any, table: Iterable[tuple[str, str]], lead: str, trail: str) -> str:
    limits = [f"{word} {getattr(info, name)}" for name, word in table if getattr(info, name) is not None]
    return f"{lead}{' and '.join(limits)}{trail}" if limits else ""


def _one_of(values: Iterable[object]) -> str:
    return "one of " + ", ".join(toml(value) for value in values)


_CUSTOM: Final[dict[type, str]] = {Secret: f"a reference to the secret: {HOW_TO_WRITE}", Path: "a path"}
_PLAIN: Final[dict[type, Callable[[Any], str]]] = {
    inspect.AnyType: lambda _: "a value",
    inspect.BoolType: lambda _: "true or false",
    inspect.DateTimeType: lambda _: "a date and time with its offset from UTC",
    inspect.EnumType: lambda info: _one_of(info.cls),
    inspect.FloatType: _number("a number"),
    inspect.FrozenSetType: _list,
    inspect.IntType: _number("a whole number"),
    inspect.ListType: _list,
    inspect.LiteralType: lambda info: _one_of(info.values),
    inspect.SetType: _list,
    inspect.StrType: _text,
    inspect.VarTupleType: _list,
}


def _sample(info: inspect.Type) -> str:
    match info:
        case inspect.IntType() | inspect.FloatType():
            low = info.ge if info.ge is not None else info.gt
            return str(10 if low is None else low + 1)
        case inspect.EnumType() | inspect.LiteralType():
            return toml(next(iter(_values(info))))
        case inspect.StrType(pattern=str(pattern)) if pattern in _FORMS:
            return _FORMS[pattern][1]
        case inspect.CustomType(cls=cls):
            return '{ env = "NAME" }' if cls is Secret else '"path"'
        case _:
            return _SAMPLES.get(type(info), '"..."')


def _values(info: inspect.EnumType | inspect.LiteralType) -> Iterable[object]:
    return info.cls if isinstance(info, inspect.EnumType) else info.values


_SAMPLES: Final[dict[type, str]] = {
    inspect.BoolType: "true",
    inspect.DateTimeType: "2026-01-31T12:00:00Z",
    inspect.FrozenSetType: '["..."]',
    inspect.ListType: '["..."]',
    inspect.SetType: '["..."]',
    inspect.StructType: "{ ... }",
    inspect.VarTupleType: '["..."]',
}
