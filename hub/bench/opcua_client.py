"""The clients of the OPC UA benchmarks, each a process: ``python -m hub.bench.opcua_client KIND URL ITEMS``.

It prints a line once it has all first values; then, for each line it reads, the values received so far and its CPU
seconds.
"""

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog
from asyncua import ua as _ua  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - generated
from asyncua.client.client import Client
from asyncua.common.subscription import Subscription
from msgspec.structs import replace

from hub.bench.node_opcua import NAMESPACE
from hub.bench.server_process import fast_loop
from hub.bench.turns import TurnBench, profile
from hub.storage.sqlite import open_journal
from protocols.opcua import SPEC
from protocols.opcua.config import EndpointConfig, OpcUaConfig

ua: Any = _ua
PROPERTIES: Final = 10
INTERVAL_MS: Final = 100.0
QUEUE: Final = 10
_KEEP_ALIVE_COUNT: Final = 100
_POLL_S: Final = 0.02

Received = Callable[[], int]


@asynccontextmanager
async def durable(url: str, items: int, in_flight: int = 3) -> AsyncGenerator[Received]:
    """The adapter of the hub, its things' actors and the journal: all that a value needs until it is acknowledged."""
    kind = profile()
    nodes = {name: f"nsu={NAMESPACE};s={{thing_id}}.{name}" for name in kind.properties}
    kind = replace(kind, sources={"opcua": nodes})
    endpoint = EndpointConfig(
        url=url, publishing_interval_ms=INTERVAL_MS, sampling_interval_ms=0, queue_size=QUEUE, in_flight=in_flight
    )
    with tempfile.TemporaryDirectory(prefix="iot2crm-bench-") as name, open_journal(Path(name)) as journal:
        options = {"endpoint": "peer"}
        bench = TurnBench(journal, items // PROPERTIES, options, kind=kind, protocol="opcua")
        await bench.register()
        async with SPEC.open(OpcUaConfig(endpoints={"peer": endpoint}), bench.deps()) as adapter:
            yield lambda: adapter.counters().get("values", 0)
        await bench.stop()


@asynccontextmanager
async def one_publish(url: str, items: int) -> AsyncGenerator[Received]:
    """The same with one PublishRequest at a time."""
    async with durable(url, items, in_flight=1) as received:
        yield received


class _Counting(Subscription):
    """Counts the values of a whole publish response, without a task or a call for each."""

    received = 0

    async def publish_callback(self, publish_result: Any) -> None:
        """Look at each value and count it."""
        for part in publish_result.NotificationMessage.NotificationData or ():
            if isinstance(part, ua.DataChangeNotification):
                for item in part.MonitoredItems:
                    if item.Value.Value.Value is not None:
                        self.received += 1


@asynccontextmanager
async def callback(url: str, items: int) -> AsyncGenerator[Received]:
    """Asyncua with a callback for the publish response: the least that it can do."""
    async with Client(url) as client:
        subscription = _Counting(client.uaclient.session, _params(), None)
        await subscription.init()
        await _subscribe(client, subscription, items)
        yield lambda: subscription.received


class _Handler:
    received = 0

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        """Count."""
        self.received += 1


@asynccontextmanager
async def handler(url: str, items: int) -> AsyncGenerator[Received]:
    """Asyncua as its documentation shows it: a handler that is called for each value."""
    counting = _Handler()
    async with Client(url) as client:
        subscription: Any = await client.create_subscription(_params(), counting)  # pyright: ignore[reportArgumentType] - enough of it
        await _subscribe(client, subscription, items)
        yield lambda: counting.received


def _params() -> Any:
    params = ua.CreateSubscriptionParameters()
    params.RequestedPublishingInterval = INTERVAL_MS
    params.RequestedMaxKeepAliveCount = _KEEP_ALIVE_COUNT
    params.RequestedLifetimeCount = 10 * _KEEP_ALIVE_COUNT
    params.PublishingEnabled = True
    return params


async def _subscribe(client: Any, subscription: Any, items: int) -> None:
    index = await client.get_namespace_index(NAMESPACE)
    nodes = [
        client.get_node(ua.NodeId(f"t{number // PROPERTIES}.p{number % PROPERTIES}", index)) for number in range(items)
    ]
    for start in range(0, items, 1000):
        await subscription.subscribe_data_change(nodes[start : start + 1000], queuesize=QUEUE, sampling_interval=0.0)


KINDS: Final[Mapping[str, Callable[[str, int], AbstractAsyncContextManager[Received]]]] = {
    "durable": durable,
    "one_publish": one_publish,
    "callback": callback,
    "handler": handler,
}


async def run(kind: str, url: str, items: int) -> None:
    """Receive until the input ends."""
    async with KINDS[kind](url, items) as received:
        while received() < items:  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(_POLL_S)
        print("ready", flush=True)  # noqa: T201 - read by the benchmark
        while await asyncio.to_thread(sys.stdin.readline):
            print(received(), time.process_time(), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # figures are on stdout
    with asyncio.Runner(loop_factory=fast_loop()) as _runner:
        _runner.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
