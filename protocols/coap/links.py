"""Link format (RFC 6690): what a device says it has, what a directory answers, and filters over both. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from actors.model.errors import MalformedPayload

MAX_LINKS: Final = 1000
_MAX_ATTRIBUTES: Final = 32
_LISTS: Final = frozenset({"rt", "if", "ct", "rel", "rev"})
"""Attributes whose value is a list with spaces between (RFC 6690 section 3)."""
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()*+-./:<=>?@[]^_`{|}~")


class Link(Struct, frozen=True):
    """One link: its target, and attributes in their order; those without a value have the empty text."""

    target: str
    attributes: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of an attribute, each word of those that are lists."""
        given = [value for attribute, value in self.attributes if attribute == name]
        return tuple(word for value in given for word in (value.split() if name in _LISTS else [value]))


class Query(Struct, frozen=True):
    """One filter of a query; a value that ends with an asterisk is the beginning of what is looked for."""

    name: str
    value: str

    def matches(self, value: str) -> bool:
        """Say whether a value is what is looked for."""
        return value.startswith(self.value[:-1]) if self.value.endswith("*") else value == self.value


def parse_links(body: bytes) -> tuple[Link, ...]:
    """Return the links of a body.

    Raises:
        MalformedPayload: The text says at which character, and what was expected there.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedPayload(f"links, byte {error.start}: expected text in UTF-8") from None
    reader = _Reader(text)
    links: list[Link] = []
    while not reader.is_at_end():
        if links:
            reader.take(",")
        if len(links) >= MAX_LINKS:
            raise MalformedPayload(f"links: expected up to {MAX_LINKS}, got more")
        links.append(reader.link())
    return tuple(links)


def format_links(links: Iterable[Link]) -> bytes:
    """Return links as they stand in a body."""
    return ",".join(_written(link) for link in links).encode()


def parse_query(parameters: Sequence[str]) -> tuple[Query, ...]:
    """Return the filters of Uri-Query options."""
    split = (parameter.partition("=") for parameter in parameters)
    return tuple(Query(name, value) for name, _, value in split)


def filtered(links: Iterable[Link], query: Sequence[Query]) -> list[Link]:
    """Return the links that meet all filters (RFC 6690 section 4.1)."""
    return [link for link in links if all(_meets(link, wanted) for wanted in query)]


def _meets(link: Link, wanted: Query) -> bool:
    values = (link.target,) if wanted.name == "href" else link.values(wanted.name)
    return any(wanted.matches(value) for value in values)


def _written(link: Link) -> str:
    attributes = "".join(f';{name}="{_escaped(value)}"' if value else f";{name}" for name, value in link.attributes)
    return f"<{link.target}>{attributes}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


class _Reader:
    """Goes through a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def is_at_end(self) -> bool:
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
        return self._at >= len(self._text)

    def take(self, wanted: str) -> None:
        if not self._next_is(wanted):
            got = self._text[self._at : self._at + 1]
            raise MalformedPayload(f"links, character {self._at}: expected {wanted!r}, got {got!r}")
        self._at += 1

    def link(self) -> Link:
        self.is_at_end()
        self.take("<")
        target = self._until(">")
        attributes: list[tuple[str, str]] = []
        while not self.is_at_end() and self._next_is(";"):
            self.take(";")
            if len(attributes) >= _MAX_ATTRIBUTES:
                raise MalformedPayload(f"links, character {self._at}: expected up to {_MAX_ATTRIBUTES} attributes")
            attributes.append(self._attribute())
        return Link(target, tuple(attributes))

    def _attribute(self) -> tuple[str, str]:
        self.is_at_end()
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in _PLAIN and self._text[self._at] != "=":
            self._at += 1
        name = self._text[start : self._at]
        if not name:
            raise MalformedPayload(f"links, character {start}: expected the name of an attribute")
        if not self._next_is("="):
            return name, ""
        self.take("=")
        return name, self._quoted() if self._next_is('"') else self._word()

    def _word(self) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in _PLAIN:
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str:
        self.take('"')
        said: list[str] = []
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 1
            if letter == '"':
                return "".join(said)
            if letter == "\\" and self._at < len(self._text):
                letter = self._text[self._at]
                self._at += 1
            said.append(letter)
        raise MalformedPayload(f"links, character {self._at}: expected a closing quotation mark, got the end")

    def _until(self, end: str) -> str:
        found = self._text.find(end, self._at)
        if found < 0:
            raise MalformedPayload(f"links, character {self._at}: expected {end!r}, got the end")
        said = self._text[self._at : found]
        self._at = found + 1
        return said

    def _next_is(self, wanted: str) -> bool:
        return self._text.startswith(wanted, self._at)
