"""What connections used of their day, read from the journal: implements ``actors.desk.using.Uses``."""

from collections.abc import Sequence

import msgspec

from actors.connection.core import UsedDay
from actors.dialogue import Use
from actors.runtime.journal import JournalUnavailable
from hub.introductions import Records


class JournalledUse:
    """The records of the kind ``crm_use``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def of(self, connection: str) -> Sequence[Use]:
        """Return what this connection used lately, oldest first; nothing while the disk cannot be read."""
        try:
            body = self._records.record("crm_use", connection)
        except JournalUnavailable:
            return ()
        return () if body is None else msgspec.json.decode(body, type=UsedDay).used
