"""The things' machine interface as routes: ask peers, search offers, order, and see what came of it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from actors.model.advice import Advice
from actors.model.base import Value
from actors.model.ids import OrderKey
from actors.model.machine import Declined, OffersFound, RequestEnding, RequestTaken, ThingOrder, Wanted
from actors.model.profiles import Name
from actors.model.readings import Principal
from actors.model.routes import operation
from actors.ports import MachineInterface
from protocols.http.door import Door, check_json, decoded, json_reply, json_response
from protocols.http.replays import Reply

_T = TypeVar("_T")


class Inquiry(Value, frozen=True, kw_only=True):
    """What a thing asks its peers about: a slot or a component of its profile."""

    subject: Name


class MachineRoutes:
    """The routes for what a thing does by itself."""

    def __init__(self, machine: MachineInterface, door: Door) -> None:
        self._machine = machine
        self._door = door

    @operation(body=Inquiry, reply=Advice)
    async def ask_peers(self, request: web.Request) -> web.Response:
        """Ask the community about a slot or a component."""
        return await self._post(request, _INQUIRY, self._advice)

    @operation(body=Wanted, reply=OffersFound)
    async def search_offers(self, request: web.Request) -> web.Response:
        """Ask the sellers what something costs; nothing is ordered."""
        return await self._post(request, _WANTED, self._offers)

    @operation(body=Wanted, reply=RequestTaken, status=(200, 201))
    async def request_supply(self, request: web.Request) -> web.Response:
        """Order a supply or a part, or call for service."""
        return await self._post(request, _WANTED, self._taken)

    @operation(body=RequestEnding, reply=RequestTaken)
    async def end_request(self, request: web.Request) -> web.Response:
        """Say that a need is met, or not wanted any more."""
        return await self._post(request, _ENDING, self._ended)

    @operation(reply=list[ThingOrder])
    async def list_orders(self, request: web.Request) -> web.Response:
        """Return the latest order of each of the thing's needs."""
        principal, _ = self._door.sender(request)
        return json_response(self._machine.orders(principal))

    @operation(reply=ThingOrder)
    async def show_order(self, request: web.Request) -> web.Response:
        """Return one order of the thing."""
        principal, _ = self._door.sender(request)
        return json_response(self._machine.order(principal, OrderKey(request.match_info["key"])))

    async def _post(
        self,
        request: web.Request,
        decoder: msgspec.json.Decoder[_T],
        answer: Callable[[Principal, _T], Awaitable[Reply]],
    ) -> web.Response:
        principal, thing = self._door.sender(request)
        check_json(request)
        body = await self._door.body(request)
        asked = decoded(body, decoder)
        return await self._door.once(request, thing, body, partial(answer, principal, asked))

    async def _advice(self, principal: Principal, asked: Inquiry) -> Reply:
        return json_reply(await self._machine.ask_peers(principal, asked.subject))

    async def _offers(self, principal: Principal, wanted: Wanted) -> Reply:
        return json_reply(await self._machine.search_offers(principal, wanted))

    async def _taken(self, principal: Principal, wanted: Wanted) -> Reply:
        taken = await self._machine.request(principal, wanted)
        if isinstance(taken, Declined):
            return json_reply(taken)
        return _located(principal, taken, 200 if taken.already else 201)

    async def _ended(self, principal: Principal, ending: RequestEnding) -> Reply:
        return json_reply(await self._machine.end_request(principal, ending))


def _located(principal: Principal, taken: RequestTaken, status: int) -> Reply:
    return json_reply(taken, status, {"Location": f"/things/{principal.thing_id}/orders/{taken.key}"})


_INQUIRY: Final = msgspec.json.Decoder(Inquiry)
_WANTED: Final = msgspec.json.Decoder(Wanted)
_ENDING: Final = msgspec.json.Decoder(RequestEnding)
