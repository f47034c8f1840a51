"""The demo's tank level sensor: a process of its own that sends SenML over CoAP, played by JSON lines.

``python -m hub.demo.tank --url coap://127.0.0.1:5683 --thing tank-1`` sends confirmable messages of one
reading, SenML in JSON and CBOR in turn. It sends a message again, the same bytes with back-off, until the hub
acknowledges (2.04) or refuses it. It ends when standard input ends, and on SIGTERM.

One JSON object a line on standard input is a command; one line on standard output answers it when it is done. Commands
may overlap; "ref", if a command has one, comes back in its answer.

    {"do": "report", "level": 41.0, "at": "2026-03-01T12:00:00Z"}
        Send one message; level and time are optional.
        -> {"ok": true, "acknowledged": ["sha256:..."], "refused": [], "level": 41.0}
    {"do": "stream", "count": 20, "every_s": 0.05, "drop": 0.5, "start": "2026-03-01T12:00:00Z", "step_s": 3600}
        Let the level fall by 0.5 and report, 20 times. With "start" the reported times are step_s apart, else they are
        those of the clock. -> as above, with all ids
    {"do": "log"}
        -> as above over everything so far, and "log": [{"seq", "id", "level", "at", "attempts"}]; a refused message
        has "refused": reason instead of an id
    {"do": "aim", "url": "coap://127.0.0.1:5684"}
        Send to another address from now on. -> {"ok": true}

A message is told by its content, which holds the time of the reading: ids are the digests that the hub stores it under,
and the same level at the same time is the same message. What cannot be done is answered {"ok": false, "error": "..."};
after a refusal "ok" is false too.
"""

import asyncio
from argparse import Namespace
from random import Random
from typing import Any, Final, final

from aiocoap import CON, POST, Context, Message
from aiocoap.error import Error

from actors.model.readings import Reading, ReadingRefusal
from hub.clock import SystemClock
from hub.demo.device import Acknowledged, Answer, Denied, Device, Measured, Model, Unanswered
from hub.demo.lines import parser_for, play
from protocols.payloads import Format, content_id
from protocols.senml import encode_cbor, encode_json

_Context: Any = Context  # untyped
_FORMS: Final = (Format.SENML_JSON, Format.SENML_CBOR)
_CHANGED: Final = "2.04"
_OVERLOAD: Final = "4.29"  # RFC 8516


@final
class CoapUplink:
    """Sends confirmable POSTs."""

    def __init__(self, context: Any, url: str, thing: str, *, timeout_s: float) -> None:
        self._context = context
        self._thing = thing
        self._timeout_s = timeout_s
        self.aim(url)

    def aim(self, url: str) -> None:
        """Use another address of the hub."""
        self._target = f"{url.rstrip('/')}/t/{self._thing}"

    async def send(self, seq: int, readings: tuple[Reading, ...]) -> Answer:
        """Post one pack, in the format whose turn it is."""
        form = _FORMS[seq % len(_FORMS)]
        body = encode_json(readings) if form is Format.SENML_JSON else encode_cbor(readings)
        request = Message(_mtype=CON, code=POST, uri=self._target, payload=body, content_format=form.number)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply: Any = await self._context.request(request).response
        except (Error, OSError) as error:  # a timeout is an OSError
            return Unanswered(reason=repr(error))
        return _judged(reply, content_id(form, body))


def _judged(reply: Any, message_id: str) -> Answer:
    code: str = reply.code.dotted
    if code == _CHANGED:
        return Acknowledged(message_id=message_id)
    reason = f"{code} {reply.payload.decode(errors='replace')}"
    if reply.payload.startswith(f"{ReadingRefusal.INTERNAL}:".encode()):
        return Denied(reason=reason)
    if code.startswith("5.") or code == _OVERLOAD:
        return Unanswered(reason=reason, retry_after_s=float(reply.opt.max_age or 0))
    return Denied(reason=reason)


async def _run(options: Namespace) -> None:
    context: Any = await _Context.create_client_context(transports=["udp6"])
    try:
        uplink = CoapUplink(context, options.url, options.thing, timeout_s=options.timeout_s)
        model = Model(level=Measured(name=options.level_name, unit=options.level_unit))
        await play(Device(model, uplink, SystemClock(), Random(options.seed), level=options.level))
    finally:
        await context.shutdown()


def main() -> None:
    """Run the sensor as a process."""
    parser = parser_for(
        "hub.demo.tank", "A tank level sensor played by JSON lines.", level_name="level", level_unit="%"
    )
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
