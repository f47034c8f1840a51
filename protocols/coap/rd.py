"""The Resource Directory as aiocoap serves it (RFC 9176), which is LwM2M's ``/rd`` too."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, final

from aiocoap import Message
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable

from actors.model.ids import OwnerId
from protocols.coap.directory import Directory
from protocols.coap.echo import EchoGate
from protocols.coap.intake import Intake
from protocols.coap.links import Link, Query, format_links, parse_query
from protocols.coap.registration import endpoint_link, told
from protocols.coap.replies import Rejected, ReplyCode
from protocols.coap.serving import Served, sender_of

LINK_FORMAT: Final = 40
_MOST_A_PAGE: Final = 1000


@final
class Registrations(Served):
    """``/rd``: where devices register."""

    rt = "core.rd"
    ct = str(LINK_FORMAT)

    def __init__(self, intake: Intake, gate: EchoGate, directory: Directory) -> None:
        super().__init__(intake, gate)
        self._directory = directory

    async def answered_post(self, request: Any) -> Any:
        """Register a device; Location-Path tells where it renews."""
        _check_format(request)
        said = told(request.opt.uri_query, request.payload)
        registration = await self._directory.register(sender_of(request), said)
        return Message(code=Code.CREATED, location_path=("rd", registration.key))


@final
class OneRegistration(Served, PathCapable):  # type: ignore[misc] # aiocoap has no types
    """``/rd/{key}``: one device's registration, for this device."""

    def __init__(self, intake: Intake, gate: EchoGate, directory: Directory) -> None:
        super().__init__(intake, gate)
        self._directory = directory

    async def answered_post(self, request: Any) -> Any:
        """Renew it."""
        _check_format(request)
        await self._directory.update(sender_of(request), _key(request), told(request.opt.uri_query, request.payload))
        return Message(code=Code.CHANGED)

    answered_put = answered_post  # LwM2M 1.0 clients renew so

    async def answered_delete(self, request: Any) -> Any:
        """End it."""
        await self._directory.deregister(sender_of(request), _key(request))
        return Message(code=Code.DELETED)

    async def answered_get(self, request: Any) -> Any:
        """Return it as its device may read it."""
        registration = self._directory.own(sender_of(request), _key(request))
        return link_answer([endpoint_link(registration)], request)


@final
class LookUp(Served):
    """``/rd-lookup/ep`` or ``/rd-lookup/res``: devices of the owner of whoever asks, and of nobody else."""

    def __init__(
        self,
        intake: Intake,
        gate: EchoGate,
        find: Callable[[frozenset[OwnerId], Sequence[Query]], list[Link]],
        kind: Literal["ep", "res"],
    ) -> None:
        super().__init__(intake, gate)
        self._find = find
        self.rt = f"core.rd-lookup-{kind}"
        self.ct = str(LINK_FORMAT)

    async def answered_get(self, request: Any) -> Any:
        """Return the links that meet the query, one page of them where a page is asked for."""
        owners = self._intake.owners(sender_of(request))
        query = parse_query(request.opt.uri_query)
        page, count = _number(query, "page", 0), _number(query, "count", _MOST_A_PAGE)
        wanted = [filter_ for filter_ in query if filter_.name not in {"page", "count"}]
        found = self._find(owners, wanted)
        return link_answer(found[page * count : (page + 1) * count], request)


def link_answer(links: Sequence[Link], request: Any) -> Any:
    """Return links as an answer.

    Raises:
        Rejected: 4.06 for another format.
    """
    if request.opt.accept not in {None, LINK_FORMAT}:
        text = f"Accept: expected {LINK_FORMAT} (application/link-format), got {int(request.opt.accept)}"
        raise Rejected(ReplyCode.NOT_ACCEPTABLE, "not_acceptable", text)
    return Message(code=Code.CONTENT, payload=format_links(links), content_format=LINK_FORMAT)


def _check_format(request: Any) -> None:
    if request.payload and request.opt.content_format not in {None, LINK_FORMAT}:
        text = (
            f"Content-Format: expected {LINK_FORMAT} (application/link-format), got {int(request.opt.content_format)}"
        )
        raise Rejected(ReplyCode.UNSUPPORTED_FORMAT, "unsupported", text)


def _key(request: Any) -> str:
    return "/".join(request.opt.uri_path)


def _number(query: Sequence[Query], name: str, default: int) -> int:
    given = [filter_.value for filter_ in query if filter_.name == name]
    if not given:
        return default
    if not (given[0].isascii() and given[0].isdecimal() and len(given[0]) <= 6) or (
        name == "count" and given[0] == "0"
    ):
        raise Rejected(ReplyCode.BAD_REQUEST, "malformed", f"{name}: expected a whole number, got {given[0][:20]!r}")
    return int(given[0])
