"""What a vendor's sandbox implements, and the judge's view of its records."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from actors.ports import Clock
from crm_adapters.sandboxing.catalog import DEFAULT_CATALOG, CatalogItem


class UnknownRecord(LookupError):
    """The sandbox holds no record with this id."""


class SandboxRecord(Struct, frozen=True, kw_only=True):
    """One record as the sandbox's own tables hold it, computed at the moment of asking: the judge's view."""

    kind: RecordKind
    record_id: str
    number: str = ""
    key: str = ""
    fingerprint: str = ""
    owner: str = ""
    thing: str = ""
    status: RecordStatus
    status_text: str = ""
    total_minor: int | None = None
    currency: str | None = None
    lines: Mapping[str, int] = {}
    scheduled_start: datetime | None = None
    raw: Mapping[str, Any] = {}


class Sandbox(Protocol):
    """A local server that speaks one vendor's wire. Handlers commit to their tables before they answer."""

    @property
    def name(self) -> str:
        """The vendor's name, as in the entry point."""
        ...

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the vendor's routes."""
        ...

    def records(self) -> Sequence[SandboxRecord]:
        """Return all orders, service requests and appointments, in the order they were made."""
        ...

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change a record's status as a person in the CRM would.

        Raises:
            UnknownRecord: there is no such record.
            ValueError: the vendor does not allow this step; the text says why.
        """
        ...

    def expire_tokens(self) -> None:
        """Forget every access token that was given out."""
        ...

    def close(self) -> None:
        """Close files. Nothing else is called afterwards."""
        ...


class RequestLimit(Struct, frozen=True, kw_only=True):
    """At most ``requests`` in any ``window_s`` seconds."""

    requests: int
    window_s: float


class SandboxOptions(Struct, frozen=True, kw_only=True):
    """What a sandbox starts with. ``accounts`` are the owner ids it knows as customers; empty: it knows everybody.

    ``credentials`` overrides the development credentials of the spec, name by name. ``data_file`` is a SQLite file that
    holds the tables, so that a sandbox started again still knows its records.
    """

    clock: Clock
    catalog: tuple[CatalogItem, ...] = DEFAULT_CATALOG
    accounts: tuple[str, ...] = ()
    data_file: Path | None = None
    credentials: Mapping[str, str] = {}
    token_life_s: float = 7200.0
    limit: RequestLimit | None = None
    """Beside the vendor's own limits: what exceeds it is counted, and refused with 429."""
    lacks: tuple[str, ...] = ()
    """Fields, keys and rights that are missing, in the vendor's words, so that set-up help has something to find."""


class SandboxSpec(Struct, frozen=True, kw_only=True):
    """How a sandbox enters: an entry point of the group ``iot2crm.sandboxes`` names one of these.

    ``credentials`` are the defaults for development; they protect nothing and may be printed.
    """

    name: str
    title: str
    build: Callable[[SandboxOptions], Sandbox]
    credentials: Mapping[str, str] = {}

    def opened(self, options: SandboxOptions) -> Sandbox:
        """Return a sandbox with these options; credentials that they leave out are the development ones."""
        return self.build(replace(options, credentials={**self.credentials, **options.credentials}))
