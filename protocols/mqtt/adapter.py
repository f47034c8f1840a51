"""Keeps one connection to a broker: readings in, acknowledged there after the commit; receipts and commands out."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any, Final, final

import aiomqtt
import msgspec
import structlog

from actors.model.commands import CommandOutcome, ThingCommand
from actors.model.errors import MalformedPayload
from actors.model.ids import CommandId, ThingId
from actors.model.readings import (
    RETRYABLE_REFUSALS,
    DeviceMessage,
    Principal,
    PrincipalKind,
    ReadingRefusal,
    Receipt,
    Refused,
    Stored,
)
from actors.ports import ConnectedThing, LinkStatus, ProtocolDeps
from protocols.backoff import next_delay_s
from protocols.mqtt.config import MqttConfig
from protocols.mqtt.mapping import (
    COMMANDS,
    OUTCOMES,
    PROTOCOL,
    READINGS,
    RECEIPTS,
    Arrival,
    Told,
    device_message,
    outcome_of,
    place_of,
    receipt_of,
)
from protocols.mqtt.order import AckOrder
from protocols.mqtt.stack import acknowledge, arrival_of, connected, end_if_cancelled, first_of, subscribe, why
from protocols.recalling import RECALLED

_log = structlog.get_logger(__name__)
_MOST_OUT: Final = 10_000
"""A receipt is not sent where so much waits already: no flood of them takes the place of commands."""
_COUNTED: Final[tuple[str, ...]] = (
    "accepted",
    "duplicates",
    "refused",
    "malformed",
    "retried",
    "receipts_dropped",
    "reconnects",
)
_Out = tuple[str, bytes, int]


@asynccontextmanager
async def open_mqtt(config: MqttConfig, deps: ProtocolDeps) -> AsyncGenerator["MqttAdapter"]:
    """Keep the connection while the context lasts."""
    adapter = MqttAdapter(config, deps)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        running = group.create_task(adapter.run(), name="mqtt")
        try:
            yield adapter
        except Exception as error:  # noqa: BLE001 - handed on below: the group would wrap it
            failure = error
        finally:
            adapter.close()
            running.cancel()
    if failure is not None:
        raise failure


@final
class MqttAdapter:
    """A ``ProtocolAdapter`` that is a client of a broker."""

    http_routes: Sequence[Any] = ()
    urls: Sequence[str] = ()

    def __init__(self, config: MqttConfig, deps: ProtocolDeps) -> None:
        self._config = config
        self._deps = deps
        self._name = f"mqtt {config.host}:{config.port}"
        self._link = Principal(kind=PrincipalKind.LINK, name=self._name)
        self._status = LinkStatus(name=self._name, state="connecting", since=deps.clock.now())
        self._counts: Counter[str] = Counter(dict.fromkeys(_COUNTED, 0))
        self._numbers = count()
        self._out: deque[_Out] = deque()
        self._out_grew = asyncio.Event()
        self._head_left = False
        """What is first in line was on its way to the broker, and may have arrived."""
        self._timers: dict[asyncio.TimerHandle, None] = {}
        self._commands: dict[tuple[ThingId, CommandId], asyncio.Future[CommandOutcome]] = {}
        self._waiting: dict[CommandId, tuple[_Out, asyncio.Future[CommandOutcome]]] = {}

    def links(self) -> Sequence[LinkStatus]:
        """Return how the connection to the broker is doing."""
        return (self._status,)

    def counters(self) -> Mapping[str, int]:
        """Return accepted (``duplicates`` among them), refused, malformed, retried, receipts dropped, reconnects."""
        return dict(self._counts)

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Publish the command and wait for the thing's outcome; it knows by the id what it has done."""
        del again
        key = (thing.thing_id, command.command_id)
        outcome: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._commands[key] = outcome
        out = self._publish(thing.thing_id, COMMANDS, msgspec.json.encode(command), qos=1)
        self._waiting[command.command_id] = (out, outcome)
        try:
            return await outcome
        finally:
            self._commands.pop(key, None)
            out, _ = self._waiting.pop(command.command_id)
            self._withdraw(out)  # what is over before it left does not leave any more

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that was not published yet: the broker cannot be reached, or others go before it."""
        out, outcome = self._waiting.get(command_id, (None, None))
        if out is None or outcome is None or outcome.done() or not self._withdraw(out):
            return False
        outcome.set_result(RECALLED)
        return True

    def _withdraw(self, out: _Out) -> bool:
        """Take something out of the line, unless it is gone or may be on its way; say whether it was."""
        place = next((place for place, each in enumerate(self._out) if each is out), None)
        if place is None or (place == 0 and self._head_left):
            return False
        del self._out[place]
        return True

    def close(self) -> None:
        """Try nothing again any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # The connection.

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        attempt, loop = 0, asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                async with connected(self._config) as client:
                    await subscribe(client, [f"{self._config.prefix}/+/{kind}" for kind in (READINGS, OUTCOMES)])
                    end_if_cancelled()
                    self._is_now("up")
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError) as error:
                end_if_cancelled()
                self._is_now("down", why(error))
            self._keep_few()
            # One that ends soon counts as failed: two hubs of one client id would take the session from each other.
            attempt = 1 if loop.time() - begun > self._config.retry_cap_s else attempt + 1
            self._counts["reconnects"] += 1
            await asyncio.sleep(next_delay_s(attempt, cap_s=self._config.retry_cap_s, chance=self._deps.chance))

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Take what comes and send what is to go, until the connection ends.

        Raises:
            MqttError: it ended.
        """
        ended = aiomqtt.MqttError("the broker sends nothing any more")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_for_ever(client))
                await self._receive_for_ever(client)
        except* aiomqtt.MqttError as errors:
            ended = first_of(errors)
        raise ended

    async def _receive_for_ever(self, client: aiomqtt.Client) -> None:
        order = AckOrder(partial(acknowledge, client))
        async for message in client.messages:
            if len(order) > self._config.in_flight:
                raise aiomqtt.MqttError(f"the broker sent more than {self._config.in_flight} unacknowledged messages")
            self._take(arrival_of(message), order)

    async def _send_for_ever(self, client: aiomqtt.Client) -> None:
        while True:
            await self._out_grew.wait()
            self._out_grew.clear()
            while self._out:
                topic, body, qos = self._out[0]
                self._head_left = True
                try:
                    await client.publish(topic, body, qos=qos)
                except aiomqtt.MqttError:
                    self._out_grew.set()  # it goes with the next connection
                    raise
                self._out.popleft()
                self._head_left = False
                end_if_cancelled()

    def _is_now(self, state: str, reason: str = "") -> None:
        if self._status.state == state:
            return
        log = _log.info if state == "up" else _log.warning
        log(f"link_{'restored' if state == 'up' else 'lost'}", link=self._name, reason=reason)
        self._status = LinkStatus(name=self._name, state=state, since=self._deps.clock.now(), reason=reason)

    # What comes.

    def _take(self, arrival: Arrival, order: AckOrder) -> None:
        """Take one publication; at QoS 1 it is acknowledged when it is stored, or can never be."""
        finished: Callable[[], None] = _nothing
        if arrival.packet:
            order.arrived(arrival.packet)
            finished = partial(order.due, arrival.packet)
        place = place_of(arrival.topic, self._config.prefix)
        if place is None:
            self._counts["refused"] += 1
            finished()
            return
        thing_id, kind = place
        if kind == OUTCOMES:
            self._end_command(thing_id, arrival.body)
            finished()
        else:
            self._try_readings(thing_id, arrival, finished)

    def _try_readings(self, thing_id: ThingId, arrival: Arrival, finished: Callable[[], None]) -> None:
        """Take readings; a hub that cannot even look up their thing for the moment tries again."""
        try:
            self._take_readings(thing_id, arrival, finished)
        except Exception:  # noqa: BLE001 - a disk that cannot be read: it must not end the connection of all things
            _log.exception("readings_not_taken", thing_id=thing_id)
            self._counts["retried"] += 1
            if self._may_wait(arrival):
                self._later(self._config.retry_after_s, partial(self._try_readings, thing_id, arrival, finished))

    def _may_wait(self, arrival: Arrival) -> bool:
        """Say whether a message may be tried again: nothing bounds how many come at QoS 0 but this."""
        return bool(arrival.packet) or len(self._timers) < self._config.in_flight

    def _take_readings(self, thing_id: ThingId, arrival: Arrival, finished: Callable[[], None]) -> None:
        things = self._deps.things.connected_by(PROTOCOL, (thing_id,))
        if not things:
            self._counts["refused"] += 1
            code = ReadingRefusal.UNKNOWN_THING
            self._tell(thing_id, Told(stored=False, code=code, detail=f"{thing_id} is not registered for mqtt"))
            finished()
            return
        try:
            message = device_message(arrival, things[0], self._deps.clock.now(), next(self._numbers))
        except MalformedPayload as error:
            self._counts["malformed"] += 1
            self._tell(thing_id, Told(stored=False, code="malformed", detail=str(error)))
            finished()
            return
        self._hand_in(message, arrival, finished)

    def _hand_in(self, message: DeviceMessage, arrival: Arrival, finished: Callable[[], None]) -> None:
        self._deps.sink.accept(self._link, message, partial(self._settled, message, arrival, finished))

    def _settled(
        self, message: DeviceMessage, arrival: Arrival, finished: Callable[[], None], receipt: Receipt
    ) -> None:
        """Acknowledge what is stored or never can be; try the rest again, for the broker sends it only once."""
        match receipt:
            case Stored(duplicate=duplicate):
                self._counts["accepted"] += 1
                self._counts["duplicates"] += duplicate
            case Refused(code=code, retry_after_s=after_s) if code in RETRYABLE_REFUSALS and self._may_wait(arrival):
                self._counts["retried"] += 1
                self._later(after_s or self._config.retry_after_s, partial(self._hand_in, message, arrival, finished))
                return
            case Refused():
                self._counts["refused"] += 1
        self._tell(message.thing_id, receipt_of(message.message_id, receipt))
        finished()

    def _end_command(self, thing_id: ThingId, body: bytes) -> None:
        try:
            command_id, outcome = outcome_of(body)
        except MalformedPayload as error:
            self._counts["malformed"] += 1
            self._tell(thing_id, Told(stored=False, code="malformed", detail=str(error)))
            return
        waiting = self._commands.get((thing_id, command_id))
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    # What goes.

    def _tell(self, thing_id: ThingId, told: Told) -> None:
        if len(self._out) >= _MOST_OUT:
            self._counts["receipts_dropped"] += 1
            return
        self._publish(thing_id, RECEIPTS, msgspec.json.encode(told), qos=0)

    def _publish(self, thing_id: ThingId, kind: str, body: bytes, *, qos: int) -> _Out:
        out = (f"{self._config.prefix}/{thing_id}/{kind}", body, qos)
        self._out.append(out)
        self._out_grew.set()
        return out

    def _later(self, after_s: float, action: Callable[[], None]) -> None:
        def act() -> None:
            self._timers.pop(timer, None)
            action()

        timer = asyncio.get_running_loop().call_later(after_s, act)
        self._timers[timer] = None

    def _keep_few(self) -> None:
        """Give up the oldest of what is tried again: the broker brings what was not acknowledged once more."""
        for timer in list(self._timers)[: -self._config.in_flight]:
            timer.cancel()
            del self._timers[timer]


def _nothing() -> None:
    """QoS 0 is not acknowledged."""
