"""A manifest, compiled: every expression checked and tried on sample input, all problems told at once."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.orders import RecordKind
from crm_adapters.rest import samples, templates
from crm_adapters.rest.expressions import Expression, ExpressionError
from crm_adapters.rest.manifest import (
    ChangeFields,
    Idempotency,
    Manifest,
    Meaning,
    OfferFields,
    Operation,
    RecordFields,
    Rule,
    SlotFields,
)
from crm_adapters.rest.templates import Context, Render

_REQUEST = frozenset({"in", "config"})
_ANSWER = _REQUEST | {"status", "headers", "body"}
_RECORD = _ANSWER | {"record"}
_ITEM = _ANSWER | {"item"}

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


class CompiledOperation(Struct, frozen=True, kw_only=True):
    """An operation, ready to be sent and its answer to be read."""

    method: str
    path: Render
    query: Callable[[Context], list[tuple[str, str]]]
    headers: Mapping[str, Render]
    body: Render | None
    idempotency: Idempotency | None
    rules: tuple[CompiledRule, ...]
    record: Expression
    items: Expression | None
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


class Program(Struct, frozen=True, kw_only=True):
    """All of a manifest that an adapter needs at run time."""

    manifest: Manifest
    operations: Mapping[str, CompiledOperation]
    finds: Mapping[RecordKind, CompiledOperation]
    cancels: Mapping[RecordKind, CompiledOperation]
    records: Mapping[RecordKind, CompiledFields]
    offers: CompiledFields
    slots: CompiledFields
    changes: CompiledFields


def compile_manifest(file: Path, manifest: Manifest, variables: Mapping[str, str]) -> Program:
    """Return the program of a manifest.

    Raises:
        ConfigError: something in it cannot work; the text names the file, and table and key of every problem.
    """
    compiler = _Compiler(manifest, variables)
    program = compiler.program()
    compiler.check_what_belongs_together()
    if compiler.problems:
        raise ConfigError(f"manifest {file}:\n" + "\n".join(f"  {problem}" for problem in compiler.problems))
    return program


class _Compiler:
    def __init__(self, manifest: Manifest, variables: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._manifest = manifest
        self._config = dict(variables)
        self._never = Expression("`null`", frozenset(), {})

    def program(self) -> Program:
        """Compile everything, noting problems on the way."""
        operations = self._manifest.operations
        single = {name: getattr(operations, name) for name in samples.INPUTS if name not in {"find_by_key", "cancel"}}
        return Program(
            manifest=self._manifest,
            operations={name: self._operation(name, name, each) for name, each in single.items() if each is not None},
            finds={kind: self._of_kind("find_by_key", kind, each) for kind, each in operations.find_by_key.items()},
            cancels={kind: self._of_kind("cancel", kind, each) for kind, each in operations.cancel.items()},
            records={kind: self._record(kind, fields) for kind, fields in self._manifest.records.items()},
            offers=self._fields("offers", self._manifest.offers, _ITEM),
            slots=self._fields("slots", self._manifest.slots, _ITEM),
            changes=self._fields("changes", self._manifest.changes, _RECORD, plain={"kinds"}),
        )

    def check_what_belongs_together(self) -> None:
        """Note what one table needs from another."""
        operations = self._manifest.operations
        for name, kind in PLACING.items():
            operation: Operation | None = getattr(operations, name)
            if operation is not None:
                self._check_placing(name, operation, kind)
        for kind in {*operations.find_by_key, *operations.cancel} - self._manifest.records.keys():
            self._note(f"records.{kind}", "is missing; it says how such a record is read")
        for name, fields in (("find_offers", "offers"), ("search_appointments", "slots"), ("changes", "changes")):
            if getattr(operations, name) is not None:
                self._check_list(name, fields, getattr(operations, name))

    def _check_placing(self, name: str, operation: Operation, kind: RecordKind) -> None:
        if operation.idempotency is None:
            self._note(f"operations.{name}", f"idempotency: is missing; expected one of {', '.join(Idempotency)}")
        if kind not in self._manifest.operations.find_by_key:
            self._note(f"operations.find_by_key.{kind}", f"is missing; {name} needs it when an answer gets lost")
        if kind not in self._manifest.records:
            self._note(f"records.{kind}", f"is missing; it says how the answer of {name} is read")

    def _check_list(self, name: str, fields: str, operation: Operation) -> None:
        if getattr(self._manifest, fields) is None:
            self._note(fields, f"is missing; it says how the answer of {name} is read")
        if operation.items is None:
            self._note(f"operations.{name}", "items: is missing; it says where in the answer the list stands")
        if name == "changes" and operation.cursor is None:
            self._note(f"operations.{name}", "cursor: is missing; it says where to go on from")

    def _of_kind(self, name: str, kind: RecordKind, operation: Operation) -> CompiledOperation:
        return self._operation(f"{name}.{kind}", name, operation)

    def _operation(self, name: str, sample: str, operation: Operation) -> CompiledOperation:
        table = f"operations.{name}"
        names = _REQUEST | {"record"} if operation.needs_record else _REQUEST
        context = {"in": samples.INPUTS[sample], "config": self._config, "record": samples.RECORD}

        def compiled(text: str) -> Expression:
            return Expression(text, names, self._manifest.tables)

        return CompiledOperation(
            method=operation.method,
            path=self._tried(table, "path", context, lambda: templates.path(operation.path, compiled)),
            query=self._tried(table, "query", context, lambda: templates.query(operation.query, compiled)),
            headers=self._headers(table, operation, context, compiled),
            body=self._body(table, operation, context, compiled),
            idempotency=operation.idempotency,
            rules=tuple(self._rule(f"{table}.rules[{n}]", rule) for n, rule in enumerate(operation.rules)),
            record=self._expression(table, "record", operation.record, _ANSWER),
            items=self._maybe(table, "items", operation.items, _ANSWER),
            cursor=self._maybe(table, "cursor", operation.cursor, _ANSWER),
            needs_record=operation.needs_record,
        )

    def _headers(
        self, table: str, operation: Operation, context: Context, compiled: templates.Compile
    ) -> Mapping[str, Render]:
        texts = {**self._manifest.headers, **operation.headers}
        if operation.idempotency is Idempotency.IDEMPOTENCY_KEY:
            texts[operation.idempotency_header] = "${in.key}"

        def one(text: str) -> Callable[[], Render]:
            return lambda: templates.tree(text, compiled)

        return {name: self._tried(table, f"headers.{name}", context, one(text)) for name, text in texts.items()}

    def _body(self, table: str, operation: Operation, context: Context, compiled: templates.Compile) -> Render | None:
        if operation.body is None:
            return None
        return self._tried(f"{table}.body", "body", context, lambda: templates.tree(operation.body, compiled))

    def _rule(self, table: str, rule: Rule) -> CompiledRule:
        return CompiledRule(
            when=self._expression(table, "when", rule.when, _ANSWER),
            outcome=rule.outcome,
            code=self._maybe(table, "code", rule.code, _ANSWER),
            message=self._maybe(table, "message", rule.message, _ANSWER),
            field=self._maybe(table, "field", rule.field, _ANSWER),
            retry_after=self._maybe(table, "retry_after", rule.retry_after, _ANSWER),
        )

    def _record(self, kind: RecordKind, fields: RecordFields) -> CompiledFields:
        return self._fields(f"records.{kind}", fields, _RECORD, plain={"statuses"})

    def _fields(
        self,
        table: str,
        fields: RecordFields | OfferFields | SlotFields | ChangeFields | None,
        names: frozenset[str],
        plain: set[str] | None = None,
    ) -> CompiledFields:
        if fields is None:
            return CompiledFields(expressions={})
        texts = {name: getattr(fields, name) for name in fields.__struct_fields__ if name not in (plain or set())}
        references: dict[str, str] = texts.pop("references", None) if isinstance(fields, OfferFields) else {}
        given = {name: text for name, text in texts.items() if text is not None}
        return CompiledFields(
            expressions={name: self._expression(table, name, text, names) for name, text in given.items()},
            references={
                name: self._expression(f"{table}.references", name, text, names) for name, text in references.items()
            },
        )

    def _maybe(self, table: str, key: str, text: str | None, names: frozenset[str]) -> Expression | None:
        return None if text is None else self._expression(table, key, text, names)

    def _expression(self, table: str, key: str, text: str, names: frozenset[str]) -> Expression:
        try:
            return Expression(text, names, self._manifest.tables)
        except ExpressionError as error:
            self._note(table, f"{key}: {error}")
            return self._never

    def _tried(self, table: str, key: str, context: Context, make: Callable[[], Render]) -> Render:
        """Compile a template and render it once: what is null for a sample will be null for every order."""
        try:
            render = make()
            empty = list(_nulls(render(context)))
        except ExpressionError as error:
            self._note(table, f"{key}: {error}")
            return self._never.value
        for place in empty:
            self._note(table, f"{key}{place}: is null for a sample; expected a value, or a key that ends with ?")
        return render

    def _note(self, table: str, text: str) -> None:
        self.problems.append(f"[{table}] {text}")


def _nulls(value: Any, place: str = "") -> Iterator[str]:
    match value:
        case None:
            yield place
        case dict():
            for key, inner in templates.items_of(value):
                yield from _nulls(inner, f"{place}.{key}")
        case list():
            for index, inner in enumerate(templates.values_of(value)):
                yield from _nulls(inner, f"{place}[{index}]")
        case _:
            return
