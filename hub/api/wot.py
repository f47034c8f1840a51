"""The W3C WoT directory: Thing Descriptions of the things that the asker may see (WoT Discovery)."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from yarl import URL

from actors.model.routes import operation
from actors.model.things import ThingRecord
from hub.api.context import Hub, asker, hub_of, page_limit, record_in_path, scope_of
from hub.api.problems import Problem
from hub.wot import MEDIA, PREFIX, description, directory

_LIST_MEDIA = "application/ld+json"


@operation(reply=dict[str, Any], reply_media=MEDIA, is_open=True)
async def introduce(request: web.Request) -> web.Response:
    """Return the description of the directory; it names no thing."""
    return _td(directory(_base(request)), MEDIA)


@operation(reply=list[dict[str, Any]], reply_media=_LIST_MEDIA, query={"limit": "how many a page", "after": "thing id"})
async def list_descriptions(request: web.Request) -> web.Response:
    """Return Thing Descriptions by id, a page at a time; the header ``Link`` names the next page."""
    hub, limit, after = hub_of(request), page_limit(request), request.query.get("after", "")
    found = hub.registry.records(scope_of(asker(request)), after=after, limit=limit + 1)
    told = [described for record in found[:limit] if (described := _described(hub, record, _base(request)))]
    response = _td(told, _LIST_MEDIA)
    if len(found) > limit:
        following = urlencode({"after": found[limit - 1].thing_id, "limit": limit})
        response.headers["Link"] = f'<{request.path}?{following}>; rel="next"'
    return response


@operation(reply=dict[str, Any], reply_media=MEDIA)
async def show_description(request: web.Request) -> web.Response:
    """Return one Thing Description, to its owner or to the thing itself."""
    record = record_in_path(request, or_itself=True, prefix=PREFIX)
    described = _described(hub_of(request), record, _base(request))
    if described is None:
        raise Problem(404, "not_found", f"{record.thing_id} is retired, or its profile is gone")
    return _td(described, MEDIA)


def _described(hub: Hub, record: ThingRecord, base: str) -> dict[str, Any] | None:
    thing = hub.registry.find(record.thing_id)
    if thing is None:
        return None
    own = hub.forms(record.connection.protocol, thing, URL(base).host or "")
    return description(record, thing.profile, base, own)


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _td(value: Any, media: str) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type=media)


ROUTES = (
    web.get("/.well-known/wot", introduce),
    web.get("/things", list_descriptions),
    web.get("/things/{thing_id}", show_description),
)
