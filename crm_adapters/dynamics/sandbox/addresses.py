"""Addresses of the Web API: entity sets, primary and alternate keys (OData 4.0 URL conventions, section 4)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from crm_adapters.dynamics.sandbox.errors import refuse, unknown_resource

SERVICE_ROOT: Final = re.compile(r"^(?:https?://[^/]+)?/api/data/v9\.\d+/")
GUID: Final = re.compile(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
_SEGMENT: Final = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:\((?P<key>.*)\))?$", re.DOTALL)
_KEY_PART: Final = re.compile(r"\s*(?P<column>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^,']+)\s*(?:,|$)")
_CONTENT_ID: Final = re.compile(r"^/?\$(?P<id>[\w-]+)(?P<rest>/.*)?$")


class Resource(Struct, frozen=True, kw_only=True):
    """A parsed address. At most one of ``guid`` and ``key`` is set; ``rest`` is what follows the first segment."""

    name: str
    guid: str = ""
    key: Mapping[str, str] = {}
    rest: str = ""

    @property
    def is_single(self) -> bool:
        """Say whether one row is addressed."""
        return bool(self.guid or self.key)


def below_root(address: str) -> str:
    """Return an address relative to the service root: absolute, host-relative and relative forms are the same."""
    return SERVICE_ROOT.sub("", address).lstrip("/")


def resolve(address: str, references: Mapping[str, str]) -> str:
    """Return an address with a leading ``$n`` replaced by what the operation with that Content-ID made."""
    match = _CONTENT_ID.match(below_root(address))
    if match is None or match["id"] in {"batch", "metadata"}:
        return address
    if match["id"] not in references:
        raise refuse(400, "", f"Content-ID Reference: '${match['id']}' does not exist in the batch context.")
    return references[match["id"]] + (match["rest"] or "")


def parse_resource(address: str) -> Resource:
    """Return what an address (without query) names."""
    first, _, rest = _split(below_root(address))
    match = _SEGMENT.match(first)
    if match is None:
        raise unknown_resource(first)
    key = match["key"]
    if key is None:
        return Resource(name=match["name"], rest=rest)
    text = key.strip()
    if GUID.match(text):
        return Resource(name=match["name"], guid=text.lower(), rest=rest)
    return Resource(name=match["name"], key=_alternate_key(text), rest=rest)


def _split(address: str) -> tuple[str, str, str]:
    """Split at the first slash outside of quotes, then undo percent-encoding."""
    decoded = unquote(address)
    quoted = False
    for place, character in enumerate(decoded):
        if character == "'":
            quoted = not quoted
        elif character == "/" and not quoted:
            return decoded[:place], "/", decoded[place + 1 :]
    return decoded, "", ""


def _alternate_key(text: str) -> dict[str, str]:
    key: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _KEY_PART.match(text, place)
        if match is None:
            raise refuse(400, "BadProperty", f"Bad Request - Error in query syntax: key '{text}'.")
        value = match["value"]
        key[match["column"]] = value[1:-1].replace("''", "'") if value.startswith("'") else value.strip()
        place = match.end()
    if not key:
        raise refuse(400, "BadProperty", "Bad Request - Error in query syntax: empty key.")
    return key
