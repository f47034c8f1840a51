"""Free times: working hours of the technicians minus what they are booked for."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from actors.model.orders import AppointmentQuery, TimeSlot
from crm_adapters.dynamics.config import WorkingHours


class Busy(Struct, frozen=True, kw_only=True):
    """A span in which a resource is booked."""

    resource_id: str
    starts_at: datetime
    ends_at: datetime


def free_slots(
    query: AppointmentQuery,
    resources: Mapping[str, str],
    busy: Iterable[Busy],
    hours: WorkingHours,
    largest: int,
) -> tuple[TimeSlot, ...]:
    """Return at most ``largest`` free times inside the query's span, earliest first; ``resources`` are names by id."""
    taken = list(busy)
    found: list[TimeSlot] = []
    for start in _starts(query, hours):
        end = start + timedelta(minutes=query.duration_minutes)
        for resource_id, name in sorted(resources.items(), key=lambda entry: (entry[1], entry[0])):
            if not any(span.resource_id == resource_id and _overlap(span, start, end) for span in taken):
                found.append(TimeSlot(starts_at=start, ends_at=end, resource=name, reference=resource_id))
        if len(found) >= largest:
            break
    return tuple(found[:largest])


def _starts(query: AppointmentQuery, hours: WorkingHours) -> Iterator[datetime]:
    """Yield the steps at which work could begin and still end inside the working day and the query's span."""
    zone = ZoneInfo(hours.time_zone)
    length = timedelta(minutes=query.duration_minutes)
    day = query.not_before.astimezone(zone).date()
    last = query.not_after.astimezone(zone).date()
    while day <= last:
        if day.isoweekday() in hours.days:
            opens = _utc(datetime.combine(day, time(hours.from_hour), zone), query)
            closes = _utc(datetime.combine(day, time(), zone) + timedelta(hours=hours.to_hour), query)
            start = opens
            while start + length <= closes:
                if query.not_before <= start and start + length <= query.not_after:
                    yield start
                start += timedelta(minutes=hours.step_minutes)
        day += timedelta(days=1)


def _utc(moment: datetime, query: AppointmentQuery) -> datetime:
    return moment.astimezone(query.not_before.tzinfo)


def _overlap(span: Busy, start: datetime, end: datetime) -> bool:
    return span.starts_at < end and start < span.ends_at
