"""Which things and owners CRMs know, read from the journal: implements ``actors.desk.introducing.Introductions``."""

from typing import Protocol

import msgspec

from actors.connection.core import Introduced
from actors.model.ids import OwnerId, ThingId
from actors.runtime.journal import JournalUnavailable


class Records(Protocol):
    """The part of a journal that is read."""

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        ...


class JournalledIntroductions:
    """The records of the kinds ``introduced`` and ``customer``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return the version of a thing that this connection's CRM knows; empty for none.

        Also while the disk cannot be read: to tell a thing twice does no harm.
        """
        return self._version("introduced", f"{connection}/{thing_id}")

    def customer_version(self, connection: str, owner_id: OwnerId) -> str:
        """Return the version of an owner that this connection's CRM knows; as for things."""
        return self._version("customer", f"{connection}/{owner_id}")

    def _version(self, kind: str, key: str) -> str:
        try:
            body = self._records.record(kind, key)
        except JournalUnavailable:
            return ""
        return "" if body is None else msgspec.json.decode(body, type=Introduced).version
