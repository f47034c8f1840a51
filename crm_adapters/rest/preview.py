"""What placing would send, request by request, without sending it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from actors.model.orders import PurchaseOrder, RecordKind
from crm_adapters.proving import Preview
from crm_adapters.rest import answers, samples
from crm_adapters.rest.expressions import ExpressionError, plain
from crm_adapters.rest.manifest import Idempotency
from crm_adapters.rest.program import CompiledOperation, CompiledRequest, Program
from crm_adapters.transport import Call

Context = Mapping[str, Any]


def previews_of(program: Program, base_url: str, order: PurchaseOrder) -> Sequence[Preview]:
    """Return the requests of placing an order, in their sequence."""
    operation = program.operations.get("place_order")
    if operation is None:
        return ()
    context: dict[str, Any] = {
        "in": plain(order),
        "config": program.variables,
        "found": {},
        "record": None,
        "raw": None,
    }
    shown: list[Preview] = []
    find = program.finds.get(RecordKind.ORDER)
    if operation.idempotency is Idempotency.SEARCH_FIRST and find is not None:
        key = {"key": order.key, "kind": "order"}
        shown.append(_shown("search first", find.request, base_url, {**context, "in": key}))
    shown += _before(operation, base_url, context)
    shown.append(_shown("create", operation.request, base_url, context))
    known = {**context, "record": {**samples.KNOWN["record"], "record_id": "«record_id»"}}
    for step in operation.after:
        items = _items(step.foreach, known)
        shown += [_shown(step.name, step.request, base_url, {**known, "item": item, "index": 0}) for item in items]
    return shown


def previews_of_operation(
    step: str, operation: CompiledOperation, base_url: str, context: Context
) -> Sequence[Preview]:
    """Return the requests of one operation, in their sequence."""
    known = dict(context)
    before = _before(operation, base_url, known)
    return [*before, _shown(step, operation.request, base_url, known)]


def _before(operation: CompiledOperation, base_url: str, context: dict[str, Any]) -> list[Preview]:
    """Return the look-ups, and put into the context what they might find."""
    shown: list[Preview] = []
    for step in operation.before:
        items = _items(step.foreach, context)
        shown += [_shown(step.name, step.request, base_url, {**context, "item": item, "index": 0}) for item in items]
        found = step.sample if step.foreach is None else [step.sample for _ in items]
        context["found"] = {**context["found"], step.name: found}
    return shown


def _items(foreach: Any, context: Context) -> list[Any]:
    if foreach is None:
        return [None]
    try:
        return list(foreach.value(context) or [])
    except ExpressionError:
        return [None]


def _shown(step: str, asked: CompiledRequest, base_url: str, context: Context) -> Preview:
    numbered = {**context, "record": samples.KNOWN["record"] if context.get("record") else None}
    try:
        call = _call(asked, base_url, context, numbered)
    except ExpressionError as error:
        return Preview(step=step, method=asked.method, url=base_url, body=f"depends on an earlier answer: {error}")
    return Preview(
        step=step,
        method=call.method,
        url=call.url + ("?" + urlencode(call.query) if call.query else ""),
        headers=dict(call.headers),
        body=_body(call),
    )


def _call(asked: CompiledRequest, base_url: str, context: Context, numbered: Context) -> Call:
    """Return a request with «record_id» in it, or with a number where the manifest makes one of it."""
    try:
        return answers.request(asked, base_url, context, writes=False)
    except ExpressionError:
        return answers.request(asked, base_url, numbered, writes=False)


def _body(call: Call) -> Any:
    return call.json if call.form is None else dict(call.form)
