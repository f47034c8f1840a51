"""The base of all messages, and where actors and relays are reached."""

from msgspec import Struct

from actors.model.ids import CommunityId, OrderKey, OwnerId, ThingId


class Message(Struct, frozen=True, kw_only=True, tag=True):
    """Base of all messages; the class name tells them apart in the journal."""


def thing_address(thing_id: ThingId) -> str:
    """Return where a thing's actor is reached."""
    return f"thing/{thing_id}"


def owner_address(owner_id: OwnerId) -> str:
    """Return where an owner's actor is reached."""
    return f"owner/{owner_id}"


def community_address(community_id: CommunityId) -> str:
    """Return where a community's actor is reached."""
    return f"community/{community_id}"


def order_address(key: OrderKey) -> str:
    """Return where an order's actor is reached."""
    return f"order/{key}"


def desk_relay(connection: str) -> str:
    """Return the relay name of a CRM connection's desk."""
    return f"desk:{connection}"


COMPUTE_RELAY = "compute"
"""Executes heavy computing off the event loop."""
