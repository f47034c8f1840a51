"""Routes between hubs: what this one tells another, and what another brings. A hub signs its requests with its key.

A list comes first, then the pieces that it names, each a request of its own.
"""

import msgspec
from aiohttp import web
from msgspec import Struct

from actors.model.ids import CommunityId
from actors.model.routes import operation
from hub.api.bodies import whole_body
from hub.api.context import answer, hub_of
from hub.api.problems import Problem
from hub.exchange import LARGEST_MESSAGE
from hub.exports import LARGEST_PIECE, Export, NotTakenIn, Piece
from hub.hub_key import SCHEME, NotSigned
from hub.taking_in import TakenIn


class StillWanted(Struct, frozen=True, kw_only=True):
    """How many pieces of a list are still wanted, before it can be taken in."""

    wanted: int


@operation(reply=Export, is_open=True)
async def tell(request: web.Request) -> web.Response:
    """Return the list of what this hub tells the hub that asks of a community, signed, for it alone."""
    hub, community_id = hub_of(request), _community(request)
    return answer(await hub.exchange.told_to(_partner(request, community_id), community_id))


@operation(reply=Piece, is_open=True)
async def tell_piece(request: web.Request) -> web.Response:
    """Return a piece that such a list names."""
    community_id = _community(request)
    _partner(request, community_id)
    return piece_of(request, community_id)


@operation(body=Export, reply=TakenIn, is_open=True)
async def take(request: web.Request) -> web.Response:
    """Take in what another hub brings of a community, or say which pieces are wanted first.

    Who it is, is checked before its body is read.
    """
    community_id = _community(request)
    partner = _partner(request, community_id)
    return await take_list(request, await whole_body(request, LARGEST_MESSAGE), community_id, partner)


@operation(body=Piece, reply=StillWanted, is_open=True)
async def take_piece(request: web.Request) -> web.Response:
    """Keep a piece of a list that the same hub brought."""
    community_id = _community(request)
    partner = _partner(request, community_id)
    return await keep_piece(request, await whole_body(request, LARGEST_PIECE), community_id, partner)


def piece_of(request: web.Request, community_id: CommunityId) -> web.Response:
    """Answer with a piece. Raises: Problem."""
    packed = hub_of(request).exchange.piece(community_id, request.match_info["sha256"])
    if packed is None:
        raise Problem(404, "not_found", "no list of this hub names this piece any more", "get the list again")
    return web.Response(body=packed, content_type="application/json")


async def take_list(request: web.Request, packed: bytes, community_id: CommunityId, hub: str = "") -> web.Response:
    """Take in what a body lists, of any hub that is trusted or of one. Raises: Problem."""
    try:
        export = msgspec.json.decode(packed, type=Export)
        return answer(await hub_of(request).exchange.take_in(community_id, export, hub))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(422, "malformed", f"expected a signed list: {error}", "bring what a hub exports") from error
    except NotTakenIn as error:
        raise Problem(422, error.code, str(error)) from error


async def keep_piece(request: web.Request, packed: bytes, community_id: CommunityId, hub: str = "") -> web.Response:
    """Keep the piece in a body, of any hub's list or of one hub's. Raises: Problem."""
    try:
        left = await hub_of(request).exchange.gather(community_id, request.match_info["sha256"], packed, hub)
    except NotTakenIn as error:
        raise Problem(422, error.code, str(error)) from error
    return answer(StillWanted(wanted=left))


def _community(request: web.Request) -> CommunityId:
    return CommunityId(request.match_info["community_id"])


def _partner(request: web.Request, community_id: CommunityId) -> str:
    try:
        return hub_of(request).exchange.asker(request.headers.get("Authorization", ""), community_id)
    except NotSigned as error:
        next_step = f"sign the request ({SCHEME}), and have this hub's operator add a table [hubs.NAME]"
        raise Problem(401, "unknown_hub", str(error), next_step) from error


ROUTES = (
    web.get("/federation/{community_id}", tell),
    web.get("/federation/{community_id}/pieces/{sha256}", tell_piece),
    web.post("/federation/{community_id}", take),
    web.post("/federation/{community_id}/pieces/{sha256}", take_piece),
)
