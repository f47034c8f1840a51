"""Compiling a manifest: every expression checked and tried on sample input, all problems told at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from actors.model.orders import RecordKind
from crm_adapters.rest import samples
from crm_adapters.rest.consistency import mismatches
from crm_adapters.rest.doors import compile_door
from crm_adapters.rest.expressions import Expression
from crm_adapters.rest.manifest import (
    After,
    Before,
    ChangeFields,
    Idempotency,
    Manifest,
    Need,
    OfferFields,
    Operation,
    RecordFields,
    Request,
    Rule,
    Signature,
    SlotFields,
    Webhook,
)
from crm_adapters.rest.program import (
    CompiledAfter,
    CompiledBefore,
    CompiledFields,
    CompiledHook,
    CompiledNeed,
    CompiledOperation,
    CompiledPages,
    CompiledRequest,
    CompiledRule,
    Program,
)
from crm_adapters.rest.reading import raise_all
from crm_adapters.rest.trials import Names, Trials

_OF_KINDS: Final = frozenset({"find_by_key", "find_by_id", "cancel", "undo"})
_REQUEST: Names = frozenset({"in", "config", "found"})
_EACH: Names = frozenset({"item", "index"})
_RECORD: Names = frozenset({"record", "raw"})
_ANSWER: Names = frozenset({"status", "headers", "body"})
_HOOK: Names = frozenset({"config", "headers", "query", "text", "body"})


def compile_manifest(file: Path, manifest: Manifest, variables: Mapping[str, str]) -> Program:
    """Return the program of a manifest.

    Raises:
        ConfigError: something in it cannot work; the text names the file, and table and key of every problem.
    """
    compiler = _Compiler(manifest, variables)
    program = compiler.program()
    raise_all(file, [*compiler.trials.problems, *mismatches(manifest, variables)])
    return program


class _Compiler:
    def __init__(self, manifest: Manifest, variables: Mapping[str, str]) -> None:
        self._manifest = manifest
        self._variables = {**manifest.variables, **variables}
        self.trials = Trials(manifest.tables)

    def program(self) -> Program:
        """Return the program; what cannot work is in ``trials.problems`` and stands in it as a null."""
        operations = self._manifest.operations
        single = {name: getattr(operations, name) for name in samples.INPUTS if name not in _OF_KINDS}
        return Program(
            manifest=self._manifest,
            variables=self._variables,
            operations={name: self._operation(name, name, op) for name, op in single.items() if op is not None},
            finds=self._of_kinds("find_by_key", operations.find_by_key),
            finds_by_id=self._of_kinds("find_by_id", operations.find_by_id),
            cancels=self._of_kinds("cancel", operations.cancel),
            undoes=self._of_kinds("undo", operations.undo),
            records={kind: self._record(kind, fields) for kind, fields in self._manifest.records.items()},
            offers=self._fields("offers", self._manifest.offers, _REQUEST | _ANSWER | {"item"}),
            slots=self._fields("slots", self._manifest.slots, _REQUEST | _ANSWER | {"item"}),
            changes=self._fields("changes", self._manifest.changes, _ANSWER | {"record", "config"}, plain={"kinds"}),
            hook=None if self._manifest.webhook is None else self._hook(self._manifest.webhook),
            needs=tuple(self._need(f"needs[{number}]", need) for number, need in enumerate(self._manifest.needs)),
            door=compile_door(self._manifest, self._variables, self.trials),
        )

    def _of_kinds(self, name: str, given: Mapping[RecordKind, Operation]) -> dict[RecordKind, CompiledOperation]:
        return {kind: self._operation(f"{name}.{kind}", name, operation) for kind, operation in given.items()}

    def _operation(self, name: str, given: str, operation: Operation) -> CompiledOperation:
        names, context = _REQUEST, self._sample(given)
        if operation.needs_record:
            names, context = names | _RECORD, {**context, **samples.KNOWN}
        return self._compiled(f"operations.{name}", name, operation, names, context)

    def _compiled(
        self, table: str, name: str, operation: Operation, names: Names, context: dict[str, Any]
    ) -> CompiledOperation:
        trials = self.trials
        before: list[CompiledBefore] = []
        for number, step in enumerate(operation.before):
            before.append(self._before(f"{table}.before[{number}]", step, names, context))
            sample = step.sample if step.foreach is None else [step.sample]
            context = {**context, "found": {**context["found"], step.name: sample}}
        answer = names | _ANSWER
        return CompiledOperation(
            name=name,
            request=self._request(
                table, operation, names, context, operation.idempotency, operation.idempotency_header
            ),
            idempotency=operation.idempotency,
            before=tuple(before),
            after=tuple(
                self._after(f"{table}.after[{number}]", step, {**context, **samples.KNOWN})
                for number, step in enumerate(operation.after)
            ),
            record=trials.expression(table, "record", operation.record, answer),
            reread=operation.reread,
            items=trials.maybe(table, "items", operation.items, answer),
            pages=self._pages(f"{table}.pages", operation, answer),
            cursor=trials.maybe(table, "cursor", operation.cursor, answer | {"items"}),
            needs_record=operation.needs_record,
        )

    def _need(self, table: str, need: Need) -> CompiledNeed:
        """Compile what the CRM must have; it is tried on the first of ``each``, and every other is shaped as that."""
        trials, names = self.trials, frozenset({"config", "item", "found"})
        items: tuple[Any, ...] = need.each or (None,)
        context: dict[str, Any] = {"config": self._variables, "found": {}, "item": items[0]}
        prepare = need.prepare
        return CompiledNeed(
            about=trials.tree(table, "about", need.about, names, context),
            request=self._request(table, need, names, context),
            holds=trials.expression(table, "holds", need.holds, names | _ANSWER),
            found=trials.maybe(table, "found", need.found, names | _ANSWER),
            expected=trials.tree(table, "expected", need.expected, names, context),
            remedy=trials.tree(table, "remedy", need.remedy, names, context),
            items=items,
            prepare=None if prepare is None else self._compiled(f"{table}.prepare", "prepare", prepare, names, context),
        )

    def _before(self, table: str, step: Before, names: Names, context: Mapping[str, Any]) -> CompiledBefore:
        trials, seen = self.trials, dict(context)
        foreach = trials.maybe(table, "foreach", step.foreach, names)
        when = trials.maybe(table, "when", step.when, names)
        if foreach is not None:
            names, seen = names | _EACH, {**seen, "index": 0, "item": trials.first(table, foreach, seen)}
        return CompiledBefore(
            name=step.name,
            request=self._request(table, step, names, seen),
            value=trials.expression(table, "value", step.value, names | _ANSWER),
            missing=None if step.missing is None else trials.tree(table, "missing", step.missing, names, seen),
            foreach=foreach,
            when=when,
            cache_s=step.cache_s,
            sample=f"«{step.name}»" if step.sample == "1" else step.sample,
        )

    def _after(self, table: str, step: After, context: Mapping[str, Any]) -> CompiledAfter:
        trials, names, seen = self.trials, _REQUEST | _RECORD, dict(context)
        foreach = trials.maybe(table, "foreach", step.foreach, names)
        if foreach is not None:
            names, seen = names | _EACH, {**seen, "index": 0, "item": trials.first(table, foreach, seen)}
        check = step.check
        return CompiledAfter(
            name=step.name,
            request=self._request(table, step, names, seen),
            done=trials.maybe(table, "done", step.done, names),
            check=None if check is None else self._request(f"{table}.check", check, names, seen),
            check_value=None
            if check is None
            else trials.expression(f"{table}.check", "value", check.value, names | _ANSWER),
            foreach=foreach,
            record=trials.maybe(table, "record", step.record, names | _ANSWER),
        )

    def _request(
        self,
        table: str,
        request: Request,
        names: Names,
        context: Mapping[str, Any],
        idempotency: Idempotency | None = None,
        idempotency_header: str = "",
    ) -> CompiledRequest:
        trials = self.trials
        texts = {**self._manifest.headers, **request.headers}
        if idempotency is Idempotency.IDEMPOTENCY_KEY:
            texts[idempotency_header] = "${in.key}"
        form = request.form
        return CompiledRequest(
            method=request.method,
            path=trials.path(table, "path", request.path, names, context),
            query=trials.query(table, "query", request.query, names, context),
            headers={name: trials.tree(table, f"headers.{name}", text, names, context) for name, text in texts.items()},
            body=None if request.body is None else trials.tree(table, "body", request.body, names, context),
            form=None
            if form is None
            else {name: trials.tree(table, f"form.{name}", text, names, context) for name, text in form.items()},
            rules=tuple(
                self._rule(f"{table}.rules[{number}]", rule, names | _ANSWER)
                for number, rule in enumerate(request.rules)
            ),
            idempotency=idempotency,
        )

    def _rule(self, table: str, rule: Rule, names: Names) -> CompiledRule:
        trials = self.trials
        return CompiledRule(
            when=trials.expression(table, "when", rule.when, names),
            outcome=rule.outcome,
            code=trials.maybe(table, "code", rule.code, names),
            message=trials.maybe(table, "message", rule.message, names),
            field=trials.maybe(table, "field", rule.field, names),
            retry_after=trials.maybe(table, "retry_after", rule.retry_after, names),
        )

    def _pages(self, table: str, operation: Operation, names: Names) -> CompiledPages | None:
        if operation.pages is None:
            return None
        following = self.trials.expression(table, "next", operation.pages.next, names | {"page"})
        return CompiledPages(declared=operation.pages, following=following)

    def _record(self, kind: RecordKind, fields: RecordFields) -> CompiledFields:
        table, names = f"records.{kind}", _ANSWER | {"record", "config"}
        compiled = self._fields(table, fields, names, plain={"statuses", "sample"})
        if fields.sample is not None:
            context: dict[str, Any] = {"record": fields.sample, "status": 200, "headers": {}, "body": fields.sample}
            context["config"] = self._variables
            for name, expression in compiled.expressions.items():
                self.trials.try_value(table, name, expression, context, needed=name in {"record_id", "key", "status"})
        return compiled

    def _fields(
        self,
        table: str,
        fields: RecordFields | OfferFields | SlotFields | ChangeFields | None,
        names: Names,
        plain: set[str] | None = None,
    ) -> CompiledFields:
        if fields is None:
            return CompiledFields(expressions={})
        texts = {name: getattr(fields, name) for name in fields.__struct_fields__ if name not in (plain or set())}
        references: dict[str, str] = texts.pop("references", None) if isinstance(fields, OfferFields) else {}
        given = {name: text for name, text in texts.items() if text is not None}

        def compiled(inner: str, named: Mapping[str, str]) -> dict[str, Expression]:
            return {name: self.trials.expression(inner, name, text, names) for name, text in named.items()}

        return CompiledFields(
            expressions=compiled(table, given), references=compiled(f"{table}.references", references)
        )

    def _hook(self, hook: Webhook) -> CompiledHook:
        trials, verify, item = self.trials, hook.verify, _HOOK | {"item"}
        signed = verify if isinstance(verify, Signature) else None
        return CompiledHook(
            events=trials.expression("webhook", "events", hook.events, _HOOK),
            kind=trials.expression("webhook", "kind", hook.kind, item),
            key=trials.maybe("webhook", "key", hook.key, item),
            record_id=trials.maybe("webhook", "record_id", hook.record_id, item),
            challenge=trials.maybe("webhook", "challenge", hook.challenge, _HOOK),
            signed=None if signed is None else trials.expression("webhook.verify", "signed", signed.signed, _HOOK),
            timestamp=None if signed is None else trials.maybe("webhook.verify", "timestamp", signed.timestamp, _HOOK),
        )

    def _sample(self, name: str) -> dict[str, Any]:
        references = {} if self._manifest.offers is None else dict.fromkeys(self._manifest.offers.references, "1")
        given = samples.with_references(samples.INPUTS[name], references)
        return {"in": given, "config": self._variables, "found": {}}
