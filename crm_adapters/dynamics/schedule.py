"""Technicians' time: what is free, and whether a slot still is."""

from collections.abc import Iterable
from datetime import datetime

from actors.model.ids import OrderKey
from actors.model.orders import AppointmentQuery, TimeSlot
from actors.model.outcomes import Failure, Permanent, TimeSlots, TimeSlotsOutcome
from crm_adapters.dynamics.addresses import with_options
from crm_adapters.dynamics.client import DataverseClient, Row, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.mapping import written_time
from crm_adapters.dynamics.records import BOOKING_CANCELED, BOOKING_COMPLETED, BOOKINGS
from crm_adapters.dynamics.slots import Busy, free_slots


class Schedule:
    """Reads bookable resources and their bookings."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config

    async def search(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times inside the query's span."""
        path = with_options("bookableresources", select="name", filter=self._config.resource_filter)
        rows = await self._client.read_all(path)
        if not isinstance(rows, list):
            return rows
        busy = await self._busy(query.not_before, query.not_after)
        if not isinstance(busy, list):
            return busy
        return understood(lambda: TimeSlots(slots=self._free(query, rows, busy)))

    async def bookings_of(self, work_order_id: str) -> list[str] | Failure:
        """Return the ids of a work order's bookings that are neither canceled nor done."""
        status = self._config.navigation.booking_status
        wanted = (
            f"_msdyn_workorder_value eq {work_order_id} and {status}/status ne {BOOKING_CANCELED}"
            f" and {status}/msdyn_fieldservicestatus ne {BOOKING_COMPLETED}"
        )
        path = with_options(BOOKINGS.entity_set, select=BOOKINGS.id_column, filter=wanted)
        rows = await self._client.read_all(path)
        return [str(row[BOOKINGS.id_column]) for row in rows] if isinstance(rows, list) else rows

    async def refusal(self, slot: TimeSlot, key: OrderKey) -> Failure | None:
        """Return why a slot cannot be booked: somebody else has it. The platform itself would book it twice."""
        rows = await self._booked(slot.starts_at, slot.ends_at)
        if not isinstance(rows, list):
            return rows
        others = [row for row in rows if row.get(self._config.columns.key) != key]
        if any(row.get("_resource_value") == slot.reference for row in others):
            return Permanent(code="slot_taken", message=f"{slot.resource} is booked at that time", field="slot")
        return None

    def _free(self, query: AppointmentQuery, rows: Iterable[Row], busy: list[Busy]) -> tuple[TimeSlot, ...]:
        resources = {str(row["bookableresourceid"]): str(row["name"]) for row in rows}
        return free_slots(query, resources, busy, self._config.working_hours, self._config.largest_answer)

    async def _busy(self, begin: datetime, end: datetime) -> list[Busy] | Failure:
        rows = await self._booked(begin, end)
        return understood(lambda: [_span(row) for row in rows]) if isinstance(rows, list) else rows

    async def _booked(self, begin: datetime, end: datetime) -> list[Row] | Failure:
        status = self._config.navigation.booking_status
        wanted = (
            f"starttime lt {written_time(end)} and endtime gt {written_time(begin)}"
            f" and {status}/status ne {BOOKING_CANCELED}"
        )
        columns = f"starttime,endtime,_resource_value,{self._config.columns.key}"
        return await self._client.read_all(with_options("bookableresourcebookings", select=columns, filter=wanted))


def _span(row: Row) -> Busy:
    return Busy(
        resource_id=str(row["_resource_value"]),
        starts_at=datetime.fromisoformat(str(row["starttime"])),
        ends_at=datetime.fromisoformat(str(row["endtime"])),
    )
