"""Reading a manifest: strictly, and all that is wrong at once."""

import difflib
import tomllib
import types
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from actors.model.errors import ConfigError
from crm_adapters.rest.manifest import Manifest
from crm_adapters.rest.templates import items_of, values_of

SHIPPED = Path(__file__).with_name("manifests")


def read_manifest(name: str) -> tuple[Path, Manifest]:
    """Return the manifest shipped under this name, or the one in the file of this name.

    Raises:
        ConfigError: there is none, or it says what no manifest may say; the text names file, tables and keys.
    """
    file = _file_of(name)
    try:
        tree = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"manifest {file}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"manifest {file}: is no TOML: {error}") from error
    raise_all(file, problems_of(tree, Manifest))
    try:
        return file, msgspec.convert(tree, Manifest)
    except msgspec.ValidationError as error:  # of a kind that problems_of does not know
        raise ConfigError(f"manifest {file}: {error}") from error


def raise_all(file: Path, problems: Iterable[str]) -> None:
    """Raise with all problems, one a line, when there are any.

    Raises:
        ConfigError: there are problems.
    """
    lines = [f"  {problem}" for problem in problems]
    if lines:
        raise ConfigError(f"manifest {file}:\n" + "\n".join(lines))


def shipped_names() -> list[str]:
    """Return the names of the shipped manifests."""
    return sorted(file.stem for file in SHIPPED.glob("*.toml"))


def problems_of(value: Any, wanted: Any, place: str = "", key: str = "") -> Iterator[str]:
    """Yield what is wrong with a value of TOML, each with its table and key."""
    kind = _without_none(wanted)
    structs = [each for each in _members(kind) if _is_struct(each)]
    is_table = isinstance(value, dict)
    if structs and is_table:
        yield from _of_table(dict(items_of(value)), structs, _inside(place, key))
    elif structs:
        yield _said(place, key, f"expected a table, got {value!r:.60}")
    elif get_origin(kind) is dict and is_table:
        yield from _of_entries(dict(items_of(value)), kind, _inside(place, key))
    elif get_origin(kind) is tuple and isinstance(value, list):
        for index, item in enumerate(values_of(value)):
            yield from problems_of(item, get_args(kind)[0], place, f"{key}[{index}]")
    else:
        yield from _of_leaf(value, kind, place, key)


def _of_table(value: dict[str, Any], structs: list[type[Struct]], place: str) -> Iterator[str]:
    chosen, tag = _chosen(value, structs)
    if chosen is None:
        kinds = ", ".join(str(each.__struct_config__.tag) for each in structs)
        yield _said(place, tag, f"expected one of {kinds}, got {value.get(tag)!r}")
        return
    hints = get_type_hints(chosen, include_extras=True)
    known = {field.name: field for field in fields(chosen)}
    for name in value.keys() - known.keys() - {tag}:
        close = difflib.get_close_matches(name, known, 1)
        expected = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(sorted(known))}"
        yield _said(place, name, f"is no key here; {expected}")
    for name, field in known.items():
        if name in value:
            yield from problems_of(value[name], hints[name], place, name)
        elif field.required:
            yield _said(place, name, f"is missing; expected {_shown(hints[name])}")


def _of_entries(value: dict[str, Any], kind: Any, place: str) -> Iterator[str]:
    of_key, of_value = get_args(kind)
    for name, item in value.items():
        if isinstance(of_key, type) and issubclass(of_key, StrEnum) and name not in {each.value for each in of_key}:
            yield _said(place, name, f"is no key here; expected one of {_shown(of_key)}")
        else:
            yield from problems_of(item, of_value, place, name)


def _of_leaf(value: Any, kind: Any, place: str, key: str) -> Iterator[str]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        bound = f" ({error})" if _is_bounded(kind) else ""
        yield _said(place, key, f"expected {_shown(kind)}, got {value!r:.60}{bound}")


def _chosen(value: dict[str, Any], structs: list[type[Struct]]) -> tuple[type[Struct] | None, str]:
    """Return which of several tables is meant, and the key that says so."""
    tag = structs[0].__struct_config__.tag_field
    if tag is None:
        return structs[0], ""
    found = next((each for each in structs if each.__struct_config__.tag == value.get(tag)), None)
    return found, tag


def _said(place: str, key: str, text: str) -> str:
    return f"[{place}] {key}: {text}" if place else f"{key}: {text}"


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place and key else place or key


def _without_none(wanted: Any) -> Any:
    members = [each for each in _members(wanted) if each is not types.NoneType]
    return members[0] if len(members) == 1 else wanted


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _is_bounded(kind: Any) -> bool:
    return get_origin(kind) is Annotated


_WORDS: Final[dict[object, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    tuple: "a list",
    list: "a list",
}


def _shown(kind: Any) -> str:
    """Return what a person would call a type."""
    kind = _without_none(kind)
    if _is_bounded(kind):
        return _shown(get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return "one of " + ", ".join(repr(each.value) for each in kind)
    words: tuple[object, ...] = get_args(kind)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(each) for each in words)
    if len(_members(kind)) > 1:
        return " or ".join(dict.fromkeys(_shown(each) for each in _members(kind)))
    if _is_struct(kind):
        return "a table"
    return next((words for each, words in _WORDS.items() if each in {kind, get_origin(kind)}), "another value")


def _file_of(name: str) -> Path:
    file = Path(name)
    if file.suffix == ".toml":
        return file
    if name not in shipped_names():
        expected = ", ".join(shipped_names())
        raise ConfigError(f"manifest {name!r}: expected one of {expected}, or the path of a .toml file")
    return SHIPPED / f"{name}.toml"
