"""What the demo asks: the hub through its public API, the sandboxes through their administration."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import aiohttp
import msgspec

Row = Mapping[str, Any]
NOTHING: Final[Row] = {}


class Refusal(Exception):
    """The other side said no; the text is what it said."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@final
class HubClient:
    """The owners' API, with the operator's token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str) -> Any:
        """Return what the hub shows. Raises: Refusal; aiohttp.ClientError when the hub is not there."""
        return await _call(self._session, "GET", self.url + path, headers=self._headers)

    async def post(self, path: str, body: Any = None) -> Any:
        """Return what the hub answers. Raises: Refusal; aiohttp.ClientError when the hub is not there."""
        sent = b"" if body is None else msgspec.json.encode(body)
        return await _call(self._session, "POST", self.url + path, data=sent, headers=self._headers)

    async def order_of(self, thing_id: str) -> Row | None:
        """Return the newest order of a thing."""
        orders: Sequence[Row] = await self.get(f"/api/v1/orders?thing_id={thing_id}")
        return orders[0] if orders else None

    async def orders_of(self, thing_id: str) -> Sequence[Row]:
        """Return all orders of a thing."""
        found: Sequence[Row] = await self.get(f"/api/v1/orders?thing_id={thing_id}")
        return found

    async def trace_of(self, key: str) -> Sequence[Row]:
        """Return the whole chain that an order belongs to."""
        found: Sequence[Row] = await self.get(f"/api/v1/orders/{key}/trace")
        return found

    async def metrics(self) -> Mapping[str, float]:
        """Return the unlabelled counters by name."""
        text: str = await self.get("/metrics")
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs if "{" not in name}


@final
class SandboxClient:
    """A sandbox's own view of what it holds, and its faults."""

    def __init__(self, session: aiohttp.ClientSession, connection: str, vendor: str, url: str) -> None:
        self._session = session
        self.connection = connection
        self.vendor = vendor
        self.url = url

    async def records(self) -> Sequence[Row]:
        """Return every record, each with the connection that it was made through."""
        rows: Sequence[Row] = await self._call("GET", "records")
        return [{"connection": self.connection, "vendor": self.vendor, **row} for row in rows]

    async def requests(self) -> Sequence[Row]:
        """Return the log of requests."""
        rows: Sequence[Row] = await self._call("GET", "requests")
        return rows

    async def plan(self, **fault: Any) -> None:
        """Plan one fault."""
        await self._call("POST", "faults", fault)

    async def set_down(self, *, down: bool) -> None:
        """Begin or end an outage."""
        await self._call("POST", "outage", {"down": down})

    async def _call(self, method: str, what: str, body: Any = None) -> Any:
        sent = b"" if body is None else msgspec.json.encode(body)
        return await _call(self._session, method, f"{self.url}/_sandbox/{what}", data=sent)


def part(row: Row, name: str) -> Row:
    """Return a row's inner row; an empty one where it has none."""
    found: Row | None = row.get(name)
    return found or NOTHING


def parts(row: Row, name: str) -> Sequence[Row]:
    """Return a row's list of rows; none where it has none."""
    found: Sequence[Row] | None = row.get(name)
    return found or ()


async def _call(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Any:
    async with session.request(method, url, **options) as reply:
        text = await reply.text()
        if reply.status >= 400:
            raise Refusal(reply.status, text)
        return msgspec.json.decode(text) if reply.content_type == "application/json" else text
