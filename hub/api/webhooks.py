"""The route for messages that CRMs send by themselves: the adapter proves the sender, the record is read again."""

from typing import Final

from aiohttp import web

from actors.desk.pace import Bucket
from actors.dialogue import RecordsHeard, connection_address
from actors.model.outcomes import AuthFailed, Failure, Heard, HeardOutcome, Permanent, Throttled, Unsupported
from actors.model.routes import operation
from actors.ports import Webhook
from hub.api.bodies import whole_body
from hub.api.context import hub_of
from hub.api.problems import Problem

MOST_BYTES: Final = 262_144
"""Vendors send less: Dataverse cuts off at 256 kB, HubSpot sends at most 100 events."""
_PER_S: Final = 20.0
_BURST: Final = 100.0
_NOT_THEIRS: Final = frozenset({"not_proved", "not_authentic"})


class Doors:
    """How many messages each connection takes: beyond that they are refused before anything is read again.

    Only messages that prove who sends them count: nobody else can use up what a CRM may send.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def lets_in(self, connection: str, now_s: float) -> bool:
        """Say whether one more may come in now."""
        bucket = self._buckets.get(connection)
        if bucket is None:
            bucket = self._buckets[connection] = Bucket(_PER_S, burst=_BURST)
        return bucket.take(now_s)


DOORS: web.AppKey[Doors] = web.AppKey("webhook_doors", Doors)


@operation(media=("*/*",), status=(204, 200), reply_media="text/plain", is_open=True)
async def hear(request: web.Request) -> web.Response:
    """Take a message; 204 once what it led to is durable, so that a CRM that repeats messages need not repeat it."""
    hub, connection = hub_of(request), request.match_info["connection"]
    listen = hub.hear.get(connection)
    if listen is None:
        raise Problem(404, "not_found", f"there is no CRM connection {connection}")
    message = await _message(request)
    doubt = hub.doubt[connection](message)
    if doubt is not None:
        _heard(doubt, connection)
    if not request.app[DOORS].lets_in(connection, hub.clock.monotonic()):
        raise Problem(429, "too_many_messages", "more messages than this hub takes at a time", "send it again later")
    heard = _heard(await listen(message), connection)
    if heard.challenge:
        return web.Response(text=heard.challenge, headers={"X-Content-Type-Options": "nosniff"})
    if heard.records:
        await hub.engine.ask(connection_address(connection), RecordsHeard(connection=connection, records=heard.records))
    return web.Response(status=204)


async def _message(request: web.Request) -> Webhook:
    body = await whole_body(request, MOST_BYTES)
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    return Webhook(headers=headers, query=dict(request.query), body=body)


def _text(header: str) -> str:
    """Return a header without what is no UTF-8: no adapter can encode that, and no secret holds it."""
    return header.encode(errors="surrogateescape").decode(errors="replace")


def _heard(outcome: HeardOutcome, connection: str) -> Heard:
    """Return what was heard; anything else as the answer that tells the sender whether to come again."""
    match outcome:
        case Heard():
            return outcome
        case Unsupported():
            raise Problem(404, "not_found", f"the connection {connection} takes no messages")
        case Permanent(code=code) if code in _NOT_THEIRS:
            raise Problem(401, "not_proved", "the message does not prove that the CRM sent it", "sign it as agreed")
        case Permanent(message=message):
            raise Problem(422, "unreadable", message)
        case _:
            raise Problem(503, "crm_not_readable", _why(outcome), "send it again later")


def _why(outcome: Failure) -> str:
    """Return why the record could not be read again, without what a stranger need not know."""
    match outcome:
        case AuthFailed():
            return "the CRM refuses the hub"
        case Throttled():
            return "the CRM wants to be left alone for now"
        case _:
            return "the CRM cannot be asked at the moment"


def open_doors(application: web.Application) -> None:
    """Give the application its own count of messages."""
    application[DOORS] = Doors()


ROUTES = (web.post("/crm/{connection}/webhook", hear), web.get("/crm/{connection}/webhook", hear))
"""GET too: some CRMs first ask so whether somebody listens."""
