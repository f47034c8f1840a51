"""What a manifest may say, and reading one. Meaning and examples: README.md."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from actors.model.errors import ConfigError
from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.oauth import ClientAuth

SHIPPED = Path(__file__).with_name("manifests")


class Idempotency(StrEnum):
    """How placing twice is kept from making two records."""

    KEYED_PUT = "keyed_put"
    """PUT under our key; a second one changes nothing new."""
    CREATE_ONLY = "create_only"
    """PUT or POST under our key that the CRM refuses when the record exists."""
    IDEMPOTENCY_KEY = "idempotency_key"
    """The CRM remembers the header ``idempotency_header`` and answers a second request as the first."""
    SEARCH_FIRST = "search_first"
    """The CRM has no unique key: look up by key, create only when absent."""


class Meaning(StrEnum):
    """What an answer means, as a rule may say."""

    SUCCESS = "success"
    DUPLICATE = "duplicate"
    ABSENT = "absent"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    CONFLICT = "conflict"
    AMBIGUOUS = "ambiguous"
    PERMANENT = "permanent"
    AUTH_FAILED = "auth_failed"


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a manifest."""


class NoAuth(_Table, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """The API asks for no credentials."""


class BasicAuth(_Table, frozen=True, kw_only=True, tag_field="kind", tag="basic"):
    """HTTP Basic with the connection's ``username`` and ``password``."""


class HeaderAuth(_Table, frozen=True, kw_only=True, tag_field="kind", tag="header"):
    """The connection's ``api_key`` in a header, after ``prefix``."""

    header: str = "Authorization"
    prefix: str = ""


class OAuth2(_Table, frozen=True, kw_only=True, tag_field="kind", tag="oauth2"):
    """Client credentials with the connection's ``client_id`` and ``client_secret``; ``token_url`` may be a path."""

    token_url: str
    scope: str = ""
    client_auth: ClientAuth = ClientAuth.BASIC
    extra: dict[str, str] = {}


class Rule(_Table, frozen=True, kw_only=True):
    """What an answer means when ``when`` holds. The other values are expressions too."""

    when: str
    outcome: Meaning
    code: str | None = None
    message: str | None = None
    field: str | None = None
    retry_after: str | None = None


class Operation(_Table, frozen=True, kw_only=True):
    """One request, and how its answer is read. ``record`` and ``items`` say where in the answer the result stands."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] | None = None
    idempotency: Idempotency | None = None
    idempotency_header: str = "Idempotency-Key"
    rules: tuple[Rule, ...] = ()
    record: str = "body"
    items: str | None = None
    cursor: str | None = None
    needs_record: bool = False
    """Look the record up first; its values are in ``record`` then."""


class Operations(_Table, frozen=True, kw_only=True):
    """What the adapter can do with this API: what is not here is refused before anything is sent."""

    find_offers: Operation | None = None
    place_order: Operation | None = None
    request_service: Operation | None = None
    search_appointments: Operation | None = None
    book_appointment: Operation | None = None
    changes: Operation | None = None
    find_by_key: dict[RecordKind, Operation] = {}
    cancel: dict[RecordKind, Operation] = {}


class RecordFields(_Table, frozen=True, kw_only=True):
    """Expressions over ``record``; ``statuses`` maps the CRM's own words."""

    record_id: str
    key: str
    status: str
    statuses: dict[str, RecordStatus]
    number: str | None = None
    fingerprint: str | None = None
    total_minor: str | None = None
    currency: str | None = None
    url: str | None = None
    changed_at: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    resource: str | None = None
    reference: str | None = None


class OfferFields(_Table, frozen=True, kw_only=True):
    """Expressions over ``item``. Amounts are whole minor units of the query's currency."""

    offer_id: str
    sku: str
    title: str
    currency: str
    quantity: str = "in.quantity"
    unit_price: str
    goods: str
    shipping: str
    tax: str
    landed: str
    seller: str | None = None
    discounts: str | None = None
    """A list of objects with ``title`` and ``minor``."""
    refused_coupons: str | None = None
    """A list of objects with ``code`` and ``reason``."""
    delivery_days: str | None = None
    expires_at: str | None = None
    references: dict[str, str] = {}


class SlotFields(_Table, frozen=True, kw_only=True):
    """Expressions over ``item``."""

    starts_at: str
    ends_at: str
    resource: str
    reference: str


class ChangeFields(_Table, frozen=True, kw_only=True):
    """``kind`` is an expression over ``record``; ``kinds`` maps the CRM's own words, others are passed over."""

    kind: str
    kinds: dict[str, RecordKind]


class Manifest(_Table, frozen=True, kw_only=True):
    """One API, described."""

    name: str
    title: str
    auth: NoAuth | BasicAuth | HeaderAuth | OAuth2
    headers: dict[str, str] = {}
    settle_s: Annotated[float, Meta(ge=0)] = 0.0
    tables: dict[str, dict[str, Any]] = {}
    operations: Operations
    records: dict[RecordKind, RecordFields]
    offers: OfferFields | None = None
    slots: SlotFields | None = None
    changes: ChangeFields | None = None


def read_manifest(name: str) -> tuple[Path, Manifest]:
    """Return the manifest shipped under this name, or the one in the file of this name.

    Raises:
        ConfigError: there is none, or it says what no manifest may say; the text names file, table and key.
    """
    file = _file_of(name)
    try:
        return file, msgspec.convert(tomllib.loads(file.read_text("utf-8")), Manifest)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"manifest {file}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"manifest {file}: is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"manifest {file}: {_placed(str(error))}") from error


def shipped_names() -> list[str]:
    """Return the names of the shipped manifests."""
    return sorted(file.stem for file in SHIPPED.glob("*.toml"))


def _file_of(name: str) -> Path:
    file = Path(name)
    if file.suffix == ".toml":
        return file
    if name not in shipped_names():
        expected = ", ".join(shipped_names())
        raise ConfigError(f"manifest {name!r}: expected one of {expected}, or the path of a .toml file")
    return SHIPPED / f"{name}.toml"


def _placed(message: str) -> str:
    """Return msgspec's message with the table in front, as the operator wrote it."""
    text, _, place = message.partition(" - at `$")
    table = place.rstrip("`").removeprefix(".")
    return f"[{table}]: {text}" if table else text
