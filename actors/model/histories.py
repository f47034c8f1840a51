"""What happened to a thing, as it is shared for training: bounded, in running hours, without a serial number."""

from typing import Annotated

from msgspec import Meta

from actors.model.base import Value
from actors.model.ids import OwnerId

MOST_TIMES = 64
"""So many of the latest times of each kind of event are kept."""

Hours = Annotated[tuple[float, ...], Meta(max_length=10_000)]


class EventHistory(Value, frozen=True, kw_only=True):
    """The record of the kind ``event_history``, given with its owner's consent to train on it.

    Times ascend, from ``since_h`` to ``until_h``: in that span every event and failure is told.
    """

    history_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    owner_id: OwnerId
    kind: str
    """The model of the thing."""
    age_years: float = 0.0
    since_h: float
    until_h: float
    events: dict[str, Hours] = {}
    replaced: dict[str, Hours] = {}
    failed: dict[str, Hours] = {}
