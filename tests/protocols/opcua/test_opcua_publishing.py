"""Publishing against a scripted server: order, gaps, repeats, acknowledgements."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from asyncua.ua import uaerrors

from protocols.opcua.faults import SubscriptionLost, first_cause
from protocols.opcua.publishing import Notice, Publisher, Subscription, Undecodable
from protocols.testing import DEADLINE_S

ME = 7


def notice(number: int, *, keep_alive: bool = False, status: str | None = None, subscription_id: int = ME) -> Notice:
    return Notice(
        subscription_id=subscription_id, sequence_number=number, is_keep_alive=keep_alive, values=(), status=status
    )


class ScriptedServer:
    """Answers publish requests by a script and then never; keeps what ``holds`` for retransmission."""

    def __init__(self, *script: Notice | Exception, holds: Sequence[int] = ()) -> None:
        self._script = list(script)
        self._holds = set(holds)
        self.acknowledged: list[int] = []
        self.requests = 0

    async def publish(self, subscription_id: int, acknowledged: Sequence[int]) -> Notice:
        assert subscription_id == ME
        self.requests += 1
        if not self._script:
            self.acknowledged += acknowledged
            await asyncio.get_running_loop().create_future()
        answer = self._script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.acknowledged += acknowledged
        return answer

    async def republish(self, subscription_id: int, number: int) -> Notice | None:
        return notice(number, subscription_id=subscription_id) if number in self._holds else None


class Delivered:
    """What was handed on, and the means to settle it."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.numbers: list[int] = []
        self.open: list[Callable[[], None]] = []
        self._at_once = at_once

    def __call__(self, given: Notice, settled: Callable[[], None]) -> None:
        self.numbers.append(given.sequence_number)
        if self._at_once:
            settled()
        else:
            self.open.append(settled)


@asynccontextmanager
async def publishing(
    server: ScriptedServer, delivered: Delivered, *, in_flight: int = 1, subscription: Subscription | None = None
) -> AsyncGenerator[Counter[str]]:
    counts: Counter[str] = Counter()
    publisher = Publisher(server, subscription or Subscription(ME, "e", 1.0), delivered, lambda: None, counts)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        task = group.create_task(publisher.run(in_flight, resumed=subscription is not None))
        yield counts
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - all of it runs on this loop, without any waiting
        await asyncio.sleep(0)


@pytest.mark.parametrize("last", [notice(4), notice(4, keep_alive=True)])
async def test_what_is_missing_is_fetched_before_what_came_later(last: Notice) -> None:
    server, delivered = ScriptedServer(notice(1), last, holds=[2, 3]), Delivered()
    expected = [1, 2, 3] if last.is_keep_alive else [1, 2, 3, 4]
    async with publishing(server, delivered) as counts:
        await until(lambda: server.acknowledged == expected)
    assert delivered.numbers == expected
    assert counts["republished"] == 2
    assert not counts["lost_notifications"]


async def test_what_the_server_no_longer_has_is_counted_as_lost() -> None:
    server, delivered = ScriptedServer(notice(1), notice(5), holds=[3]), Delivered()
    async with publishing(server, delivered) as counts:
        await until(lambda: delivered.numbers == [1, 3, 5])
    assert counts["lost_notifications"] == 2


async def test_a_repeat_is_acknowledged_and_not_handed_on_again() -> None:
    server, delivered = ScriptedServer(notice(1), notice(2), notice(1), notice(3)), Delivered()
    async with publishing(server, delivered):
        await until(lambda: server.acknowledged == [1, 2, 1, 3])
    assert delivered.numbers == [1, 2, 3]


async def test_a_place_in_flight_waits_until_its_notification_is_settled() -> None:
    server, delivered = ScriptedServer(notice(1), notice(2), notice(3)), Delivered(at_once=False)
    async with publishing(server, delivered, in_flight=2):
        await until(lambda: delivered.numbers == [1, 2])
        assert (server.requests, server.acknowledged) == (2, [])
        delivered.open.pop(0)()
        await until(lambda: delivered.numbers == [1, 2, 3])
        assert (server.requests, server.acknowledged) == (3, [1])


async def test_an_acknowledgement_that_may_be_lost_is_sent_again_on_the_next_connection() -> None:
    subscription = Subscription(ME, "e", 1.0)
    first = ScriptedServer(notice(1), ConnectionError("cut"))
    with pytest.raises(ExceptionGroup, match="unhandled"):
        async with publishing(first, Delivered(), subscription=subscription):
            await asyncio.get_running_loop().create_future()
    second = ScriptedServer()
    async with publishing(second, Delivered(), subscription=subscription):
        await until(lambda: second.acknowledged == [1])


async def test_on_a_new_connection_what_was_sent_into_the_old_one_comes_first() -> None:
    subscription = Subscription(ME, "e", 1.0)
    subscription.order.take(4)
    server, delivered = ScriptedServer(notice(7), holds=[5, 6]), Delivered()
    async with publishing(server, delivered, subscription=subscription):
        await until(lambda: delivered.numbers == [5, 6, 7])


async def test_an_undecodable_notification_is_counted_and_the_next_one_taken() -> None:
    server, delivered = ScriptedServer(notice(1), Undecodable(), notice(3)), Delivered()
    async with publishing(server, delivered) as counts:
        await until(lambda: delivered.numbers == [1, 3])
    assert counts["malformed"] == 1


async def test_a_server_that_takes_fewer_requests_gets_fewer() -> None:
    server = ScriptedServer(uaerrors.BadTooManyPublishRequests(), notice(1))
    async with publishing(server, Delivered(), in_flight=3):
        await until(lambda: server.acknowledged == [1])
        assert server.requests == 4  # three at first, and one in place of the two that were answered


@pytest.mark.parametrize("end", [notice(1, status="BadTimeout"), uaerrors.BadNoSubscription()])
async def test_a_subscription_that_ended_is_told(end: Notice | Exception) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with publishing(ScriptedServer(end), Delivered()):
            await asyncio.get_running_loop().create_future()
    assert isinstance(first_cause(raised.value), SubscriptionLost)
