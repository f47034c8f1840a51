"""What reconciliation found: a difference between a hub's orders and a CRM's records, for a person to clear up."""

from enum import StrEnum

from actors.model.base import Instant, Value
from actors.model.ids import OrderKey, OwnerId
from actors.model.orders import RecordKind


class FindingCode(StrEnum):
    """What differs."""

    RECORD_UNKNOWN = "record_unknown"
    """A record carries a key that no order of this hub has."""
    RECORD_NOT_TAKEN = "record_not_taken"
    """A record stands whose order does not count on it: it was never placed for all the hub knows, or it ended."""
    RECORD_DOUBLE = "record_double"
    """A second record stands under the key of an order."""
    RECORD_ELSEWHERE = "record_elsewhere"
    """A record stands here whose order was placed at another connection."""
    RECORD_GONE = "record_gone"
    """An order counts on a record that is not there."""
    FINGERPRINT_DIFFERS = "fingerprint_differs"
    """A record has the key of an order and another content."""
    TOTAL_DIFFERS = "total_differs"
    """A record costs something else than was ordered."""
    NOT_READABLE = "not_readable"
    """The CRM refuses to show the record of an order."""


class Finding(Value, frozen=True, kw_only=True):
    """One difference. It is closed by itself once a later reconciliation does not find it any more."""

    finding_id: str
    connection: str
    code: FindingCode
    kind: RecordKind
    key: OrderKey
    record_id: str = ""
    order: OrderKey | None = None
    """The order that it is about, where there is one."""
    owner_id: OwnerId = OwnerId("")
    sentence: str
    next_step: str
    found_at: Instant | None = None
    """When it was found first."""


class Reconciliation(Value, frozen=True, kw_only=True):
    """How the last comparison of a connection went."""

    connection: str
    number: int
    by: str
    is_full: bool
    """All records of the CRM were read, not only what changed since the last time."""
    started_at: Instant
    finished_at: Instant | None = None
    failure: str = ""
    """Why it could not be finished."""
    orders: int = 0
    """Orders that were looked up."""
    records: int = 0
    """Records that the CRM told of."""
    findings: int = 0
    """Differences that are open now."""
