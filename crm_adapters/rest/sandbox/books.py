"""The shop's books: orders, tickets and visits, each under a number, and under a reference that the customer chose."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.model.money import Money
from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from actors.ports import Clock
from crm_adapters.rest.sandbox.forms import Refusal
from crm_adapters.rest.sandbox.visits import parse_slot
from crm_adapters.sandboxing import SandboxRecord, Tables, UnknownRecord
from crm_adapters.sandboxing.tables import Row

ORDER, TICKET, VISIT = "order", "ticket", "visit"
FIRST_STATUS: Final = {ORDER: "accepted", TICKET: "received", VISIT: "booked"}
_PREFIX: Final = {ORDER: "SO", TICKET: "TK", VISIT: "VS"}
_KINDS: Final = {ORDER: RecordKind.ORDER, TICKET: RecordKind.SERVICE, VISIT: RecordKind.APPOINTMENT}
_WORDS: Final[Mapping[str, Mapping[str, RecordStatus]]] = {
    ORDER: {
        "received": RecordStatus.OPEN,
        "accepted": RecordStatus.CONFIRMED,
        "shipped": RecordStatus.FULFILLED,
        "cancelled": RecordStatus.CANCELLED,
    },
    TICKET: {
        "received": RecordStatus.OPEN,
        "accepted": RecordStatus.CONFIRMED,
        "solved": RecordStatus.FULFILLED,
        "cancelled": RecordStatus.CANCELLED,
    },
    VISIT: {
        "booked": RecordStatus.CONFIRMED,
        "done": RecordStatus.FULFILLED,
        "cancelled": RecordStatus.CANCELLED,
    },
}
_FINAL = frozenset({RecordStatus.FULFILLED, RecordStatus.CANCELLED})
_PAGE = 200


class Books:
    """All records of the shop."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def create(self, kind: str, reference: str | None, content: Row) -> Row:
        """Enter a record and return it as the API shows it; its reference stays the first one's when it is not new."""
        with self._tables.transaction():
            number = self._tables.next_number(kind)
            row_id = f"{_PREFIX[kind]}-{1000 + number}"
            created = {
                "id": row_id,
                "type": kind,
                "number": str(100_000 + number),
                "reference": reference,
                "url": f"https://shop.example/{kind}s/{row_id}",
                "status": FIRST_STATUS[kind],
                "created_at": self._clock.now().isoformat(),
                **content,
            }
            if reference is not None and self._tables.get("reference", f"{kind}/{reference}") is None:
                self._tables.put("reference", f"{kind}/{reference}", {"id": row_id})
            return self._keep(created)

    def under(self, kind: str, reference: str) -> Row | None:
        """Return the record with this reference."""
        entry = self._tables.get("reference", f"{kind}/{reference}")
        return None if entry is None else self._tables.get("record", entry["id"])

    def by_id(self, row_id: str) -> Row | None:
        """Return the record with this id."""
        return self._tables.get("record", row_id)

    def all(self, kind: str | None = None) -> list[Row]:
        """Return the records, oldest first."""
        return [row for row in self._tables.all("record") if kind is None or row["type"] == kind]

    def changed_after(self, change: int) -> list[Row]:
        """Return the records that changed after this number of a change, in the order of their last change."""
        changed = [row for row in self._tables.all("record") if row["change"] > change]
        return sorted(changed, key=lambda row: int(row["change"]))[:_PAGE]

    def cancel(self, row: Row, reason: str) -> Row:
        """Cancel a record; a second time changes nothing.

        Raises:
            Refusal: it is fulfilled already.
        """
        if row["status"] == "cancelled":
            return row
        if status_of(row) is RecordStatus.FULFILLED:
            raise Refusal(409, "too_late", f"The {row['type']} is {row['status']} and cannot be cancelled.")
        with self._tables.transaction():
            for visit in self._visits_of(row):
                self._keep({**visit, "status": "cancelled", "cancel_reason": reason})
            return self._keep({**row, "status": "cancelled", "cancel_reason": reason})

    def _visits_of(self, row: Row) -> list[Row]:
        """Return the visits of a ticket that are not over: nobody drives for nothing."""
        visits = self.all(VISIT) if row["type"] == TICKET else []
        return [visit for visit in visits if visit["ticket"] == row["id"] and status_of(visit) not in _FINAL]

    def advance(self, row_id: str, status: RecordStatus) -> None:
        """Change the status as a person would.

        Raises:
            UnknownRecord: there is no such record.
            ValueError: the record is at its end, or records of its kind have no such status.
        """
        row = self.by_id(row_id)
        if row is None:
            raise UnknownRecord(row_id)
        words = [word for word, meaning in _WORDS[row["type"]].items() if meaning is status]
        if not words or status_of(row) in _FINAL:
            raise ValueError(f"{row['type']} {row_id} is {row['status']} and cannot become {status}")
        with self._tables.transaction():
            self._keep({**row, "status": words[0]})

    def remember_answer(self, idempotency_key: str, digest: str, row_id: str) -> None:
        """Keep what a request under this idempotency key made."""
        with self._tables.transaction():
            self._tables.put("idempotency", idempotency_key, {"digest": digest, "id": row_id})

    def remembered(self, idempotency_key: str) -> Row | None:
        """Return digest and id of the request that came under this idempotency key."""
        return self._tables.get("idempotency", idempotency_key)

    def _keep(self, row: Row) -> Row:
        kept = {**row, "updated_at": self._clock.now().isoformat(), "change": self._tables.next_number("change")}
        self._tables.put("record", row["id"], kept)
        return kept


def status_of(row: Row) -> RecordStatus:
    """Return what a record's status means."""
    return _WORDS[row["type"]][row["status"]]


def judged(rows: Sequence[Row]) -> list[SandboxRecord]:
    """Return records as the judge sees them."""
    return [_judged(row) for row in rows]


def _judged(row: Row) -> SandboxRecord:
    total = Money.of(row["total"], row["currency"]).minor if "total" in row else None
    machine: Mapping[str, Any] = row.get("machine", {})
    lines: Sequence[Mapping[str, Any]] = row.get("lines", ())
    return SandboxRecord(
        kind=_KINDS[row["type"]],
        record_id=row["id"],
        number=row["number"],
        key=row["reference"] or "",
        fingerprint=row["fingerprint"],
        owner=row.get("customer", ""),
        thing=machine.get("id", ""),
        status=status_of(row),
        status_text=row["status"],
        total_minor=total,
        currency=row.get("currency"),
        lines={line["sku"]: line["quantity"] for line in lines},
        scheduled_start=parse_slot(row["slot_id"]).starts_at if "slot_id" in row else None,
        raw=row,
    )
