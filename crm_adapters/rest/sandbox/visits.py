"""The shop's technicians: when they are free, on weekdays between 8 and 16 o'clock UTC."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from crm_adapters.rest.sandbox.forms import refuse_field

_TECHNICIANS = ("Kim", "Noa")
_OPENS, _CLOSES = 8, 16
_MOST = 40


class Slot(Struct, frozen=True, kw_only=True):
    """A span of one technician's time."""

    slot_id: str
    technician: str
    starts_at: datetime
    ends_at: datetime

    def overlaps(self, other: "Slot") -> bool:
        """Say whether one technician cannot do both."""
        return self.technician == other.technician and self.starts_at < other.ends_at and other.starts_at < self.ends_at


def free_slots(begin: datetime, end: datetime, minutes: int, taken: AbstractSet[str]) -> list[Slot]:
    """Return free times within the span, earliest first; ``taken`` are the ids of those that are booked."""
    booked = [parse_slot(slot_id) for slot_id in taken]
    free: list[Slot] = []
    for slot in _grid(begin, end, minutes):
        if not any(slot.overlaps(other) for other in booked):
            free.append(slot)
        if len(free) == _MOST:
            break
    return free


def parse_slot(slot_id: str) -> Slot:
    """Return the time that an id names.

    Raises:
        Refusal: it names none.
    """
    try:
        technician, start, minutes = slot_id.split("~")
        starts_at = datetime.strptime(start, "%Y%m%dT%H%M").replace(tzinfo=UTC)
        return _slot(technician, starts_at, int(minutes))
    except ValueError as error:
        raise refuse_field("slot_id", f"{slot_id!r} is no free time") from error


def _grid(begin: datetime, end: datetime, minutes: int) -> Iterator[Slot]:
    length = timedelta(minutes=minutes)
    day = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        start, closing = day + timedelta(hours=_OPENS), day + timedelta(hours=_CLOSES)
        while day.weekday() < 5 and start + length <= min(closing, end):
            if start >= begin:
                yield from (_slot(technician, start, minutes) for technician in _TECHNICIANS)
            start += length
        day += timedelta(days=1)


def _slot(technician: str, starts_at: datetime, minutes: int) -> Slot:
    return Slot(
        slot_id=f"{technician}~{starts_at:%Y%m%dT%H%M}~{minutes}",
        technician=technician,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
    )
