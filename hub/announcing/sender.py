"""The relay ``announcements``: signs what an endpoint is told, sends it, and says what came of it."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any, Final

import msgspec
import structlog

from actors.dialogue import Deliver, DeliveryReported, endpoint_address
from actors.model.endpoints import (
    Delivered,
    DeliveryOutcome,
    Endpoint,
    EndpointId,
    Gone,
    Notice,
    Topic,
    Undelivered,
    Unreadable,
)
from actors.ports import Clock
from actors.runtime.contract import Engine
from actors.runtime.journal import JournalUnavailable, OutboxRow
from crm_adapters.addresses import AddressPolicy
from crm_adapters.guard import GuardedResolver, GuardedTransport
from crm_adapters.transport import Call, Exchange, Reply, TransportSettings, open_transport, retry_after_s
from hub.announcing.tail import Notes
from hub.plugins import hub_version
from protocols.backoff import next_delay_s
from protocols.http.signing import signed, written

log = structlog.get_logger(__name__)

BOTH_SIGN: Final = timedelta(hours=24)
"""How long the former secret signs beside a new one."""
_CAP_S: Final = 3600.0
_SETTINGS: Final = TransportSettings(connect_s=5.0, read_s=15.0, total_s=20.0, body_cap=256 * 1024, connections=100)
_TEST: Final = "endpoint.test"


class EndpointSender:
    """Implements ``Relay``. Run ``run`` for as long as the hub lives."""

    def __init__(
        self, engine: Engine, shards: Sequence[Notes], policy: AddressPolicy, key: bytes, clock: Clock, chance: Random
    ) -> None:
        self._engine = engine
        self._shards = shards
        self._policy = policy
        self._key = key
        self._clock = clock
        self._chance = chance
        self._work: asyncio.Queue[OutboxRow] = asyncio.Queue()
        self._decode = msgspec.msgpack.Decoder(Deliver).decode
        self._busy: dict[EndpointId, asyncio.Lock] = {}
        self._stack = AsyncExitStack()
        self._opened: Exchange | None = None
        self._counts = Counter(delivered=0, failed=0)

    def work(self, row: OutboxRow, *, recovered: bool) -> None:
        """Take a delivery; one that a former process began is sent again under the same id."""
        del recovered
        self._work.put_nowait(row)

    def counters(self) -> Mapping[str, int]:
        """Return counts since start: ``delivered`` and ``failed``."""
        return dict(self._counts)

    def why_not(self, url: str) -> str | None:
        """Return why nothing may be sent to a URL; None where its host may at least be resolved."""
        return self._policy.why_not_url(url)

    def secret_of(self, endpoint: Endpoint) -> str:
        """Return what its owner checks signatures with. It is made anew each time and kept nowhere."""
        return written(self._key_of(endpoint, endpoint.generation))

    async def run(self) -> None:
        """Work until cancelled; endpoints are told side by side, each one thing at a time."""
        async with self._stack, asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._deliver(await self._work.get()))

    async def test(self, endpoint: Endpoint) -> DeliveryOutcome:
        """Send a message that tells nothing, once, and return what came of it."""
        now = self._clock.now()
        message_id = f"test_{endpoint.endpoint_id}_{int(now.timestamp() * 1000):x}"
        told = {"sentence": "This is a test: nothing has happened.", "owner_id": endpoint.owner_id}
        body = msgspec.json.encode({"type": _TEST, "timestamp": now, "data": told})
        async with self._lock(endpoint):
            return await self._sent(endpoint, message_id, body, attempt=1)

    async def _deliver(self, row: OutboxRow) -> None:
        job = self._decode(row.body)
        outcome = await self._outcome(job)
        self._counts["delivered" if isinstance(outcome, Delivered) else "failed"] += 1
        report = DeliveryReported(notice_id=job.notice.notice_id, outcome=outcome)
        self._engine.complete(row.outbox_id, endpoint_address(job.endpoint.endpoint_id), report)

    async def _outcome(self, job: Deliver) -> DeliveryOutcome:
        try:
            body = self._body(job.endpoint, job.notice)
        except JournalUnavailable as error:
            return Undelivered(
                reason=f"the hub could not read what to tell: {error}", again_s=self._wait_s(job.attempt)
            )
        if body is None:
            return Unreadable(reason="its note cannot be found any more")
        try:
            async with self._lock(job.endpoint):
                return await self._sent(job.endpoint, job.notice.notice_id, body, attempt=job.attempt)
        except Exception as error:
            log.exception("announcement_failed", endpoint=job.endpoint.endpoint_id)
            reason = f"the hub failed on it: {type(error).__name__}"
            return Undelivered(reason=reason, again_s=self._wait_s(job.attempt))

    async def _sent(self, endpoint: Endpoint, message_id: str, body: bytes, *, attempt: int) -> DeliveryOutcome:
        transport = await self._transport()
        now = self._clock.now()
        headers = {"Content-Type": "application/json", "User-Agent": f"iot2crm/{hub_version()}"}
        headers |= signed(self._keys(endpoint), message_id, now, body)
        call = Call(method="POST", url=endpoint.url, writes=True, headers=headers, content=body, is_encoded=True)
        reply = await transport.exchange(call)
        if isinstance(reply, Reply):
            return self._judged(reply, attempt)
        reason = getattr(reply, "reason", "") or getattr(reply, "message", "") or type(reply).__name__
        return Undelivered(reason=reason, again_s=self._wait_s(attempt))

    def _judged(self, reply: Reply, attempt: int) -> DeliveryOutcome:
        if reply.ok:
            return Delivered(status=reply.status)
        if reply.status == 410:
            return Gone(reason="it answered 410 Gone: it wants nothing any more")
        least_s = retry_after_s(reply.headers, default_s=0.0) if reply.status in {429, 503} else 0.0
        hint = "; redirects are not followed, register the new address" if 300 <= reply.status < 400 else ""
        again_s = max(least_s, self._wait_s(attempt))
        return Undelivered(reason=f"it answered {reply.status}{hint}", again_s=again_s)

    def _body(self, endpoint: Endpoint, notice: Notice) -> bytes | None:
        note = self._shards[notice.shard].note(notice.note) if notice.shard < len(self._shards) else None
        if note is None:
            return None
        facts: dict[str, Any] = msgspec.json.decode(note.body)
        told = {"thing_id": notice.thing_id, "owner_id": endpoint.owner_id, "correlation_id": note.correlation_id}
        state = {"state": note.step} if notice.topic is Topic.ORDER else {}
        data = {**facts, **told, **state}
        return msgspec.json.encode({"type": notice.topic, "timestamp": notice.at, "data": data})

    def _wait_s(self, attempt: int) -> float:
        return next_delay_s(attempt, cap_s=_CAP_S, chance=self._chance)

    def _lock(self, endpoint: Endpoint) -> asyncio.Lock:
        return self._busy.setdefault(endpoint.endpoint_id, asyncio.Lock())

    def _keys(self, endpoint: Endpoint) -> Sequence[bytes]:
        keys = [self._key_of(endpoint, endpoint.generation)]
        if endpoint.former_until is not None and self._clock.now() < endpoint.former_until:
            keys.append(self._key_of(endpoint, endpoint.generation - 1))
        return keys

    def _key_of(self, endpoint: Endpoint, generation: int) -> bytes:
        return hmac.digest(self._key, f"{endpoint.endpoint_id}/{generation}".encode(), "sha256")

    async def _transport(self) -> Exchange:
        """Return the one session, opened when it is first needed: most hubs tell nobody."""
        if self._opened is None:
            session = open_transport(_SETTINGS, resolver=GuardedResolver(self._policy))
            self._opened = GuardedTransport(await self._stack.enter_async_context(session), self._policy)
        return self._opened
