"""Free times of technicians: working hours in their own time zone, less appointments and absences."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from actors.model.orders import AppointmentQuery, TimeSlot
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.records import parse_moment
from crm_adapters.salesforce.soql import moment, select, text, texts

Row = Mapping[str, Any]
MOST_TIMES: Final = 50
OVER: Final = ("Canceled", "Cannot Complete")
"""Appointment statuses that keep nobody busy."""
_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Span(Struct, frozen=True, kw_only=True):
    """From when to when, in UTC."""

    start: datetime
    end: datetime


class Technician(Struct, frozen=True, kw_only=True):
    """One who can be sent, with the spans of the search in which they work and in which they are taken."""

    resource_id: str
    name: str
    works: tuple[Span, ...]
    taken: tuple[Span, ...]


def crew_queries(query: AppointmentQuery, config: SalesforceConfig) -> tuple[str, str, str, str]:
    """Return the queries for technicians, working hours, appointments and absences of the span."""
    start, end = moment(query.not_before), moment(query.not_after)
    territory = f"ServiceTerritoryId = {text(config.service_territory)}" if config.service_territory else ""
    members = ("ServiceResourceId", "ServiceResource.Name", "OperatingHoursId")
    hours = ("OperatingHoursId", "OperatingHours.TimeZone", "DayOfWeek", "StartTime", "EndTime")
    return (
        select(members, "ServiceTerritoryMember", ("ServiceResource.IsActive = true", territory), "ServiceResourceId"),
        select(hours, "TimeSlot", (), "Id"),
        taken_query(start, end),
        select(("ResourceId", "Start", "End"), "ResourceAbsence", (f"Start < {end}", f"End > {start}")),
    )


def taken_query(start: str, end: str, resource_id: str = "", key_field: str = "") -> str:
    """Return the query for assignments, of one technician or all, that overlap a span."""
    appointment = "ServiceAppointment"
    fields = ("ServiceResourceId", f"{appointment}.SchedStartTime", f"{appointment}.SchedEndTime")
    key = f"{appointment}.{key_field}" if key_field else ""
    conditions = (
        f"ServiceResourceId = {text(resource_id)}" if resource_id else "",
        f"{appointment}.SchedStartTime < {end}",
        f"{appointment}.SchedEndTime > {start}",
        f"{appointment}.Status NOT IN {texts(OVER)}",
    )
    return select((*fields, key), "AssignedResource", conditions)


def crew(results: tuple[list[Row], ...], query: AppointmentQuery) -> list[Technician]:
    """Return the technicians with their working and taken spans, from the rows of ``crew_queries``.

    Raises:
        KeyError: a row lacks a field, or a time zone is not known.
        ValueError: a field holds what it cannot hold.
    """
    members, hours, assigned, absences = results
    taken = _taken(assigned, absences)
    works: dict[str, list[Span]] = {}
    names: dict[str, str] = {}
    for member in members:
        resource = str(member["ServiceResourceId"])
        names[resource] = str(member["ServiceResource"]["Name"])
        own = [row for row in hours if row["OperatingHoursId"] == member["OperatingHoursId"]]
        works.setdefault(resource, []).extend(_working_spans(own, query))
    return [
        Technician(resource_id=one, name=name, works=tuple(works[one]), taken=tuple(taken.get(one, ())))
        for one, name in names.items()
    ]


def free_times(technicians: Iterable[Technician], query: AppointmentQuery, step: timedelta) -> tuple[TimeSlot, ...]:
    """Return the earliest free times of the wanted length, begun on a grid of ``step`` from the start of each shift."""
    length = timedelta(minutes=query.duration_minutes)
    found = {
        (start, technician.name, technician.resource_id)
        for technician in technicians
        for shift in technician.works
        for start in _starts(shift, query, length, step)
        if not any(taken.start < start + length and start < taken.end for taken in technician.taken)
    }
    return tuple(
        TimeSlot(starts_at=start, ends_at=start + length, resource=name, reference=reference)
        for start, name, reference in sorted(found)[:MOST_TIMES]
    )


def _starts(shift: Span, query: AppointmentQuery, length: timedelta, step: timedelta) -> list[datetime]:
    first = max(shift.start, shift.start - (shift.start - query.not_before) // step * step)
    last = min(shift.end, query.not_after) - length
    count = (last - first) // step + 1
    return [first + number * step for number in range(count)]


def _taken(assigned: list[Row], absences: list[Row]) -> dict[str, list[Span]]:
    taken: dict[str, list[Span]] = {}
    for row in assigned:
        appointment: Row = row["ServiceAppointment"]
        span = _span(appointment["SchedStartTime"], appointment["SchedEndTime"])
        taken.setdefault(str(row["ServiceResourceId"]), []).append(span)
    for row in absences:
        taken.setdefault(str(row["ResourceId"]), []).append(_span(row["Start"], row["End"]))
    return taken


def _span(start: Any, end: Any) -> Span:
    return Span(start=parse_moment(str(start)), end=parse_moment(str(end)))


def _working_spans(hours: list[Row], query: AppointmentQuery) -> list[Span]:
    spans: list[Span] = []
    day = query.not_before.date() - timedelta(days=1)  # the technician's day may begin in yesterday's UTC
    while day <= query.not_after.date() + timedelta(days=1):
        spans += [_shift(row, day) for row in hours if row["DayOfWeek"] == _WEEK[day.weekday()]]
        day += timedelta(days=1)
    return spans


def _shift(row: Row, day: date) -> Span:
    zone = ZoneInfo(str(row["OperatingHours"]["TimeZone"]))
    start, end = _time(row["StartTime"]), _time(row["EndTime"])
    last_day = day if end > start else day + timedelta(days=1)
    begins, ends = datetime.combine(day, start, zone), datetime.combine(last_day, end, zone)
    return Span(start=begins.astimezone(UTC), end=ends.astimezone(UTC))


def _time(written: Any) -> time:
    return time.fromisoformat(str(written).removesuffix("Z"))
