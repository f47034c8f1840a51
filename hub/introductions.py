"""Which things CRMs know, read from the journal: implements ``actors.desk.introducing.Introductions``."""

from typing import Protocol

import msgspec

from actors.connection.core import IntroducedThing
from actors.model.ids import ThingId
from actors.runtime.journal import JournalUnavailable


class Records(Protocol):
    """The part of a journal that is read."""

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        ...


class JournalledIntroductions:
    """The records of the kind ``introduced``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return the version of a thing that this connection's CRM knows; empty for none.

        Also while the disk cannot be read: to tell a thing twice does no harm.
        """
        try:
            body = self._records.record("introduced", f"{connection}/{thing_id}")
        except JournalUnavailable:
            return ""
        return "" if body is None else msgspec.json.decode(body, type=IntroducedThing).version
