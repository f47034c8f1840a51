"""Takes readings that things post, one message or a batch of them. Answers only when the hub has stored them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from actors.model.errors import MalformedPayload
from actors.model.readings import Principal
from actors.model.routes import operation
from actors.ports import ConnectedThing
from protocols.http import cloudevents
from protocols.http.cloudevents import BATCHED, MOST_EVENTS, STRUCTURED, Part
from protocols.http.door import KEY_HEADER, Door, answered
from protocols.http.mapping import FORMATS, Rejected
from protocols.http.replays import Reply
from protocols.http.storing import Storing
from protocols.payloads import Format, Report

ACCEPTED: Final = (*FORMATS, STRUCTURED, BATCHED)
_ACCEPTED: Final = frozenset(ACCEPTED)
_SPACE: Final = b" \t\r\n"
_ITEMS: Final[msgspec.json.Decoder[list[msgspec.Raw]]] = msgspec.json.Decoder(list[msgspec.Raw])


class Intake:
    """The route for readings."""

    def __init__(self, door: Door, storing: Storing) -> None:
        self._door = door
        self._storing = storing

    @operation(body=Report | list[Report], media=ACCEPTED[1:], status=(204,), is_direct=True)
    async def post_readings(self, request: web.Request, named: str | None = None) -> web.Response:
        """Store the readings of a body."""
        principal, thing = self._door.sender(request, named)
        if request.content_type not in _ACCEPTED:
            allowed = ", ".join(ACCEPTED)
            text = f"Content-Type: expected one of {allowed}, got {request.content_type}"
            raise Rejected("unsupported", text, {"Accept-Post": allowed})
        body = self._door.body_at_hand(request)
        if body is None:
            body = await self._door.body(request)
        if KEY_HEADER not in request.headers:
            return answered(await self._answer(request, principal, thing, body))
        return await self._door.once(request, thing, body, partial(self._answer, request, principal, thing, body))

    async def _answer(self, request: web.Request, principal: Principal, thing: ConnectedThing, body: bytes) -> Reply:
        parts = body_parts(request.content_type, request.headers, body)
        key = request.headers.get(KEY_HEADER)
        if isinstance(parts, Part):
            return await self._storing.store(principal, self._storing.message(thing, parts, key))
        bare = None if key is None else key.strip('"')
        messages = [
            self._storing.item(thing, part, number, key=None if bare is None else f"{bare}/{number}")
            for number, part in enumerate(parts)
        ]
        return await self._storing.store_all(principal, messages)


def body_parts(media: str, headers: Mapping[str, str], body: bytes) -> Part | Sequence[Part]:
    """Return the one message of a body, or the batch that it is.

    Raises:
        Rejected: its envelope cannot be read.
    """
    try:
        return parts_of(media, headers, body)
    except MalformedPayload as error:
        raise Rejected("malformed", str(error)) from None


def parts_of(media: str, headers: Mapping[str, str], body: bytes) -> Part | Sequence[Part]:
    """Return the one message of a body of a known media type, or the batch that it is.

    Raises:
        MalformedPayload: its envelope cannot be read.
    """
    if media == STRUCTURED:
        return cloudevents.structured(body)
    if media == BATCHED:
        return cloudevents.batched(body)
    form = FORMATS[media]
    if cloudevents.is_binary(headers):
        return cloudevents.binary(headers, form, body)
    if form is Format.JSON and body.lstrip(_SPACE)[:1] == b"[":
        return _several(body)
    return Part(form=form, body=body)


def _several(body: bytes) -> Sequence[Part]:
    try:
        items = _ITEMS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayload(f"JSON: {error}") from None
    if not 1 <= len(items) <= MOST_EVENTS:
        raise MalformedPayload(f"JSON: expected 1 to {MOST_EVENTS} messages, got {len(items)}")
    return [Part(form=Format.JSON, body=bytes(item)) for item in items]
