"""One link: keeps a server connected, subscribed and listened to, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final, NoReturn

import structlog

from actors.model.commands import CommandFailure, CommandOutcome, NotCarried
from actors.model.errors import HubError, LinkDown, LinkRefused
from actors.model.ids import CommandId, ThingId
from actors.model.readings import Principal, PrincipalKind
from actors.ports import LinkStatus, ProtocolDeps
from protocols.backoff import next_delay_s
from protocols.opcua.addressing import PROTOCOL, ItemKey
from protocols.opcua.alarms import Alarms
from protocols.opcua.backfill import Backfill
from protocols.opcua.commands import Target, acknowledge, carry_out
from protocols.opcua.config import EndpointConfig
from protocols.opcua.connection import Connection
from protocols.opcua.courier import Courier
from protocols.opcua.faults import ANSWERS, SubscriptionLost, explain, first_cause, is_link_trouble
from protocols.opcua.foothold import Foothold, Standing, gain
from protocols.opcua.items import ItemTable
from protocols.opcua.losses import Losses
from protocols.opcua.mapping import Decoder, Origin, Subject
from protocols.opcua.publishing import Notice, Publisher
from protocols.opcua.wanted import Wanted, wanted_at
from protocols.recalling import Recalled, Recalls

_AGAIN_S: Final = 0.2
_TAKEN_BACK: Final = NotCarried(
    code=CommandFailure.DOUBTFUL, detail="taken back while the link was down; it may have arrived before that"
)
_REFRESH_S: Final = 1.0
_log = structlog.get_logger()


class Link:
    """One server under one name. ``run`` never returns; cancel it."""

    def __init__(self, name: str, config: EndpointConfig, deps: ProtocolDeps) -> None:
        self.name = f"{PROTOCOL}:{name}"
        self.counts: Counter[str] = Counter()
        self._endpoint = name
        self._config = config
        self._deps = deps
        principal = Principal(kind=PrincipalKind.LINK, name=self.name)
        self._courier = Courier(deps.sink, principal, deps.chance, self.counts)
        self._decoder = Decoder()
        self._losses = Losses()
        self._alarms = Alarms()
        self._items = ItemTable(self.counts)
        self._foothold: Foothold | None = None
        self._things_changed = asyncio.Event()
        self._changed: set[ThingId] = set()
        self._status = LinkStatus(name=self.name, state="connecting", since=deps.clock.now())
        self._trouble: type[HubError] | None = None
        self._attempt = 0
        self._heard_at = 0.0
        self._unreadable: set[ItemKey] = set()
        self._backfill = Backfill(self._decoder, self._items, self.counts, self._courier.submit)
        self._has_items = asyncio.Event()
        self._present: Connection | None = None
        self._is_present = asyncio.Event()
        self._recalls = Recalls()

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that waits for the link."""
        return self._recalls.recall(command_id)

    @property
    def status(self) -> LinkStatus:
        """How the link is doing. It is ``up`` once the server has published, not when it is merely connected."""
        return self._status

    async def run(self) -> NoReturn:
        """Connect again and again, for ever."""
        ignore_changes = self._deps.things.on_change(self._note_changed)
        try:
            while True:
                await self._stay_connected()
                self._tell_loss()
                await asyncio.sleep(self._delay_s())
        finally:
            ignore_changes()
            self._courier.close()

    async def carry_out(self, target: Target, within_s: float, command_id: CommandId) -> CommandOutcome:
        """Write or call as soon as the link is up, and again on the next connection where repeating does no harm."""
        left = False
        while True:
            try:
                async with asyncio.timeout(within_s):
                    await self._recalls.wait(command_id, self._is_present.wait())
            except Recalled as recalled:
                return _TAKEN_BACK if left else recalled.outcome
            except TimeoutError:
                reason = f"{self._config.url}: {self._status.reason or self._status.state}"
                return NotCarried(code=CommandFailure.UNREACHABLE, detail=reason)
            connection = self._present
            if connection is None:
                continue
            left = True
            try:
                if target.alarms is not None:
                    return await acknowledge(connection, target, self._alarms.unacknowledged(target.alarms))
                return await carry_out(connection, target)
            except ANSWERS as refused:
                detail = f"{target.node}: {type(refused).__name__}"
                return NotCarried(code=CommandFailure.REJECTED, detail=detail)
            except (OSError, TimeoutError) as error:
                if not target.is_repeatable:
                    detail = (
                        f"{self._config.url}: the link broke while it was called ({explain(error, self._config.url)})"
                    )
                    return NotCarried(code=CommandFailure.DOUBTFUL, detail=detail)
                await asyncio.sleep(_AGAIN_S)

    async def _stay_connected(self) -> None:
        """Make one attempt and stay as long as it lasts; return when it failed or was lost."""
        self._attempt += 1
        try:
            standing = await gain(self._config, self._foothold, self._epoch(), self._deps.clock.now())
            await self._use(standing)
        except Exception as error:  # noqa: BLE001 - a defect here must not end the link; it is logged with its trace
            if not is_link_trouble(error):
                _log.exception("link_failed", link=self.name)
            if isinstance(first_cause(error), SubscriptionLost):
                self._foothold = None
            self._down(explain(error, self._config.url))

    async def _use(self, standing: Standing) -> NoReturn:
        connection = standing.connection
        self._has_items.clear()
        if not standing.resumed:
            self._items.reset()
        publisher = self._publisher(standing)
        self._present = connection
        self._is_present.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(connection.renew_forever())
                group.create_task(self._keep_items(standing))
                group.create_task(self._watch(standing, publisher))
                group.create_task(self._tell_return(publisher))
                await self._fill_gap(standing)
                await publisher.run(self._config.in_flight, resumed=standing.resumed)
        except asyncio.CancelledError:
            await connection.close()
            raise
        finally:
            self._present = None
            self._is_present.clear()
            self._foothold = standing.foothold(items_are_certain=self._items.is_certain)
            connection.drop()

    async def _fill_gap(self, standing: Standing) -> None:
        """Read what the server recorded since the last values, when nothing of it is queued for us."""
        reach = timedelta(seconds=self._config.backfill_s)
        if not standing.resumed:
            self._backfill.is_due = bool(self._decoder.known)
        if not self._backfill.is_due or not reach:
            return
        await self._has_items.wait()
        now = self._deps.clock.now()
        await self._backfill.run(standing.connection, standing.subscription.epoch, now, reach)

    def _publisher(self, standing: Standing) -> Publisher:
        subscription = standing.subscription
        self._heard_at = asyncio.get_running_loop().time()
        return Publisher(
            standing.connection,
            subscription,
            lambda notice, settled: self._deliver(subscription.epoch, notice, settled),
            self._heard,
            self.counts,
        )

    def _deliver(self, epoch: str, notice: Notice, settled: Callable[[], None]) -> None:
        origin = Origin(epoch=epoch, sequence_number=notice.sequence_number, received_at=self._deps.clock.now())
        values = self._backfill.without_filled(self._items.values_of(notice.values))
        if notice.events:
            values = [*values, *self._alarms.values_of(self._items.events_of(notice.events))]
            self.counts["events"] += len(notice.events)
        decoded = self._decoder.decode(values, origin)
        self.counts["values"] += len(notice.values)
        self.counts["without_news"] += decoded.without_news
        self.counts["overflowed"] += decoded.overflowed
        self.counts["malformed"] += len(decoded.unreadable)
        for key in decoded.unreadable.keys() - self._unreadable:
            self._unreadable.add(key)
            reason = decoded.unreadable[key]
            _log.warning("value_unreadable", link=self.name, thing_id=key.thing_id, property=key.name, reason=reason)
        self._courier.submit(decoded.messages, settled)

    async def _keep_items(self, standing: Standing) -> NoReturn:
        """Monitor what the registered things want, and ask again for what the server refused."""
        self._changed.clear()
        wanted = self._wanted()
        refreshed = {subject.key for subject in self._items.alarmed}  # none, in a new subscription
        while True:
            self._things_changed.clear()
            if self._changed:
                changed, self._changed = self._changed, set()
                wanted = wanted.changed(changed, self._wanted(changed))
            for key in await self._items.reconcile(wanted, standing.connection, standing.subscription.id):
                self._decoder.forget(key)
            self._has_items.set()
            if fresh := [subject for subject in self._items.alarmed if subject.key not in refreshed]:
                refreshed.update(subject.key for subject in fresh)
                await self._refresh_conditions(standing, fresh)
            try:
                async with asyncio.timeout(self._config.retry_cap_s if self._items.refused else None):
                    await self._things_changed.wait()
            except TimeoutError:
                continue

    async def _refresh_conditions(self, standing: Standing, alarmed: Sequence[Subject]) -> None:
        """Hear of the alarms that were there before these items.

        Some servers tell beginning and end of that only to those who watch the whole server: then a time ends it.
        """
        self._alarms.begin_refresh(alarmed)
        try:
            await standing.connection.refresh_conditions(standing.subscription.id)
        except ANSWERS as refused:
            _log.info("condition_refresh_refused", link=self.name, reason=type(refused).__name__)
        await asyncio.sleep(max(_REFRESH_S, 3 * self._config.publishing_interval_ms / 1000))
        origin = Origin(epoch=self._epoch(), sequence_number=1, received_at=self._deps.clock.now())
        now = await standing.connection.time(origin.received_at)
        told = self._decoder.decode(list(self._alarms.end_refresh(alarmed, now)), origin)
        self._courier.submit(told.messages, _nobody_waits)

    def _wanted(self, among: Collection[ThingId] | None = None) -> Wanted:
        return wanted_at(self._endpoint, self._deps.things.connected_by(PROTOCOL, among))

    def _note_changed(self, things: Sequence[ThingId]) -> None:
        self._changed.update(things)
        self._things_changed.set()

    async def _watch(self, standing: Standing, publisher: Publisher) -> NoReturn:
        """Raise when nothing comes any more: a connection that looks open proves nothing.

        While no request waits at the server, because the hub cannot store, it is asked for its state instead; that
        keeps the session alive, too.
        """
        loop = asyncio.get_running_loop()
        limit_s = max(self._config.silence_s, 2.5 * standing.subscription.keep_alive_s)
        period_s = limit_s / 5
        while True:
            slept_at = loop.time()
            await asyncio.sleep(period_s)
            if loop.time() - slept_at > 2 * period_s:
                continue  # we were asleep ourselves; what came meanwhile has not been looked at yet
            if not publisher.waiting:
                await standing.connection.facts()
                self._heard_at = loop.time()
            elif (silent_s := loop.time() - self._heard_at) > limit_s:
                raise LinkDown(f"{self._config.url}: no notification and no keep-alive for {silent_s:.1f} s")

    def _tell_loss(self) -> None:
        """Tell the things that nobody can see them any more, once that has lasted longer than a hiccup."""
        if asyncio.get_running_loop().time() - self._heard_at >= self._config.silence_s:
            told = self._losses.begin(self._decoder.known, self._epoch(), self._deps.clock.now())
            self._courier.submit(told, _nobody_waits)

    async def _tell_return(self, publisher: Publisher) -> None:
        """Tell what did not change meanwhile as good again, behind what the server had kept."""
        await publisher.caught_up.wait()
        monitored = self._items.monitored
        known = {key: last for key, last in self._decoder.known.items() if key in monitored}
        told = self._losses.end(known, self._epoch(), self._deps.clock.now())
        self._courier.submit(told, _nobody_waits)

    def _heard(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._status.state == "up":
            return
        now = self._deps.clock.now()
        if self._status.state == "down":
            self.counts["reconnects"] += 1
            _log.info("link_restored", link=self.name, down_for_s=(now - self._status.since).total_seconds())
        else:
            _log.info("link_up", link=self.name, url=self._config.url)
        self._attempt = 0
        self._trouble = None
        self._status = LinkStatus(name=self.name, state="up", since=now)

    def _down(self, error: HubError) -> None:
        """Show the present reason; log the first one, and again only when it is of another kind."""
        is_down = self._status.state == "down"
        since = self._status.since if is_down else self._deps.clock.now()
        self._status = LinkStatus(name=self.name, state="down", since=since, reason=str(error))
        if self._trouble is not type(error):
            self._trouble = type(error)
            _log.warning("link_lost", link=self.name, reason=str(error), remedy=error.remedy)

    def _delay_s(self) -> float:
        """Return how long to wait: the longest time after a refusal, which passes only when people act."""
        if self._trouble is LinkRefused:
            return self._config.retry_cap_s
        return next_delay_s(max(self._attempt, 1), cap_s=self._config.retry_cap_s, chance=self._deps.chance)

    def _epoch(self) -> str:
        """Return a name that no subscription ever had: time and chance, in case one of them repeats."""
        return f"{self._deps.clock.now():%Y%m%dT%H%M%S%f}-{self._deps.chance.getrandbits(64):016x}"


def _nobody_waits() -> None:
    """Stand in for the acknowledgement of what no server sent."""
