"""Getting a session and a subscription: the old ones where the server still has them, with what they have queued."""

from datetime import datetime

from asyncua.ua import uaerrors
from msgspec import Struct

from protocols.opcua.config import EndpointConfig
from protocols.opcua.connection import Connection
from protocols.opcua.publishing import Subscription
from protocols.opcua.stack import SessionTicket


class Foothold(Struct, frozen=True, kw_only=True):
    """What the server still holds for us after a connection broke."""

    ticket: SessionTicket
    server_started_at: datetime | None
    subscription: Subscription
    items_are_certain: bool
    """False when the connection broke in the middle of a change of items: nobody knows then what is monitored."""


class Standing(Struct, frozen=True, kw_only=True):
    """An open connection with the subscription to publish on. ``resumed``: it is the one from before."""

    connection: Connection
    subscription: Subscription
    resumed: bool
    server_started_at: datetime | None

    def foothold(self, *, items_are_certain: bool) -> Foothold:
        """Return what to come back with once the connection is lost."""
        return Foothold(
            ticket=self.connection.ticket,
            server_started_at=self.server_started_at,
            subscription=self.subscription,
            items_are_certain=items_are_certain,
        )


async def gain(config: EndpointConfig, foothold: Foothold | None, epoch: str, now: datetime) -> Standing:
    """Connect and go on with what ``foothold`` left, or start anew; raises what asyncua or the socket raises.

    A server that was started since gives out the same numbers again (some count tokens and subscriptions from the same
    beginning), so what it calls ours may be another client's. Its start time tells.
    """
    connection, has_old_session = await _connect(config, foothold, now)
    try:
        started_at = (await connection.facts()).started_at
        if foothold is not None and started_at != foothold.server_started_at:
            if has_old_session:
                connection.drop()
                connection = await Connection.establish(config, None, now)
            foothold, has_old_session = None, False
        subscription = await _take_up(connection, foothold, is_ours=has_old_session)
        resumed = subscription is not None
        if subscription is None:
            granted = await connection.subscribe()
            subscription = Subscription(granted.subscription_id, epoch, granted.keep_alive_s)
    except BaseException:
        connection.drop()
        raise
    return Standing(connection=connection, subscription=subscription, resumed=resumed, server_started_at=started_at)


async def _connect(config: EndpointConfig, foothold: Foothold | None, now: datetime) -> tuple[Connection, bool]:
    """Return a connection, and whether it has the session of ``foothold``."""
    if foothold is not None:
        try:
            return await Connection.establish(config, foothold.ticket, now), True
        except uaerrors.UaStatusCodeError:  # the server has dropped that session, or says what is wrong next time too
            pass
    return await Connection.establish(config, None, now), False


async def _take_up(connection: Connection, foothold: Foothold | None, *, is_ours: bool) -> Subscription | None:
    """Return the old subscription if it can be gone on with."""
    if foothold is None:
        return None
    subscription = foothold.subscription
    if not foothold.items_are_certain:
        if is_ours:
            await connection.unsubscribe(subscription.id)
        return None
    if is_ours or await connection.transfer(subscription.id):
        return subscription
    return None
