"""The query language: text to a tree. SELECT, FROM, WHERE, ORDER BY, LIMIT, OFFSET; one level of parents.

Source: Salesforce SOQL reference. Left out: aggregates, sub-queries, FOR, GROUP BY.
"""

import re
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from crm_adapters.salesforce.sandbox.errors import Refusal, bad_request

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_SIGNS: Final = frozenset({"=", "!=", "<>", "<", ">", "<=", ">="})


class Condition(Struct, frozen=True, kw_only=True):
    """One comparison; ``operator`` is a sign, ``LIKE``, ``IN`` or ``NOT IN`` (``value`` is a tuple then)."""

    field: str
    operator: str
    value: Any


class Both(Struct, frozen=True, kw_only=True):
    """All of several conditions."""

    parts: tuple["Where", ...]


class Either(Struct, frozen=True, kw_only=True):
    """Any of several conditions."""

    parts: tuple["Where", ...]


class Negated(Struct, frozen=True, kw_only=True):
    """The opposite of a condition."""

    part: "Where"


Where = Condition | Both | Either | Negated


class Ordering(Struct, frozen=True, kw_only=True):
    """One field to sort by; nulls come first unless ``nulls_last``."""

    field: str
    descending: bool = False
    nulls_last: bool = False


class Query(Struct, frozen=True, kw_only=True):
    """A parsed query; ``fields`` of just ``COUNT()`` is empty."""

    fields: tuple[str, ...]
    source: str
    where: Where | None = None
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """Return the tree of a query.

    Raises:
        Refusal: MALFORMED_QUERY; the text says near what.
    """
    return _Parser(text).query()


def malformed(what: str) -> Refusal:
    """Return the refusal of a query that cannot be read."""
    return bad_request("MALFORMED_QUERY", what)


class _Token(Struct, frozen=True, kw_only=True):
    kind: str
    text: str


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._selected()
        self._expect("FROM")
        source = self._word()
        where = self._either() if self._accept("WHERE") else None
        order = self._order() if self._accept("ORDER") else ()
        limit = self._whole() if self._accept("LIMIT") else None
        offset = self._whole() if self._accept("OFFSET") else 0
        if self._at < len(self._tokens):
            raise malformed(f"unexpected token: '{self._tokens[self._at].text}'")
        return Query(fields=fields, source=source, where=where, order=order, limit=limit, offset=offset)

    def _selected(self) -> tuple[str, ...]:
        first = self._word()
        if first.upper() == "COUNT" and self._accept("("):
            self._expect(")")
            return ()
        return (first, *self._more_words())

    def _more_words(self) -> list[str]:
        words: list[str] = []
        while self._accept(","):
            words.append(self._word())
        return words

    def _either(self) -> Where:
        parts = [self._both()]
        while self._accept("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(parts=tuple(parts))

    def _both(self) -> Where:
        parts = [self._single()]
        while self._accept("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Both(parts=tuple(parts))

    def _single(self) -> Where:
        if self._accept("NOT"):
            return Negated(part=self._single())
        if self._accept("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        field = self._word()
        if self._accept("NOT"):
            self._expect("IN")
            return Condition(field=field, operator="NOT IN", value=self._listed())
        if self._accept("IN"):
            return Condition(field=field, operator="IN", value=self._listed())
        if self._accept("LIKE"):
            return Condition(field=field, operator="LIKE", value=self._literal())
        sign = self._take()
        if sign.text not in _SIGNS:
            raise malformed(f"unexpected token: '{sign.text}'")
        return Condition(field=field, operator="!=" if sign.text == "<>" else sign.text, value=self._literal())

    def _listed(self) -> tuple[Any, ...]:
        self._expect("(")
        values = [self._literal()]
        while self._accept(","):
            values.append(self._literal())
        self._expect(")")
        return tuple(values)

    def _literal(self) -> Any:
        token = self._take()
        match token.kind:
            case "text":
                return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), token.text[1:-1])
            case "number":
                return Decimal(token.text)
            case "moment":
                return Moment(text=token.text)
            case _ if token.text.lower() in _WORDS:
                return _WORDS[token.text.lower()]
            case _:
                raise malformed(f"unexpected token: '{token.text}'")

    def _order(self) -> tuple[Ordering, ...]:
        self._expect("BY")
        orderings = [self._ordering()]
        while self._accept(","):
            orderings.append(self._ordering())
        return tuple(orderings)

    def _ordering(self) -> Ordering:
        field = self._word()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Ordering(field=field, descending=descending, nulls_last=nulls_last)

    def _whole(self) -> int:
        token = self._take()
        if not token.text.isdigit():
            raise malformed(f"unexpected token: '{token.text}'")
        return int(token.text)

    def _word(self) -> str:
        token = self._take()
        if token.kind != "word":
            raise malformed(f"unexpected token: '{token.text}'")
        return token.text

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise malformed("unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, text: str) -> bool:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        found = token is not None and token.kind in {"word", "sign"} and token.text.upper() == text
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            got = self._tokens[self._at].text if self._at < len(self._tokens) else "<EOF>"
            raise malformed(f"expecting {text}, found '{got}'")


class Moment(Struct, frozen=True, kw_only=True):
    """A date, or a date and time, written without quotes."""

    text: str


_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise malformed(f"unexpected character near '{text[at : at + 20].strip()}'")
        tokens.append(_Token(kind=found.lastgroup, text=found[found.lastgroup]))
        at = found.end()
    return tokens
