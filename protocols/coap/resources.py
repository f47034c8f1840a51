"""The resources as aiocoap serves them: its messages in, arrivals out; replies in, its messages out."""

import asyncio
from typing import Any, Literal, cast, final

from aiocoap import Message
from aiocoap.error import RenderableError
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable, Resource, Site, WKCResource
from aiocoap.util.linkformat import Link, LinkFormat

from actors.model.ids import ThingId
from protocols.coap.datagram import UNDERSTOOD
from protocols.coap.identity import Sender
from protocols.coap.intake import Intake
from protocols.coap.mapping import FORMATS, Arrival
from protocols.coap.replies import Rejected, Reply, bad_option, unavailable

_Listing: Any = WKCResource  # its default alone would type impl_info


def site_for(intake: Intake, *, reply_within_s: float, retry_after_s: float) -> Any:
    """Return the site: ``/t/{thing_id}`` and ``/.well-known/core``."""
    site: Any = StrictSite(intake)
    readings = ThingReadings(intake, reply_within_s=reply_within_s, retry_after_s=retry_after_s)
    site.add_resource(["t"], readings)
    site.add_resource([".well-known", "core"], _Listing(site.get_resources_as_linkheader, impl_info=None))
    return site


@final
class StrictSite(Site):  # type: ignore[misc] # aiocoap has no types
    """A site that refuses critical options it does not know (RFC 7252 section 5.4.1)."""

    def __init__(self, intake: Intake) -> None:
        super().__init__()
        self._intake = intake

    async def render_to_pipe(self, request: Any) -> None:
        """Serve one request, or answer 4.02."""
        unknown = next((option for option in request.request.opt.option_list() if _is_beyond_us(option.number)), None)
        if unknown is not None:
            raise _Refusal(self._intake.counted(bad_option(int(unknown.number), is_proxying=False)))
        await super().render_to_pipe(request)


@final
class ThingReadings(Resource, PathCapable):  # type: ignore[misc] # aiocoap has no types
    """``POST`` or ``PUT`` of readings to ``/t/{thing_id}``."""

    def __init__(self, intake: Intake, *, reply_within_s: float, retry_after_s: float) -> None:
        super().__init__()
        self._intake = intake
        self._reply_within_s = reply_within_s
        self._retry_after_s = retry_after_s

    def get_resources_as_linkheader(self) -> Any:
        """Describe the resource for ``/.well-known/core``; which things there are is told to nobody."""
        formats = " ".join(str(number) for number in FORMATS)
        return LinkFormat([Link("", rt="iot2crm.readings", ct=formats)])

    async def needs_blockwise_assembly(self, request: Any) -> Literal[True]:
        """Let blocks be put together for those who may speak, up to the size that is taken."""
        block = request.opt.block1
        try:
            self._intake.admit(_sender(request))
            start = 0 if block is None else block.start
            self._intake.check_size(max(start + len(request.payload), request.opt.size1 or 0))
        except Rejected as rejected:
            raise _Refusal(self._intake.counted(rejected.reply)) from None
        return True

    async def render_post(self, request: Any) -> Any:
        """Take readings; the answer waits for the commit, as a separate response when it takes long."""
        arrival = _arrival(request)
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply) -> None:
            if not answered.done():  # the device may have lost interest
                answered.set_result(reply)

        self._intake.take(arrival, answer)
        try:
            async with asyncio.timeout(self._reply_within_s):
                return _message(await answered)
        except TimeoutError:
            late = f"not stored within {self._reply_within_s:g} s; it may be stored later"
            return _message(unavailable("not_stored_yet", late, self._retry_after_s))

    render_put = render_post


class _Refusal(RenderableError):  # type: ignore[misc] # aiocoap has no types
    """A reply on its way through aiocoap as an exception."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self._reply = reply

    def to_message(self) -> Any:
        """Return the response."""
        return _message(self._reply)


def _is_beyond_us(option_number: int) -> bool:
    return bool(option_number & 1) and option_number not in UNDERSTOOD


def _sender(request: Any) -> Sender:
    remote = request.remote
    host, port = cast("tuple[str, int]", remote.sockaddr[:2])
    return Sender(host=host, port=port, claims=tuple(remote.authenticated_claims))


def _arrival(request: Any) -> Arrival:
    path = cast("tuple[str, ...]", request.opt.uri_path)
    return Arrival(
        sender=_sender(request),
        thing_id=ThingId("/".join(path)),
        content_format=None if request.opt.content_format is None else int(request.opt.content_format),
        payload=request.payload,
        message_id=request.mid,
        token=request.token,
    )


def _message(reply: Reply) -> Any:
    response = Message(code=Code(int(reply.code)), payload=reply.payload)
    if reply.max_age_s is not None:
        response.opt.max_age = reply.max_age_s
    return response
