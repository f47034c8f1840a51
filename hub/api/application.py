"""The hub's one HTTP application: the owners' API and the devices' routes."""

from collections.abc import Iterable

from aiohttp import web

from hub.api import (
    advice,
    commands,
    communities,
    endpoints,
    federation,
    importing,
    openapi,
    operations,
    orders,
    owners,
    reconciliation,
    spares,
    things,
    webhooks,
    wot,
)
from hub.api.bodies import WITHIN_S
from hub.api.context import HUB, Hub
from hub.api.idempotency import REPLAYS, idempotent, key_store
from hub.api.problems import problems

_PARTS = (
    things,
    advice,
    commands,
    importing,
    orders,
    owners,
    communities,
    federation,
    operations,
    reconciliation,
    spares,
    webhooks,
    endpoints,
    wot,
    openapi,
)


def build_application(
    hub: Hub, device_routes: Iterable[web.AbstractRouteDef], *, max_body_bytes: int, body_within_s: float
) -> web.Application:
    """Return the application; devices' routes answer in their adapter's own words."""
    application = web.Application(middlewares=[problems, idempotent], client_max_size=max_body_bytes)
    application[HUB] = hub
    application[REPLAYS] = key_store()
    application[WITHIN_S] = body_within_s
    webhooks.open_doors(application)
    for part in _PARTS:
        application.add_routes(part.ROUTES)
    application.add_routes(device_routes)
    return application
