"""The demo's ink printer: a process of its own that reports over HTTP, played by JSON lines.

``python -m hub.demo.printer --url http://127.0.0.1:8080 --thing printer-1 --token-file FILE --boot B`` sends messages
of two readings, ink level and pages printed, in the three media types in turn. It sends a message again, with the same
identity and back-off, until the hub acknowledges or refuses it. It ends when standard input ends, and on SIGTERM.

One JSON object a line on standard input is a command; one line on standard output answers it when it is done. Commands
may overlap; "ref", if a command has one, comes back in its answer.

    {"do": "report", "level": 41.0, "pages": 1200, "at": "2026-03-01T12:00:00Z"}
        Send one message; level, pages and time are optional.
        -> {"ok": true, "acknowledged": ["b1:1"], "refused": [], "level": 41.0, "pages": 1200}
    {"do": "stream", "count": 20, "every_s": 0.05, "drop": 0.5, "pages": 25, "start": "2026-03-01T12:00:00Z",
     "step_s": 3600}
        Print 25 pages, let the level fall by 0.5 and report, 20 times. With "start" the reported times are step_s
        apart, else they are those of the clock. -> as above, with all ids
    {"do": "log"}
        -> as above over everything so far, and "log": [{"seq", "id", "level", "pages", "at", "attempts",
        "duplicate"}]; a refused message has "refused": reason instead of an id
    {"do": "aim", "url": "http://127.0.0.1:8081"}
        Send to another address from now on. -> {"ok": true}

Ids are those that the hub stored the messages under: ``boot:seq`` for JSON, ``key:boot:seq`` for SenML (sent as
Idempotency-Key). What cannot be done is answered {"ok": false, "error": "..."}; after a refusal "ok" is false too.
"""

import asyncio
from argparse import Namespace
from pathlib import Path
from random import Random
from typing import Final, final

import aiohttp
import msgspec

from actors.model.readings import Reading, ReadingRefusal
from actors.model.secrets import Secret
from hub.clock import SystemClock
from hub.demo.device import Acknowledged, Answer, Denied, Device, Measured, Model, Unanswered
from hub.demo.lines import parser_for, play, secret_in
from protocols.payloads import Format
from protocols.senml import encode_cbor, encode_json

_AGAIN: Final = frozenset({408, 429})
_FORMS: Final = tuple(Format)


@final
class HttpUplink:
    """Posts messages with the thing's own token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, thing: str, token: Secret, boot: str) -> None:
        self._session = session
        self._thing = thing
        self._token = token
        self._boot = boot
        self.aim(url)

    def aim(self, url: str) -> None:
        """Use another address of the hub."""
        self._target = f"{url.rstrip('/')}/things/{self._thing}/readings"

    async def send(self, seq: int, readings: tuple[Reading, ...]) -> Answer:
        """Post one message, in the media type whose turn it is."""
        form = _FORMS[seq % len(_FORMS)]
        headers = {"Authorization": f"Bearer {self._token.reveal()}", "Content-Type": form.media_type}
        if form is not Format.JSON:
            headers["Idempotency-Key"] = f"{self._boot}:{seq}"
        try:
            async with self._session.post(self._target, data=self._body(form, seq, readings), headers=headers) as reply:
                return _judged(reply, await reply.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Unanswered(reason=repr(error))

    def _body(self, form: Format, seq: int, readings: tuple[Reading, ...]) -> bytes:
        match form:
            case Format.JSON:
                told = [{"name": r.name, "value": r.value, "unit": r.unit, "time": r.observed_at} for r in readings]
                return msgspec.json.encode({"boot": self._boot, "seq": seq, "readings": told})
            case Format.SENML_JSON:
                return encode_json(readings)
            case Format.SENML_CBOR:
                return encode_cbor(readings)


def _judged(reply: aiohttp.ClientResponse, body: bytes) -> Answer:
    if reply.status == 204:
        duplicate = reply.headers.get("Iot2crm-Duplicate") == "true"
        return Acknowledged(message_id=reply.headers["Iot2crm-Message-Id"], duplicate=duplicate)
    reason = f"{reply.status} {body.decode(errors='replace')}"
    if f'"code":"{ReadingRefusal.INTERNAL}"'.encode() in body:
        return Denied(reason=reason)
    if reply.status >= 500 or reply.status in _AGAIN:
        return Unanswered(reason=reason, retry_after_s=_seconds(reply.headers.get("Retry-After", "0")))
    return Denied(reason=reason)


def _seconds(header: str) -> float:
    return float(header) if header.isdecimal() else 0.0  # the hub sends no dates


async def _run(options: Namespace) -> None:
    ink = Measured(name=options.level_name, unit=options.level_unit)
    pages = Measured(name=options.pages_name, unit=options.pages_unit)
    token = Secret(secret_in(options.token_file))
    timeout = aiohttp.ClientTimeout(total=options.timeout_s)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        uplink = HttpUplink(session, options.url, options.thing, token, options.boot)
        model = Model(level=ink, uses=pages)
        await play(Device(model, uplink, SystemClock(), Random(options.seed), level=options.level))


def main() -> None:
    """Run the printer as a process."""
    parser = parser_for("hub.demo.printer", "An ink printer played by JSON lines.", level_name="ink", level_unit="%")
    parser.add_argument("--token-file", type=Path, required=True, help="file that holds the thing's bearer token")
    parser.add_argument("--boot", required=True, help="id of this start, unlike all before; letters and digits")
    parser.add_argument("--pages-name", default="pages", help="property of the page count (pages)")
    parser.add_argument("--pages-unit", default="page", help="its unit (page)")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
