"""A manifest as the adapter runs it: every expression compiled, nothing left to be parsed."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from actors.model.orders import RecordKind
from crm_adapters.rest.doors import Door
from crm_adapters.rest.expressions import Expression
from crm_adapters.rest.manifest import Idempotency, Manifest, Meaning, Pages
from crm_adapters.rest.templates import Context, Render

PLACING = {
    "place_order": RecordKind.ORDER,
    "request_service": RecordKind.SERVICE,
    "book_appointment": RecordKind.APPOINTMENT,
}
"""The operations that make records, and of which kind."""


class CompiledRule(Struct, frozen=True, kw_only=True):
    """A rule, ready to be asked."""

    when: Expression
    outcome: Meaning
    code: Expression | None
    message: Expression | None
    field: Expression | None
    retry_after: Expression | None


class CompiledRequest(Struct, frozen=True, kw_only=True):
    """A request, ready to be rendered and its answer to be judged."""

    method: str
    path: Render
    query: Callable[[Context], list[tuple[str, str]]]
    headers: Mapping[str, Render]
    body: Render | None
    form: Mapping[str, Render] | None
    rules: tuple[CompiledRule, ...]
    idempotency: Idempotency | None = None


class CompiledBefore(Struct, frozen=True, kw_only=True):
    """What is looked up or prepared before the operation's own request."""

    name: str
    request: CompiledRequest
    value: Expression
    missing: Render | None
    foreach: Expression | None
    when: Expression | None
    cache_s: float
    sample: Any


class CompiledAfter(Struct, frozen=True, kw_only=True):
    """What is done to the record once it is there."""

    name: str
    request: CompiledRequest
    done: Expression | None
    check: CompiledRequest | None
    check_value: Expression | None
    foreach: Expression | None
    record: Expression | None


class CompiledPages(Struct, frozen=True, kw_only=True):
    """How the next page is asked for."""

    declared: Pages
    following: Expression


class CompiledOperation(Struct, frozen=True, kw_only=True):
    """An operation, ready to be run."""

    name: str
    request: CompiledRequest
    idempotency: Idempotency | None
    before: tuple[CompiledBefore, ...]
    after: tuple[CompiledAfter, ...]
    record: Expression
    reread: bool
    items: Expression | None
    pages: CompiledPages | None
    cursor: Expression | None
    needs_record: bool


class CompiledFields(Struct, frozen=True, kw_only=True):
    """The expressions of a record, an offer, a time or a change, by the name of the field they fill."""

    expressions: Mapping[str, Expression]
    references: Mapping[str, Expression] = {}

    def value(self, name: str, context: Context) -> Any:
        """Return the value of a field; None where the manifest says nothing about it."""
        expression = self.expressions.get(name)
        return None if expression is None else expression.value(context)


class CompiledHook(Struct, frozen=True, kw_only=True):
    """What a webhook tells, ready to be read."""

    events: Expression
    kind: Expression
    key: Expression | None
    record_id: Expression | None
    signed: Expression | None
    timestamp: Expression | None
    challenge: Expression | None = None


class CompiledNeed(Struct, frozen=True, kw_only=True):
    """What the CRM must have, ready to be looked for and to be made."""

    about: Render
    request: CompiledRequest
    holds: Expression
    found: Expression | None
    expected: Render
    remedy: Render
    items: tuple[Any, ...]
    prepare: CompiledOperation | None


class Program(Struct, frozen=True, kw_only=True):
    """All of a manifest that an adapter needs at run time."""

    manifest: Manifest
    variables: Mapping[str, str]
    operations: Mapping[str, CompiledOperation]
    finds: Mapping[RecordKind, CompiledOperation]
    finds_by_id: Mapping[RecordKind, CompiledOperation]
    cancels: Mapping[RecordKind, CompiledOperation]
    undoes: Mapping[RecordKind, CompiledOperation]
    records: Mapping[RecordKind, CompiledFields]
    offers: CompiledFields
    slots: CompiledFields
    changes: CompiledFields
    hook: CompiledHook | None
    needs: tuple[CompiledNeed, ...]
    door: Door
