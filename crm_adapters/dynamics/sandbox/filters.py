"""The part of ``$filter`` that Dataverse clients use (OData 4.0 URL conventions, section 5.1.1)."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import DataverseError, refuse, unknown_property
from crm_adapters.dynamics.sandbox.payloads import canonical
from crm_adapters.dynamics.sandbox.schema import Kind, Table
from crm_adapters.dynamics.sandbox.tables import TABLES

Row = Mapping[str, Any]
Predicate = Callable[[Row], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')"
    r"|(?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w./]*)"
    r"|(?P<sign>[(),]))"
)
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}
_TEXT_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}
_NUMBERS: Final = frozenset({Kind.MONEY, Kind.DECIMAL, Kind.WHOLE, Kind.CHOICE})


class _Token(Struct, frozen=True, kw_only=True):
    kind: str
    text: str


class Path(Struct, frozen=True, kw_only=True):
    """A column of the row itself, or of the row that one lookup points at."""

    table: Table
    name: str
    through: str = ""
    """The ``_column_value`` of the lookup that is followed first."""

    def value(self, environment: Environment, row: Row) -> Any:
        """Return the value to compare: text without case, numbers as Decimal."""
        if self.through:
            guid = row.get(self.through)
            if guid is None:
                return None
            row = environment.get(self.table.name, str(guid))
        return comparable(self.table, self.name, row.get(self.name))


def comparable(table: Table, name: str, value: Any) -> Any:
    """Return a value so that rows compare as the platform's database compares them."""
    if value is None or isinstance(value, bool):
        return value
    column = table.columns.get(name)
    if column is not None and column.kind in _NUMBERS:
        return Decimal(str(value))
    return str(value).casefold()


def parse_path(table: Table, text: str) -> Path:
    """Return the path that a query names.

    Raises:
        DataverseError: 400 when there is no such property.
    """
    navigation, slash, name = text.partition("/")
    if not slash:
        if not table.readable(text):
            raise unknown_property(table.name, text)
        return Path(table=table, name=text)
    lookup = table.lookups.get(navigation)
    if lookup is None or "/" in name:
        raise unknown_property(table.name, navigation)
    target = parse_path(TABLES[lookup.target], name)
    return Path(table=target.table, name=target.name, through=lookup.value_name)


def parse_filter(environment: Environment, table: Table, text: str) -> Predicate:
    """Return the test that a filter expression stands for.

    Raises:
        DataverseError: 400 naming what could not be read.
    """
    return _Parser(environment, table, text).parse()


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, environment: Environment, table: Table, text: str) -> None:
        self._environment = environment
        self._table = table
        self._text = text
        self._tokens = _tokens(text)
        self._place = 0

    def parse(self) -> Predicate:
        predicate = self._any()
        if self._place < len(self._tokens):
            raise _syntax(self._text)
        return predicate

    def _any(self) -> Predicate:
        left = self._all()
        while self._skip("or"):
            left = _either(left, self._all())
        return left

    def _all(self) -> Predicate:
        left = self._not()
        while self._skip("and"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Predicate:
        if self._skip("not"):
            inner = self._not()
            return lambda row: not inner(row)
        if self._skip("("):
            inner = self._any()
            self._expect(")")
            return inner
        return self._test()

    def _test(self) -> Predicate:
        word = self._next("word")
        if word in _TEXT_TESTS and self._skip("("):
            return self._text_test(_TEXT_TESTS[word])
        path = parse_path(self._table, word)
        operator = self._next("word")
        wanted = self._literal(path)
        read = self._reader(path)
        if operator in {"eq", "ne"}:
            return lambda row: (read(row) == wanted) is (operator == "eq")
        if operator not in _COMPARISONS:
            raise _syntax(self._text)
        compare = _COMPARISONS[operator]
        return lambda row: (value := read(row)) is not None and wanted is not None and compare(value, wanted)

    def _text_test(self, test: Callable[[str, str], bool]) -> Predicate:
        path = parse_path(self._table, self._next("word"))
        self._expect(",")
        part = str(self._literal(path))
        self._expect(")")
        read = self._reader(path)
        return lambda row: (value := read(row)) is not None and test(str(value), part)

    def _reader(self, path: Path) -> Callable[[Row], Any]:
        return lambda row: path.value(self._environment, row)

    def _literal(self, path: Path) -> Any:
        token = self._take()
        match token.kind:
            case "string":
                return _literal_text(path, token.text[1:-1].replace("''", "'"))
            case "guid":
                return token.text.casefold()
            case "number":
                return Decimal(token.text)
            case "time":
                return _literal_time(path, token.text)
            case "word" if token.text in {"true", "false"}:
                return token.text == "true"
            case "word" if token.text == "null":
                return None
            case _:
                raise _syntax(self._text)

    def _skip(self, text: str) -> bool:
        found = self._place < len(self._tokens) and self._tokens[self._place].text == text
        self._place += found
        return found

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise _syntax(self._text)

    def _next(self, kind: str) -> str:
        token = self._take()
        if token.kind != kind:
            raise _syntax(self._text)
        return token.text

    def _take(self) -> _Token:
        if self._place >= len(self._tokens):
            raise _syntax(self._text)
        self._place += 1
        return self._tokens[self._place - 1]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _syntax(text)
        tokens.append(_Token(kind=match.lastgroup, text=match[match.lastgroup]))
        place = match.end()
    return tokens


def _literal_text(path: Path, text: str) -> Any:
    column = path.table.columns.get(path.name)
    if column is not None and column.kind is not Kind.TEXT:
        raise refuse(400, "BadProperty", f"A binary operator with incompatible types was detected at '{path.name}'.")
    return text.casefold()


def _literal_time(path: Path, text: str) -> Any:
    full = text if "T" in text else f"{text}T00:00:00Z"
    column = path.table.columns.get(path.name)
    if column is None or column.kind is not Kind.TIME:
        raise refuse(400, "BadProperty", f"A binary operator with incompatible types was detected at '{path.name}'.")
    return str(canonical(path.table, column, full)).casefold()


def _either(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) or right(row)


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda row: left(row) and right(row)


def _syntax(text: str) -> DataverseError:
    return refuse(400, "BadProperty", f"Syntax error in '$filter': {text}")
