"""The things' machine interface under ``/m/{thing_id}``: ask peers and sellers, order, observe what came of it."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final, TypeVar, final

from aiocoap import Message, Reliable
from aiocoap.numbers.codes import Code
from aiocoap.resource import PathCapable
from aiocoap.util.linkformat import Link, LinkFormat

from actors.model.base import Value
from actors.model.ids import OrderKey, ThingId
from actors.model.machine import Declined, RequestEnding, RequestTaken, ThingOrder, Wanted
from actors.model.profiles import Name
from actors.model.readings import Principal
from actors.ports import MachineInterface
from protocols.coap.bodies import decline_reply, decode_body, encode_body
from protocols.coap.echo import EchoGate
from protocols.coap.intake import Intake
from protocols.coap.replies import Rejected, ReplyCode
from protocols.coap.serving import Served, message_of, sender_of, sliced

_OBSERVE_VALUES: Final = 1 << 24
_T = TypeVar("_T")


class Inquiry(Value, frozen=True, kw_only=True):
    """What a thing asks its peers about: a slot or a component of its profile."""

    subject: Name


@final
class MachineResources(Served, PathCapable):  # type: ignore[misc] # aiocoap has no types
    """``/m/{thing_id}/...``: the same names as the HTTP adapter's routes.

    ``advice``, ``offers``, ``requests`` and ``requests/end`` are posted to; ``orders`` and ``orders/{key}`` are read
    and observed. Notifications are confirmable: who vanished is not told for ever.
    """

    def __init__(self, intake: Intake, gate: EchoGate, machine: MachineInterface, *, max_observers: int) -> None:
        super().__init__(intake, gate)
        self._machine = machine
        self._max_observers = max_observers
        self.observers = 0
        self._numbers = count(1)

    def get_resources_as_linkheader(self) -> Any:
        """Describe the interface, and no thing."""
        return LinkFormat([Link("", rt="iot2crm.machine", ct="50 60", obs=None)])

    async def answered_post(self, request: Any) -> Any:
        """Ask peers or sellers, request something, or end a request."""
        principal, what = self._addressed(request)
        match what:
            case ["advice"]:
                asked = _decoded(request, Inquiry)
                return self._content(await self._machine.ask_peers(principal, asked.subject), request)
            case ["offers"]:
                return self._content(await self._machine.search_offers(principal, _decoded(request, Wanted)), request)
            case ["requests"]:
                taken = await self._machine.request(principal, _decoded(request, Wanted))
                return self._taken(taken, principal, request)
            case ["requests", "end"]:
                ending = await self._machine.end_request(principal, _decoded(request, RequestEnding))
                return self._content(ending, request, Code.CHANGED)
            case _:
                raise _not_here(what)

    async def answered_get(self, request: Any) -> Any:
        """Return the thing's orders, or one of them."""
        principal, what = self._addressed(request)
        match what:
            case ["orders"]:
                orders = self._machine.orders(principal)
                return self._content(orders if isinstance(orders, Declined) else tuple(orders), request)
            case ["orders", key]:
                return self._content(self._machine.order(principal, OrderKey(key)), request)
            case _:
                raise _not_here(what)

    async def render_to_pipe(self, pipe: Any) -> None:
        """Serve one request; of orders, go on with every change (RFC 7641) when asked so."""
        request = pipe.request
        if request.code is not Code.GET:
            await super().render_to_pipe(pipe)
            return
        first = await self.render(request)
        is_observing = request.opt.observe == 0 and self.observers < self._max_observers
        if not is_observing or not first.code.is_successful():
            pipe.add_response(sliced(first, request), is_last=True)
            return
        principal, what = self._addressed(request)
        self.observers += 1
        try:
            await self._notify(pipe, principal.thing_id or ThingId(""), what[1:])
        finally:
            self.observers -= 1

    async def _notify(self, pipe: Any, thing_id: ThingId, keys: Sequence[str]) -> None:
        changed = asyncio.Event()

        def hear(order: ThingOrder) -> None:
            if not keys or order.key == keys[0]:
                changed.set()

        stop: Callable[[], None] = self._machine.watch_orders(thing_id, hear)
        try:
            for number in count():
                response = await self.render(pipe.request)
                is_last = not response.code.is_successful()
                if not is_last:
                    response.opt.observe = next(self._numbers) % _OBSERVE_VALUES
                if number:  # the first one is the answer to the request, and of its kind
                    response.transport_tuning = Reliable()
                pipe.add_response(sliced(response, pipe.request), is_last=is_last)
                if is_last:
                    return
                await changed.wait()
                changed.clear()
        finally:
            stop()

    def _addressed(self, request: Any) -> tuple[Principal, list[str]]:
        path = list(request.opt.uri_path)
        if len(path) < 2:
            raise _not_here(path)
        principal, _ = self._intake.resolve(sender_of(request), ThingId(path[0]))
        return principal, path[1:]

    def _taken(self, taken: RequestTaken | Declined, principal: Principal, request: Any) -> Any:
        if isinstance(taken, Declined):
            return self._content(taken, request)
        response = self._content(taken, request, Code.CHANGED if taken.already else Code.CREATED)
        response.opt.location_path = ("m", str(principal.thing_id), "orders", taken.key)
        return response

    def _content(self, value: object, request: Any, code: Any = Code.CONTENT) -> Any:
        if isinstance(value, Declined):
            return message_of(self._intake.counted(decline_reply(value)))
        accept = request.opt.accept
        body, content_format = encode_body(value, None if accept is None else int(accept))
        return Message(code=code, payload=body, content_format=content_format)


def _decoded(request: Any, kind: type[_T]) -> _T:
    form = request.opt.content_format
    return decode_body(request.payload, None if form is None else int(form), kind)


def _not_here(path: Sequence[str]) -> Rejected:
    expected = "advice, offers, requests, requests/end, orders or orders/KEY"
    return Rejected(ReplyCode.NOT_FOUND, "unknown_path", f"expected {expected}, got {'/'.join(path)[:100]!r}")
