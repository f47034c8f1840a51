"""What a manifest may say. Meaning and examples: README.md."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.rest.auth_tables import Auth, Preflight, Table


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
    NONE = "none"
    """Neither a key nor a search: every order needs a person."""


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


class Rule(Table, frozen=True, kw_only=True):
    """What an answer means when ``when`` holds. The other values are expressions too."""

    when: str
    outcome: Meaning
    code: str | None = None
    message: str | None = None
    field: str | None = None
    retry_after: str | None = None


class Request(Table, frozen=True, kw_only=True):
    """What one request says, and how its answer is judged. Give at most one of ``body`` and ``form``."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] | list[Any] | str | None = None
    form: dict[str, str] | None = None
    rules: tuple[Rule, ...] = ()


class Before(Request, frozen=True, kw_only=True):
    """A request before the operation's own: a look-up, or a write that may be repeated. Its value is ``found.NAME``."""

    name: str
    value: str
    missing: str | None = None
    """What a person reads when the value is null; without it null is allowed."""
    foreach: str | None = None
    """A list: once for each ``item``; ``found.NAME`` is the list of the values then."""
    when: str | None = None
    cache_s: Annotated[float, Meta(ge=0)] = 0.0
    sample: Any = "1"
    """What the value may look like: later expressions are tried on it."""
    repeatable: bool = False
    """Required for what is no GET: sending it twice does no more than sending it once."""


class Check(Request, frozen=True, kw_only=True):
    """A look-up that tells whether a step is done: it is when ``value`` is not null."""

    value: str


class After(Request, frozen=True, kw_only=True):
    """A request after the record is there. It is skipped when it is done, so that half-done work can be taken up."""

    name: str
    done: str | None = None
    check: Check | None = None
    foreach: str | None = None
    record: str | None = None
    """Where the answer shows the record; without it the record is looked up again."""


class Pages(Table, frozen=True, kw_only=True):
    """How the next page of a list is asked for: ``next`` is null at the end. Name one of the places."""

    next: str
    parameter: str | None = None
    argument: str | None = None
    """A key of the JSON body."""
    header: str | None = None
    link: bool = False
    """``next`` is an address on the same host."""
    most: Annotated[int, Meta(ge=1, le=1000)] = 50


class Operation(Request, frozen=True, kw_only=True):
    """One request, and how its answer is read. ``record`` and ``items`` say where in the answer the result stands."""

    idempotency: Idempotency | None = None
    idempotency_header: str = "Idempotency-Key"
    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()
    record: str = "body"
    reread: bool = False
    """The answer does not show the record: look it up by key."""
    items: str | None = None
    pages: Pages | None = None
    cursor: str | None = None
    needs_record: bool = False
    """Look the record up first; its values are in ``record`` then."""


class Operations(Table, frozen=True, kw_only=True):
    """What the adapter can do with this API: what is not here is refused before anything is sent."""

    find_offers: Operation | None = None
    place_order: Operation | None = None
    request_service: Operation | None = None
    search_appointments: Operation | None = None
    book_appointment: Operation | None = None
    changes: Operation | None = None
    find_by_key: dict[RecordKind, Operation] = {}
    find_by_id: dict[RecordKind, Operation] = {}
    cancel: dict[RecordKind, Operation] = {}
    undo: dict[RecordKind, Operation] = {}
    """Removes a record that could not be finished, where cancelling is only for finished ones."""


class RecordFields(Table, frozen=True, kw_only=True):
    """Expressions over ``record``; ``statuses`` maps the CRM's own words.

    ``complete`` holds when all steps of placing are done: a look-up shows no other record, so that it is placed again
    under the same key, and finished. ``sample`` is such a record as the CRM shows it: the expressions are tried on it.
    """

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
    complete: str | None = None
    sample: Any = None


class OfferFields(Table, frozen=True, kw_only=True):
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


class SlotFields(Table, frozen=True, kw_only=True):
    """Expressions over ``item``."""

    starts_at: str
    ends_at: str
    resource: str
    reference: str


class ChangeFields(Table, frozen=True, kw_only=True):
    """``kind`` is an expression over ``record``; ``kinds`` maps the CRM's own words, others are passed over."""

    kind: str
    kinds: dict[str, RecordKind]


class SharedHeader(Table, frozen=True, kw_only=True, tag_field="kind", tag="header"):
    """The caller shows the connection's ``webhook_secret`` in a header."""

    header: str
    prefix: str = ""


class Signature(Table, frozen=True, kw_only=True, tag_field="kind", tag="hmac"):
    """The caller signs with the connection's ``webhook_secret``; ``signed`` sees headers, query, text and config."""

    header: str
    prefix: str = ""
    signed: str = "text"
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp: str | None = None
    """When it was sent, in seconds since 1970; older than ``tolerance_s`` is refused."""
    tolerance_s: Annotated[float, Meta(gt=0)] = 300.0


class Webhook(Table, frozen=True, kw_only=True):
    """What the CRM may tell by itself. It is a hint: the record is read again. Expressions see ``item``."""

    verify: SharedHeader | Signature
    events: str = "[body]"
    kind: str
    kinds: dict[str, RecordKind]
    key: str | None = None
    record_id: str | None = None
    challenge: str | None = None
    """What to answer a CRM that first asks whether somebody listens; null for every other message."""


class Need(Request, frozen=True, kw_only=True):
    """What the CRM must have before things order there: it has it when ``holds`` is true of the answer.

    ``about``, ``expected`` and ``remedy`` are texts for people, ``found`` an expression: what is there instead.
    ``each``: the same for several, as ``item``. ``prepare`` is the request that makes it, where the API can.
    """

    about: str
    holds: str
    expected: str
    remedy: str
    found: str | None = None
    each: tuple[dict[str, Any], ...] = ()
    prepare: Operation | None = None


class Manifest(Table, frozen=True, kw_only=True):
    """One API, described."""

    name: str
    title: str
    auth: Auth
    preflight: Preflight | None = None
    headers: dict[str, str] = {}
    settle_s: Annotated[float, Meta(ge=0)] = 150.0
    """How long after a lost answer an absent record proves nothing; longer than the CRM may work on a request.

    With 0 a refused order can leave a record behind: that of an earlier try, committed after the refusal.
    """
    variables: dict[str, str] = {}
    """Defaults of what the connection's table may set; an empty one must be set there."""
    tables: dict[str, dict[str, Any]] = {}
    operations: Operations
    records: dict[RecordKind, RecordFields]
    offers: OfferFields | None = None
    slots: SlotFields | None = None
    changes: ChangeFields | None = None
    webhook: Webhook | None = None
    needs: tuple[Need, ...] = ()
