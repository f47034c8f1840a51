"""One connection to an OPC UA server: a channel, a session, and the services that a link needs."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from asyncua.ua import uaerrors
from msgspec import Struct
from msgspec.structs import replace

from protocols.opcua.addressing import NodeAddress
from protocols.opcua.binary import Malformed
from protocols.opcua.browser import Browser, Reference
from protocols.opcua.config import EndpointConfig
from protocols.opcua.filters import change_filter, event_filter
from protocols.opcua.learning import TypeLearner
from protocols.opcua.notifications import read_publish_response, read_republish_response
from protocols.opcua.opening import open_session
from protocols.opcua.publishing import Notice, Undecodable
from protocols.opcua.sources import Watching
from protocols.opcua.stack import SessionTicket, abort, plain_cancellation, ticket_of, ua
from protocols.opcua.structures import TypeBook
from protocols.opcua.variants import Structure

MOST_PER_CALL: Final = 1000
"""Larger calls gain nothing, and some controllers take no more."""
_GOODBYE_S: Final = 0.5
_CLOCK: Final = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
_FACTS: Final = (
    ua.ObjectIds.Server_NamespaceArray,
    ua.ObjectIds.Server_ServerStatus_StartTime,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
)


class ServerFacts(Struct, frozen=True, kw_only=True):
    """What a server says about itself."""

    namespaces: Sequence[str]
    started_at: datetime | None
    items_per_call: int
    reads_per_call: int
    browses_per_call: int
    histories_per_call: int


class Granted(Struct, frozen=True, kw_only=True):
    """A subscription as the server made it."""

    subscription_id: int
    keep_alive_s: float


class ItemRequest(Struct, frozen=True, kw_only=True):
    """One item to monitor; ``handle`` is the name it has in notifications."""

    handle: int
    node: Any
    watching: Watching = Watching()


class Connection:
    """A session on an open channel. Every method raises what asyncua or the socket raises."""

    def __init__(self, client: Any, config: EndpointConfig) -> None:
        self._client = client
        self._session = client.uaclient.session
        self._config = config
        self.types = TypeLearner(self._session, TypeBook())

    @classmethod
    async def establish(cls, config: EndpointConfig, ticket: SessionTicket | None, now: datetime) -> "Connection":
        """Open a channel and take up the session of ``ticket``, or make a new session without one."""
        return cls(await open_session(config, ticket, now), config)

    @property
    def ticket(self) -> SessionTicket:
        """What another connection needs to go on with this session."""
        return ticket_of(self._client)

    async def facts(self) -> ServerFacts:
        """Read namespaces, start time and limits in one call."""
        values = await self._session.read_attributes([ua.NodeId(number) for number in _FACTS], ua.AttributeIds.Value)
        namespaces, started_at, *limits = (None if value.Value is None else value.Value.Value for value in values)
        items, reads, browses, histories = (min(int(limit or 0) or MOST_PER_CALL, MOST_PER_CALL) for limit in limits)
        return ServerFacts(
            namespaces=namespaces or [],
            started_at=started_at,
            items_per_call=items,
            reads_per_call=reads,
            browses_per_call=browses,
            histories_per_call=histories,
        )

    async def time(self, otherwise: datetime) -> datetime:
        """Return what the server's clock shows; ``otherwise`` where it shows nothing."""
        (now,) = await self.attributes_of(_CLOCK, [ua.AttributeIds.Value])
        return now if isinstance(now, datetime) else otherwise

    async def subscribe(self) -> Granted:
        """Create a subscription; keep-alives come three times within the time of silence that is allowed."""
        config = self._config
        params = ua.CreateSubscriptionParameters()
        keep_alive_count = max(1, int(config.silence_s * 1000 / 3 / config.publishing_interval_ms))
        lifetime_count = max(int(config.hold_s * 1000 / config.publishing_interval_ms), 3 * keep_alive_count)
        params.RequestedPublishingInterval = config.publishing_interval_ms
        params.RequestedMaxKeepAliveCount = keep_alive_count
        params.RequestedLifetimeCount = lifetime_count
        params.PublishingEnabled = True
        made = await self._session.create_subscription(params, _unused)
        return Granted(
            subscription_id=int(made.SubscriptionId),
            keep_alive_s=float(made.RevisedPublishingInterval) * int(made.RevisedMaxKeepAliveCount) / 1000,
        )

    async def unsubscribe(self, subscription_id: int) -> None:
        """Delete a subscription and what it has queued."""
        await self._session.delete_subscriptions([subscription_id])

    async def transfer(self, subscription_id: int) -> bool:
        """Take a subscription over from a session that is gone; False when the server does not give it."""
        params = ua.TransferSubscriptionsParameters()
        params.SubscriptionIds = [subscription_id]
        params.SendInitialValues = False
        try:
            results = await self._session.transfer_subscriptions(params)
        except uaerrors.UaStatusCodeError:
            return False
        # BadNothingToDo: it is ours already
        return any(found.StatusCode.is_good() or "BadNothingToDo" in found.StatusCode.name for found in results)

    async def publish(self, subscription_id: int, acknowledged: Sequence[int]) -> Notice:
        """Send a PublishRequest with acknowledgements and wait, however long, for the server's answer."""
        acks = [ua.SubscriptionAcknowledgement(subscription_id, number) for number in acknowledged]
        data = await self._session.publish_bytes(acks)
        try:
            notice = read_publish_response(data)
        except Malformed as error:
            raise Undecodable(str(error)) from error
        return await self._explained(notice)

    async def republish(self, subscription_id: int, number: int) -> Notice | None:
        """Ask for a notification once more; None when the server no longer has it."""
        try:
            data = await self._session.republish_bytes(subscription_id, number)
        except uaerrors.BadMessageNotAvailable:
            return None
        try:
            notice = read_republish_response(data, subscription_id)
        except Malformed as error:
            raise Undecodable(str(error)) from error
        # asyncua's own server answers with an empty message instead of BadMessageNotAvailable
        return None if notice.is_keep_alive else await self._explained(notice)

    async def create_items(self, subscription_id: int, requests: Sequence[ItemRequest]) -> list[int | str]:
        """Monitor values: the server's id of each item, or the name of the status that refuses it."""
        params = ua.CreateMonitoredItemsParameters()
        params.SubscriptionId = subscription_id
        params.TimestampsToReturn = ua.TimestampsToReturn.Both
        params.ItemsToCreate = [self._item(request) for request in requests]
        results = await self._session.create_monitored_items(params)
        return [int(made.MonitoredItemId) if made.StatusCode.is_good() else made.StatusCode.name for made in results]

    async def names_of(self, nodes: Sequence[Any]) -> list[Mapping[int, str] | None]:
        """Return for each variable what its numbers are called, where it is of an enumeration."""
        values = await self._session.read_attributes(list(nodes), ua.AttributeIds.DataType)
        types = [None if value.Value is None else value.Value.Value for value in values]
        return await self.types.names_of(types)

    async def attributes_of(self, node: Any, attributes: Sequence[int]) -> list[Any | None]:
        """Return attributes of one node; None for those that it does not have."""
        params = ua.ReadParameters()
        params.TimestampsToReturn = ua.TimestampsToReturn.Neither
        params.NodesToRead = [_attribute(node, attribute) for attribute in attributes]
        values = await self._session.read(params)
        return [None if value.Value is None else value.Value.Value for value in values]

    async def write(self, node: Any, variant: Any) -> Any:
        """Write a value; the server's status code."""
        entry = ua.WriteValue()
        entry.NodeId, entry.AttributeId = node, ua.AttributeIds.Value
        entry.Value = ua.DataValue(variant)
        params = ua.WriteParameters()
        params.NodesToWrite = [entry]
        (status,) = await self._session.write(params)
        return status

    async def call(self, owner: Any, method: Any, arguments: Sequence[Any]) -> Any:
        """Call a method of an object; the server's CallMethodResult."""
        request = ua.CallMethodRequest()
        request.ObjectId, request.MethodId, request.InputArguments = owner, method, list(arguments)
        (result,) = await self._session.call([request])
        return result

    async def refresh_conditions(self, subscription_id: int) -> None:
        """Let the server tell all conditions that it retains, as events (Part 9 section 5.5.7)."""
        method, owner = ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh), ua.NodeId(ua.ObjectIds.ConditionType)
        result = await self.call(owner, method, [ua.Variant(subscription_id, ua.VariantType.UInt32)])
        result.StatusCode.check()

    async def history_read(self, params: Any) -> list[Any]:
        """Read what was recorded of some nodes."""
        found: list[Any] = await self._session.history_read(params)
        return found

    async def related(self, nodes: Sequence[Any], reference: int, *, forward: bool = True) -> list[list[Reference]]:
        """Return for each node what its references of this type lead to."""
        return await Browser(self._session).related(nodes, reference, forward=forward)

    async def delete_items(self, subscription_id: int, items: Sequence[int]) -> None:
        """End monitoring; what is queued for these items is dropped."""
        params = ua.DeleteMonitoredItemsParameters()
        params.SubscriptionId = subscription_id
        params.MonitoredItemIds = list(items)
        await self._session.delete_monitored_items(params)

    async def renew_forever(self) -> None:
        """Renew the channel's keys after three quarters of their life (Part 4 section 5.6.2)."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout * 0.75 / 1000)
            with plain_cancellation():
                await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def close(self) -> None:
        """Say goodbye, within half a second, so that the server keeps nothing for us."""
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._session.close_session(delete_subscriptions=True)
                await self._client.close_secure_channel()
        except (uaerrors.UaError, OSError):
            return  # it hears nothing any more, and drops the session by itself
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of the socket at once; the server keeps the session for the time it granted."""
        abort(self._client)

    def _item(self, request: ItemRequest) -> Any:
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId = request.node
        events = request.watching.events is not None
        item.ItemToMonitor.AttributeId = ua.AttributeIds.EventNotifier if events else ua.AttributeIds.Value
        item.MonitoringMode = ua.MonitoringMode.Reporting
        watching, config = request.watching, self._config
        parameters = item.RequestedParameters
        parameters.ClientHandle = request.handle
        parameters.SamplingInterval = (
            config.sampling_interval_ms if watching.sampling_ms is None else watching.sampling_ms
        )
        parameters.QueueSize = watching.queue or config.queue_size
        parameters.DiscardOldest = True
        parameters.Filter = event_filter(watching.severity) if events else change_filter(watching)
        return item

    async def _explained(self, notice: Notice) -> Notice:
        """Return the notice with structures as dicts."""
        if not any(_has_structure(sample.value) for _, sample in notice.values):
            return notice
        values = [
            (handle, replace(sample, value=await self.types.explain(sample.value)))
            if _has_structure(sample.value)
            else (handle, sample)
            for handle, sample in notice.values
        ]
        return replace(notice, values=values)


def node_id(address: NodeAddress, namespaces: Sequence[str]) -> Any | None:
    """Return the node with this server's index of its namespace; None when the server has no such namespace."""
    if address.namespace not in namespaces:
        return None
    index = namespaces.index(address.namespace)
    match address.kind:
        case "i":
            return ua.NodeId(int(address.identifier), index)
        case "g":
            return ua.NodeId(UUID(address.identifier), index)
        case "b":
            return ua.NodeId(base64.b64decode(address.identifier), index)
        case _:
            return ua.NodeId(address.identifier, index)


def _attribute(node: Any, attribute: int) -> Any:
    entry = ua.ReadValueId()
    entry.NodeId, entry.AttributeId = node, attribute
    return entry


def _has_structure(value: object) -> bool:
    if value.__class__ is list:
        return any(_has_structure(element) for element in cast("list[object]", value)[:1])
    return value.__class__ is Structure


def _unused(_result: object) -> None:
    """Stand in for the callback that asyncua's own publish loop would call."""
