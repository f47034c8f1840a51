"""The resources as aiocoap serves them: its messages in, arrivals out; replies in, its messages out."""

import asyncio
from collections.abc import Callable
from secrets import token_bytes
from typing import Any, Final, Literal, cast, final

from aiocoap.resource import PathCapable, Resource, Site
from aiocoap.util.linkformat import Link, LinkFormat

from actors.model.ids import ThingId
from protocols.coap.datagram import UNDERSTOOD
from protocols.coap.directory import Directory
from protocols.coap.echo import EchoGate
from protocols.coap.identity import Sender
from protocols.coap.intake import Intake
from protocols.coap.links import Link as OwnLink
from protocols.coap.links import filtered, parse_links, parse_query
from protocols.coap.machine import MachineResources
from protocols.coap.mapping import FORMATS, Arrival
from protocols.coap.rd import LookUp, OneRegistration, Registrations, link_answer
from protocols.coap.replies import Reply, bad_option, unavailable
from protocols.coap.serving import Refusal, Served, admit_body, message_of, sender_of


def site_for(
    intake: Intake,
    gate: EchoGate,
    directory: Directory,
    machine: MachineResources,
    *,
    reply_within_s: float,
    retry_after_s: float,
) -> Any:
    """Return the site: readings, the machine interface, the Resource Directory, and ``/.well-known/core``."""
    site: Any = StrictSite(intake)
    readings = ThingReadings(intake, reply_within_s=reply_within_s, retry_after_s=retry_after_s)
    site.add_resource(["t"], readings)
    site.add_resource(["m"], machine)
    site.add_resource(["rd"], Registrations(intake, gate, directory))
    site.add_resource(["rd"], OneRegistration(intake, gate, directory))
    site.add_resource(["rd-lookup", "ep"], LookUp(intake, gate, directory.endpoints, "ep"))
    site.add_resource(["rd-lookup", "res"], LookUp(intake, gate, directory.resources, "res"))
    site.add_resource([".well-known", "core"], Listing(intake, gate, site))
    return site


@final
class StrictSite(Site):  # type: ignore[misc] # aiocoap has no types
    """A site that refuses critical options it does not know (RFC 7252 section 5.4.1)."""

    def __init__(self, intake: Intake) -> None:
        super().__init__()
        self._intake = intake
        self.on_secured: Callable[[Sender], None] = _nobody_asks
        """Told of each sender that spoke in a security context."""

    async def render_to_pipe(self, request: Any) -> None:
        """Serve one request, or answer 4.02."""
        unknown = next((option for option in request.request.opt.option_list() if _is_beyond_us(option.number)), None)
        if unknown is not None:
            raise Refusal(self._intake.counted(bad_option(int(unknown.number), is_proxying=False)))
        if request.request.remote.authenticated_claims:
            self.on_secured(sender_of(request.request))
        await super().render_to_pipe(request)


@final
class Listing(Served):
    """``/.well-known/core``: what there is here (RFC 6690), for anybody, with filters. It names no thing."""

    def __init__(self, intake: Intake, gate: EchoGate, site: Any) -> None:
        super().__init__(intake, gate)
        self._site = site
        self.ct = "40"

    async def needs_blockwise_assembly(self, request: Any) -> Literal[True]:
        """Let anybody ask."""
        del request
        return True

    async def answered_get(self, request: Any) -> Any:
        """Return the links that meet the query; a group that has none of them gets silence."""
        links: list[OwnLink] = list(parse_links(str(self._site.get_resources_as_linkheader()).encode()))
        query = parse_query(request.opt.uri_query)
        found = filtered(links, query)
        response = link_answer(found, request)
        if query and not found and request.remote.is_multicast_locally:
            response.opt.no_response = _NOT_2XX  # RFC 6690 section 4.1
        return response


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
        admit_body(request, self._intake)
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
                return message_of(await answered)
        except TimeoutError:
            late = f"not stored within {self._reply_within_s:g} s; it may be stored later"
            return message_of(unavailable("not_stored_yet", late, self._retry_after_s))

    render_put = render_post


def _exchange(request: Any) -> bytes:
    """Return what tells one exchange from the next; whatever comes protected is let in only once."""
    if request.remote.authenticated_claims:
        return token_bytes(10)
    return cast("bytes", request.mid.to_bytes(2, "big") + request.token)


def _nobody_asks(_sender: Sender) -> None:
    """Do nothing."""


_NOT_2XX: Final = 2  # RFC 7967 section 2.1


def _is_beyond_us(option_number: int) -> bool:
    return bool(option_number & 1) and option_number not in UNDERSTOOD


def _arrival(request: Any) -> Arrival:
    path = cast("tuple[str, ...]", request.opt.uri_path)
    return Arrival(
        sender=sender_of(request),
        thing_id=ThingId("/".join(path)),
        content_format=None if request.opt.content_format is None else int(request.opt.content_format),
        payload=request.payload,
        exchange=_exchange(request),
    )
