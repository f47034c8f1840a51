"""Routes between hubs: what this one tells another, and what another brings. A hub signs its requests with its key."""

import msgspec
from aiohttp import web

from actors.model.ids import CommunityId
from actors.model.routes import operation
from hub.api.bodies import whole_body
from hub.api.context import answer, hub_of
from hub.api.problems import Problem
from hub.exchange import LARGEST_EXPORT
from hub.federation import Export, NotTakenIn, TakenIn
from hub.hub_key import SCHEME, NotSigned


@operation(reply=Export, is_open=True)
async def tell(request: web.Request) -> web.Response:
    """Return what this hub tells the hub that asks of a community, signed, for it alone."""
    hub, community_id = hub_of(request), _community(request)
    return answer(hub.exchange.told_to(_partner(request, community_id), community_id))


@operation(body=Export, reply=TakenIn, is_open=True)
async def take(request: web.Request) -> web.Response:
    """Take in what another hub brings of a community; who it is, is checked before its body is read."""
    hub, community_id = hub_of(request), _community(request)
    partner = _partner(request, community_id)
    try:
        export = msgspec.json.decode(await whole_body(request, LARGEST_EXPORT), type=Export)
        return answer(await hub.exchange.take_in(community_id, export, partner))
    except msgspec.MsgspecError as error:
        raise Problem(422, "malformed", f"expected a signed export: {error}", "bring what a hub exports") from error
    except NotTakenIn as error:
        raise Problem(422, error.code, str(error)) from error


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
    web.post("/federation/{community_id}", take),
)
