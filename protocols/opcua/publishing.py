"""Our own publishing: several PublishRequests in flight, notifications in order, acknowledged after they are settled.

A server keeps each notification for retransmission until it is acknowledged (OPC UA Part 4 section 5.13.1): what we
have not settled can be asked for again, and what we acknowledge is ours.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn, Protocol

import structlog
from asyncua.ua import uaerrors
from msgspec import Struct

from protocols.opcua.faults import SubscriptionLost
from protocols.opcua.sequence import MOST_MISSING, NotificationOrder, following
from protocols.opcua.variants import Sample

_log = structlog.get_logger()


class Undecodable(Exception):
    """The server sent a notification that cannot be decoded."""


class EventFields(NamedTuple):
    """One event: the handle of the item that monitors it, and the fields that were asked for."""

    handle: int
    fields: tuple[object, ...]


class Notice(Struct, frozen=True, kw_only=True):
    """One notification: values by the handle of their item, or a keep-alive, or the subscription's own status."""

    subscription_id: int
    sequence_number: int
    is_keep_alive: bool
    values: Sequence[tuple[int, Sample]] = ()
    events: Sequence[EventFields] = ()
    status: str | None = None


class PublishService(Protocol):
    """The services of a session that publishing needs."""

    async def publish(self, subscription_id: int, acknowledged: Sequence[int]) -> Notice:
        """Send acknowledgements and wait for the next notification."""
        ...

    async def republish(self, subscription_id: int, number: int) -> Notice | None:
        """Ask for a notification once more; None when it is gone."""
        ...


class Subscription:
    """A subscription as we know it. It lives on when the connection is lost and another one takes it up."""

    def __init__(self, subscription_id: int, epoch: str, keep_alive_s: float) -> None:
        self.id = subscription_id
        self.epoch = epoch
        self.keep_alive_s = keep_alive_s
        self.order = NotificationOrder()
        self._settled: list[int] = []

    def settled(self, number: int) -> None:
        """Note that a notification may be acknowledged."""
        self._settled.append(number)

    def take_settled(self) -> list[int]:
        """Return what is to be acknowledged now; give it back if the request did not get through."""
        taken, self._settled = self._settled, []
        return taken

    def give_back(self, numbers: Sequence[int]) -> None:
        """Take back acknowledgements that may not have arrived; the server ignores those that did."""
        self._settled.extend(numbers)


Deliver = Callable[[Notice, Callable[[], None]], None]
"""Hand on one notification and say when it is settled: stored, or refused for good."""


class _Arrival(Struct, kw_only=True):
    """An answered PublishRequest; ``done`` lets its place in flight go on to the next request."""

    notice: Notice
    done: asyncio.Future[None]


class Publisher:
    """Publishing on one connection. A place in flight is only used again once its notification is settled.

    So a hub that cannot store slows the server down, whose item queues then fill.
    """

    def __init__(
        self,
        service: PublishService,
        subscription: Subscription,
        deliver: Deliver,
        heard: Callable[[], None],
        counts: Counter[str],
    ) -> None:
        self._service = service
        self._heard = heard
        self._subscription = subscription
        self._deliver = deliver
        self._counts = counts
        self._arrivals: asyncio.Queue[_Arrival] = asyncio.Queue()
        self._places = 0
        self.caught_up = asyncio.Event()
        """Set once a first answer was handed on, and with it all that was sent before this connection."""
        self.waiting = 0
        """PublishRequests that the server has not answered yet."""

    async def run(self, in_flight: int, *, resumed: bool) -> NoReturn:
        """Publish until the connection or the subscription is lost, which is raised."""
        if resumed:
            await self._fetch_what_was_sent()
        async with asyncio.TaskGroup() as group:
            self._places = in_flight
            for _ in range(in_flight):
                group.create_task(self._keep_in_flight())
            while True:
                await self._take(await self._arrivals.get())
                self.caught_up.set()

    async def _fetch_what_was_sent(self) -> None:
        """Fetch what went into a dead path: the server has sent it, and we do not know of it."""
        for _ in range(MOST_MISSING):
            if not await self._recover(self._subscription.order.expected):
                return

    async def _keep_in_flight(self) -> None:
        while True:
            try:
                notice = await self._request()
            except uaerrors.BadTooManyPublishRequests:
                if self._places > 1:
                    self._places -= 1
                    return
                continue
            except uaerrors.BadTimeout:
                continue
            except Undecodable as error:
                self._counts["malformed"] += 1
                _log.warning("notification_undecodable", subscription_id=self._subscription.id, reason=str(error))
                continue
            arrival = _Arrival(notice=notice, done=asyncio.get_running_loop().create_future())
            self._arrivals.put_nowait(arrival)
            await arrival.done

    async def _request(self) -> Notice:
        acknowledged = self._subscription.take_settled()
        self.waiting += 1
        try:
            notice = await self._service.publish(self._subscription.id, acknowledged)
        except Undecodable:
            raise
        except uaerrors.BadNoSubscription:
            raise SubscriptionLost("the server no longer has our subscription") from None
        except BaseException:
            self._subscription.give_back(acknowledged)
            raise
        finally:
            self.waiting -= 1
        self._heard()
        return notice

    async def _take(self, arrival: _Arrival) -> None:
        notice, done = arrival.notice, arrival.done
        if notice.status is not None:
            raise SubscriptionLost(f"the server ended our subscription: {notice.status}")
        if notice.subscription_id != self._subscription.id:
            _settle(done)  # an older subscription of this session has not quite ended
            return
        await self._fill_gap(notice.sequence_number)
        if notice.is_keep_alive:  # its number is the next one's
            _settle(done)
        elif self._subscription.order.is_repeat(notice.sequence_number):
            self._subscription.settled(notice.sequence_number)
            _settle(done)
        else:
            self._hand_on(notice, done)

    async def _fill_gap(self, number: int) -> None:
        order = self._subscription.order
        lost = 0
        for wanted in order.missing_before(number):
            if not await self._recover(wanted):
                lost += order.skip_to(following(wanted))
        lost += order.skip_to(number)
        if lost:
            self._counts["lost_notifications"] += lost
            _log.warning("notifications_lost", subscription_id=self._subscription.id, count=lost, before=number)

    async def _recover(self, number: int) -> bool:
        """Fetch one notification again and wait until it is settled; False when the server no longer has it."""
        try:
            notice = await self._service.republish(self._subscription.id, number)
        except Undecodable:
            self._counts["malformed"] += 1
            self._subscription.order.take(number)
            self._subscription.settled(number)  # it would be undecodable for ever
            return True
        except uaerrors.BadSubscriptionIdInvalid:
            raise SubscriptionLost("the server no longer has our subscription") from None
        self._heard()
        if notice is None:
            return False
        self._counts["republished"] += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hand_on(notice, done)
        await done
        return True

    def _hand_on(self, notice: Notice, done: asyncio.Future[None]) -> None:
        number = notice.sequence_number
        self._subscription.order.take(number)
        self._counts["notifications"] += 1

        def settled() -> None:
            self._subscription.settled(number)
            _settle(done)

        self._deliver(notice, settled)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():  # cancelled when the connection was lost before
        done.set_result(None)
