"""The base of all messages, and where actors and relays are reached."""

from typing import Final

from msgspec import Struct

from actors.dialogue.placement import SLOTS, slot_of
from actors.model.endpoints import EndpointId
from actors.model.ids import CommunityId, OrderKey, OwnerId, ThingId

_CHAPTERS: Final = 256
"""A community of 100,000 is kept in parts of about 400; never changed, because members stay where they joined."""


class Message(Struct, frozen=True, kw_only=True, tag=True):
    """Base of all messages; the class name tells them apart in the journal."""


def thing_address(thing_id: ThingId) -> str:
    """Return where a thing's actor is reached."""
    return f"thing/{thing_id}"


def owner_address(owner_id: OwnerId) -> str:
    """Return where an owner's actor is reached."""
    return f"owner/{owner_id}"


def community_address(community_id: CommunityId) -> str:
    """Return where a community's actor is reached: what it knows as a whole."""
    return f"community/{community_id}"


def chapter_address(community_id: CommunityId, thing_id: ThingId) -> str:
    """Return where the part of a community is reached that keeps this thing as a member."""
    return f"community/{community_id}/{slot_of(thing_id) * _CHAPTERS // SLOTS:02x}"


def order_address(key: OrderKey) -> str:
    """Return where an order's actor is reached."""
    return f"order/{key}"


def device_address(thing_id: ThingId) -> str:
    """Return where the actor is reached that commands a thing and answers its own questions."""
    return f"device/{thing_id}"


def connection_address(connection: str) -> str:
    """Return where the actor of a CRM connection is reached."""
    return f"connection/{connection}"


def endpoint_address(endpoint_id: EndpointId) -> str:
    """Return where the actor of an owner's endpoint is reached."""
    return f"endpoint/{endpoint_id}"


def desk_relay(connection: str) -> str:
    """Return the relay name of a CRM connection's desk."""
    return f"desk:{connection}"


RECONCILING_RELAY = "reconciling"
"""Compares the hub's orders with the records of CRMs."""

COMPUTE_RELAY = "compute"
"""Executes heavy computing off the event loop."""

THINGS_RELAY = "things"
"""Brings commands to things, by the protocol that each is connected by."""

ANNOUNCEMENTS_RELAY = "announcements"
"""Tells owners' endpoints what happens to their things."""
