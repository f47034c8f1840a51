"""What the actor of a CRM connection is told."""

from msgspec import Struct

from actors.dialogue.base import Message
from actors.model.base import Instant, Value
from actors.model.findings import Finding
from actors.model.ids import OrderKey, OwnerId, ThingId
from actors.model.outcomes import ChangesOutcome, CrmRecord


class OpenConnection(Message, frozen=True, kw_only=True):
    """The hub has started with this connection: take up what has to be done from time to time."""

    connection: str


class ConnectionWoke(Message, frozen=True, kw_only=True):
    """A reminder of the connection's own is due: ``changes`` or ``reconcile``."""

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


class ThingIntroduced(Message, frozen=True, kw_only=True):
    """The CRM knows this version of a thing now, under an id of its own."""

    connection: str
    owner_id: OwnerId
    thing_id: ThingId
    version: str
    record_id: str


class CustomerIntroduced(Message, frozen=True, kw_only=True):
    """The CRM knows this version of an owner as its customer now, under an id of its own."""

    connection: str
    owner_id: OwnerId
    version: str
    record_id: str


class Use(Value, frozen=True, kw_only=True):
    """So many requests, counted as sent at ``until``."""

    until: Instant
    count: int


class UseCounted(Message, frozen=True, kw_only=True):
    """What was sent over the connection in the last 24 hours, all of it, oldest first."""

    connection: str
    used: tuple[Use, ...]


class Reconcile(Message, frozen=True, kw_only=True):
    """Compare the hub's orders with the CRM's records, both ways. ``is_full``: all records, not only what changed."""

    connection: str
    by: str
    is_full: bool = False


class RecordsCompared(Message, frozen=True, kw_only=True):
    """What comparing led to. ``records`` are those that the CRM holds otherwise than their orders know."""

    connection: str
    number: int
    cursor: str
    findings: tuple[Finding, ...]
    records: tuple[CrmRecord, ...] = ()
    orders: int = 0
    seen: int = 0
    failure: str = ""


class CompareRecords(Struct, frozen=True, kw_only=True):
    """Work for the relay that compares; answered by ``RecordsCompared``. May be done again after a restart."""

    connection: str
    number: int
    cursor: str
    """Where the changes were left the last time; empty: read all."""
    open_findings: tuple[Finding, ...] = ()
    """What to look at again."""
