"""What the actor of a CRM connection is told."""

from actors.dialogue.base import Message
from actors.model.ids import OrderKey
from actors.model.outcomes import ChangesOutcome, CrmRecord


class OpenConnection(Message, frozen=True, kw_only=True):
    """The hub has started with this connection: take up what has to be done from time to time."""

    connection: str


class ConnectionWoke(Message, frozen=True, kw_only=True):
    """A reminder of the connection's own is due: ``changes``."""

    connection: str
    name: str


class ChangesReported(Message, frozen=True, kw_only=True):
    """What the CRM says has changed since the cursor that was asked with."""

    connection: str
    outcome: ChangesOutcome


class RecordsHeard(Message, frozen=True, kw_only=True):
    """Records as the CRM holds them now, read again after a message of its own."""

    connection: str
    records: tuple[CrmRecord, ...]


class FollowVisit(Message, frozen=True, kw_only=True):
    """A booking leaves under ``key``: what becomes of it concerns this order."""

    key: OrderKey
    order: OrderKey


class DropVisit(Message, frozen=True, kw_only=True):
    """What becomes of this booking concerns no order any more."""

    key: OrderKey
