"""Routes for operators: is it well, what is connected, and counters for Prometheus."""

from collections.abc import Iterator

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from actors.model.readings import PrincipalKind
from actors.model.routes import operation
from hub.api.context import HUB, Hub, answer, asker, hub_of, instant
from hub.api.problems import Problem

_GAUGES = frozenset({"resident", "waiting", "segments", "streams"})


@operation(is_open=True)
async def health(request: web.Request) -> web.Response:
    """Return 200 while readings are stored and 503 when not; needs no token and tells no content."""
    hub = hub_of(request)
    desks = {desk.connection: desk.state for desk in hub.desks()}
    links = {link.name: link.state for link in hub.links()}
    stored = not hub.engine.storage_down
    state = "ok" if stored and set(desks.values()) <= {"up"} and "down" not in links.values() else "degraded"
    body = {"name": hub.name, "state": state if stored else "storage_down", "crm": desks, "links": links}
    return answer(body, status=200 if stored else 503)


@operation()
async def connections(request: web.Request) -> web.Response:
    """Return every CRM connection and protocol link with its reason and next try."""
    asker(request)
    hub = hub_of(request)
    return answer({"crm": msgspec.to_builtins(hub.desks()), "links": msgspec.to_builtins(hub.links())})


@operation()
async def dead_letters(request: web.Request) -> web.Response:
    """Return messages that could not be processed, with the reason."""
    if asker(request).kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "dead letters are of all owners; only the operator reads them")
    letters = hub_of(request).journal.dead_letters()
    return answer([{"at": instant(at), "actor": address, "reason": reason} for at, address, reason in letters])


@operation(reply_media="text/plain", is_open=True)
async def metrics(request: web.Request) -> web.Response:
    """Return the counters in Prometheus' text format; no content of anybody."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(request.app[HUB]))
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class HubCollector(Collector):
    """Reads the hub's counters when it is asked."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield one metric a counter, named by part and counter."""
        for part, counters in self._hub.counters().items():
            for name, value in sorted(counters.items()):
                family = GaugeMetricFamily if name in _GAUGES else CounterMetricFamily
                yield family(f"iot2crm_{part}_{name}", f"{part}: {name.replace('_', ' ')}", value=value)
        up = GaugeMetricFamily("iot2crm_crm_up", "1 while the CRM can be used", labels=["connection"])
        for desk in self._hub.desks():
            up.add_metric([desk.connection], 1.0 if desk.state == "up" else 0.0)
        yield up


ROUTES = (
    web.get("/healthz", health),
    web.get("/metrics", metrics),
    web.get("/api/v1/connections", connections),
    web.get("/api/v1/dead-letters", dead_letters),
)
