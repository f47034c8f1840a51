"""Takes readings that things post, one message or a batch of them. Answers only when the hub has stored them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from typing import Final

import msgspec
from aiohttp import web

from actors.model.errors import MalformedPayload
from actors.model.readings import DeviceMessage, Principal, Receipt, Refused, Stored
from actors.model.routes import operation
from actors.ports import ConnectedThing, ProtocolDeps
from protocols.http import cloudevents
from protocols.http.cloudevents import BATCHED, MOST_EVENTS, STRUCTURED, Part
from protocols.http.config import HttpConfig
from protocols.http.door import PROTOCOL, Door
from protocols.http.mapping import FORMATS, ItemProblem, Rejected, message_id, rejection
from protocols.http.replays import Reply
from protocols.payloads import Format, Report, decode_payload

ACCEPTED: Final = (*FORMATS, STRUCTURED, BATCHED)
_Answer = asyncio.Future[Receipt | None]
"""The hub's word on a message; nothing once it was waited for too long."""
_SPACE: Final = b" \t\r\n"
_ITEMS: Final[msgspec.json.Decoder[list[msgspec.Raw]]] = msgspec.json.Decoder(list[msgspec.Raw])


class Intake:
    """The route for readings."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps, door: Door) -> None:
        self._config = config
        self._deps = deps
        self._door = door
        self._arrivals = count()

    @operation(body=Report | list[Report], media=ACCEPTED[1:], status=(204,))
    async def post_readings(self, request: web.Request) -> web.Response:
        """Store the readings of a body."""
        principal, thing = self._door.sender(request)
        if request.content_type not in ACCEPTED:
            allowed = ", ".join(ACCEPTED)
            text = f"Content-Type: expected one of {allowed}, got {request.content_type}"
            raise Rejected("unsupported", text, {"Accept-Post": allowed})
        body = await self._door.body(request)
        return await self._door.once(request, thing, body, partial(self._answer, request, principal, thing, body))

    async def _answer(self, request: web.Request, principal: Principal, thing: ConnectedThing, body: bytes) -> Reply:
        parts = _parts(request, body)
        key = request.headers.get("Idempotency-Key")
        if isinstance(parts, Part):
            message = self._message(thing, parts, key)
            return self._told(message, await self._stored(principal, message))
        messages = [self._numbered(thing, part, key, number) for number, part in enumerate(parts)]
        return await self._store_all(principal, messages)

    def _numbered(self, thing: ConnectedThing, part: Part, key: str | None, number: int) -> DeviceMessage:
        try:
            return self._message(thing, part, None if key is None else f"{key.strip(chr(34))}/{number}")
        except Rejected as rejected:
            item = ItemProblem(index=number, code=rejected.problem.code, detail=rejected.problem.detail)
            told = f"message {number}: {rejected.problem.detail}; nothing of the batch was stored"
            raise Rejected("malformed", told).with_items([item]) from None

    def _message(self, thing: ConnectedThing, part: Part, key: str | None) -> DeviceMessage:
        received_at = self._deps.clock.now()
        try:
            payload = decode_payload(
                part.body, part.form, part.time or received_at, thing.profile.sources.get(PROTOCOL, {})
            )
        except MalformedPayload as error:
            raise Rejected("malformed", str(error)) from None
        readings = payload.readings
        if part.time is not None:
            readings = tuple(
                r if r.observed_at is not None else msgspec.structs.replace(r, observed_at=part.time) for r in readings
            )
        identity = part.own_id or payload.own_id
        if identity is None:
            arrival = f"{received_at.isoformat()}/{next(self._arrivals)}"
            identity = message_id(payload, key, form=part.form, body=part.body, arrival=arrival)
        return DeviceMessage(
            thing_id=thing.thing_id,
            message_id=identity,
            received_at=received_at,
            readings=readings,
            protocol=PROTOCOL,
        )

    def _handed_in(self, principal: Principal, message: DeviceMessage) -> _Answer:
        answered: _Answer = asyncio.get_running_loop().create_future()

        def done(receipt: Receipt) -> None:
            if not answered.done():  # the wait may have ended
                answered.set_result(receipt)

        self._deps.sink.accept(principal, message, done)
        return answered

    async def _stored(self, principal: Principal, message: DeviceMessage) -> Stored:
        receipt = await self._within_time(self._handed_in(principal, message))
        match receipt:
            case Stored():
                return receipt
            case Refused():
                raise rejection(receipt, default_retry_s=self._config.retry_after_s)

    async def _store_all(self, principal: Principal, messages: Sequence[DeviceMessage]) -> Reply:
        """Hand in a batch in its order; all are stored, or it is told which are not."""
        waiting = [self._handed_in(principal, message) for message in messages]
        receipts = [await self._within_time(answer) for answer in waiting]
        refused = [(index, receipt) for index, receipt in enumerate(receipts) if isinstance(receipt, Refused)]
        stored = [receipt for receipt in receipts if isinstance(receipt, Stored)]
        duplicates = sum(receipt.duplicate for receipt in stored)
        self._door.counts["accepted"] += len(stored)
        self._door.counts["duplicates"] += duplicates
        if refused:
            raise self._incomplete(refused, len(messages))
        told = {"Iot2crm-Stored": str(len(stored)), "Iot2crm-Duplicates": str(duplicates)}
        return Reply(204, told, b"")

    def _incomplete(self, refused: Sequence[tuple[int, Refused]], count: int) -> Rejected:
        """Return the problem of a batch: that of a message which may be sent again, if there is one."""
        items = [ItemProblem(index=index, code=receipt.code, detail=receipt.detail) for index, receipt in refused]
        told = [rejection(receipt, default_retry_s=self._config.retry_after_s) for _, receipt in refused]
        worst = max(told, key=lambda rejected: rejected.problem.status)
        summary = f"{len(refused)} of {count} messages were not stored; the first: {refused[0][1].detail}"
        problem = msgspec.structs.replace(worst.problem, detail=summary)
        worst.problem = problem
        return worst.with_items(items)

    async def _within_time(self, answered: _Answer) -> Receipt:
        timer = asyncio.get_running_loop().call_later(self._config.reply_within_s, _expire, answered)
        try:
            receipt = await answered
        finally:
            timer.cancel()
        if receipt is None:
            late = f"not stored within {self._config.reply_within_s:g} s; it may be stored later"
            headers = {"Retry-After": str(round(self._config.retry_after_s))}
            raise Rejected("not_stored_yet", late, headers)
        return receipt

    def _told(self, message: DeviceMessage, stored: Stored) -> Reply:
        self._door.counts["accepted"] += 1
        self._door.counts["duplicates"] += stored.duplicate
        headers = {"Iot2crm-Message-Id": message.message_id}
        return Reply(204, headers | {"Iot2crm-Duplicate": "true"} if stored.duplicate else headers, b"")


def _expire(answered: _Answer) -> None:
    if not answered.done():
        answered.set_result(None)


def _parts(request: web.Request, body: bytes) -> Part | Sequence[Part]:
    """Return the one message of a body, or the batch that it is.

    Raises:
        Rejected: its envelope cannot be read.
    """
    try:
        return parts_of(request.content_type, request.headers, body)
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
