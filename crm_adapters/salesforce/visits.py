"""Appointments: searched, booked, moved, and cancelled with their technician's time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from actors.model.orders import AppointmentBooking, AppointmentMove, AppointmentQuery, RecordKind, TimeSlot
from actors.model.outcomes import (
    CrmRecord,
    Failure,
    FindOutcome,
    Found,
    Permanent,
    PlaceOutcome,
    RecordStatus,
    TimeSlots,
    TimeSlotsOutcome,
)
from crm_adapters.salesforce import mapping
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.free_times import OVER, crew, crew_queries, free_times, taken_query
from crm_adapters.salesforce.mapping import Part
from crm_adapters.salesforce.register import UNREADABLE, Register, unreadable
from crm_adapters.salesforce.soql import moment, select, text, texts
from crm_adapters.salesforce.wire import Row, Wire

_DONE = ("Completed",)


class Visits:
    """The appointments of one organisation."""

    def __init__(self, wire: Wire, config: SalesforceConfig, register: Register) -> None:
        self._wire = wire
        self._config = config
        self._register = register

    async def search(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times of the technicians: working hours less appointments and absences."""
        results = await self._wire.queries(*crew_queries(query, self._config))
        if not isinstance(results, tuple):
            return results
        try:
            technicians = crew(results, query)
        except UNREADABLE as error:
            return Permanent(code="UNREADABLE_CREW", message=unreadable("technicians or working hours", error))
        step = timedelta(minutes=self._config.slot_step_minutes)
        return TimeSlots(slots=free_times(technicians, query, step))

    async def book(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Create the appointment and assign the technician, unless somebody else took the time."""
        keys = await self._keys_at(booking.slot)
        if not isinstance(keys, set):
            return keys
        if keys and booking.key not in keys:
            return _taken(booking.slot)
        answer = await self._wire.composite(mapping.booking_parts(booking, self._config), writes=True)
        return await self._register.placed(booking.key, RecordKind.APPOINTMENT, answer)

    async def move(self, move: AppointmentMove) -> FindOutcome:
        """Change the time, and the technician where it is another one, in one transaction."""
        found = await self._register.find(move.key, RecordKind.APPOINTMENT)
        if not isinstance(found, Found):
            return found
        refusal = _over(found.record) or await self._refusal_of(move)
        if refusal is not None:
            return refusal
        assigned = await self._assigned(found.record.record_id)
        if not isinstance(assigned, list):
            return assigned
        failure = await self._wire.change(mapping.move_parts(found.record.record_id, assigned, move))
        return failure or await self._register.find(move.key, RecordKind.APPOINTMENT)

    async def cancellations(self, work_order_id: str, reason: str) -> tuple[Part, ...] | Failure:
        """Return the requests that cancel the appointments of a work order which are not over."""
        still = f"Status NOT IN {texts((*OVER, *_DONE))}"
        rows = await self._wire.query(
            select(("Id",), "ServiceAppointment", (f"ParentRecordId = {text(work_order_id)}", still), "Id")
        )
        if not isinstance(rows, list):
            return rows
        body = mapping.cancellation(RecordKind.APPOINTMENT, reason, self._config)
        return tuple(
            Part(reference=f"visit{number}", method="PATCH", path=_path(str(row["Id"])), body=body)
            for number, row in enumerate(rows)
        )

    async def _refusal_of(self, move: AppointmentMove) -> Failure | None:
        keys = await self._keys_at(move.slot)
        if not isinstance(keys, set):
            return keys
        return _taken(move.slot) if keys - {move.key} else None

    async def _assigned(self, appointment_id: str) -> list[str] | Failure:
        condition = f"ServiceAppointmentId = {text(appointment_id)}"
        rows = await self._wire.query(select(("Id",), "AssignedResource", (condition,), "Id"))
        return [str(row["Id"]) for row in rows] if isinstance(rows, list) else rows

    async def _keys_at(self, slot: TimeSlot) -> set[str] | Failure:
        """Return the keys of the technician's appointments at that time, "" for those of others."""
        field = self._config.fields.key
        rows = await self._wire.query(taken_query(moment(slot.starts_at), moment(slot.ends_at), slot.reference, field))
        return {_appointment_key(row, field) for row in rows} if isinstance(rows, list) else rows


def _taken(slot: TimeSlot) -> Permanent:
    said = f"{slot.resource} is no longer free at {slot.starts_at.isoformat()}"
    return Permanent(code="TIME_TAKEN", message=said, field="SchedStartTime")


def _over(record: CrmRecord) -> Permanent | None:
    if record.status not in {RecordStatus.CANCELLED, RecordStatus.FULFILLED}:
        return None
    said = f"{record.number} is {record.status_text}: it can be booked anew, not moved"
    return Permanent(code="ALREADY_OVER", message=said, field="Status")


def _path(appointment_id: str) -> str:
    return f"/sobjects/ServiceAppointment/{quote(appointment_id, safe='')}"


def _appointment_key(row: Row, field: str) -> str:
    appointment: Mapping[str, Any] = row["ServiceAppointment"] or {}
    return str(appointment.get(field) or "")
