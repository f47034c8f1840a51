"""What one table of a manifest needs from another. Pure."""

from collections.abc import Iterator, Mapping

from actors.model.orders import RecordKind
from crm_adapters.rest.auth_tables import JwtBearer
from crm_adapters.rest.manifest import Idempotency, Manifest, Operation, Request
from crm_adapters.rest.program import PLACING

_LISTS = (("find_offers", "offers"), ("search_appointments", "slots"), ("changes", "changes"))


def mismatches(manifest: Manifest, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield what is missing or does not fit together, each with its table and key."""
    operations = manifest.operations
    for name, kind in PLACING.items():
        operation: Operation | None = getattr(operations, name)
        if operation is not None:
            yield from _of_placing(manifest, name, operation, kind)
    told = {*operations.find_by_key, *operations.find_by_id, *operations.cancel, *operations.undo}
    for kind in told - manifest.records.keys():
        yield f"[records.{kind}] is missing; it says how such a record is read"
    for name, fields in _LISTS:
        if getattr(operations, name) is not None:
            yield from _of_list(manifest, name, fields, getattr(operations, name))
    for table, operation in _all(manifest):
        yield from _of_steps(table, operation)
    yield from _of_variables(manifest, variables)
    yield from _of_webhook(manifest)


def _of_placing(manifest: Manifest, name: str, operation: Operation, kind: RecordKind) -> Iterator[str]:
    table, found = f"operations.{name}", kind in manifest.operations.find_by_key
    if operation.idempotency is None:
        yield f"[{table}] idempotency: is missing; expected one of {', '.join(Idempotency)}"
    elif operation.idempotency is Idempotency.NONE and found:
        yield f"[{table}] idempotency: 'none' is for a CRM without a search; there is one, so expected 'search_first'"
    elif operation.idempotency is not Idempotency.NONE and not found:
        yield f"[operations.find_by_key.{kind}] is missing; {name} needs it when an answer gets lost"
    if kind not in manifest.records:
        yield f"[records.{kind}] is missing; it says how the answer of {name} is read"
    elif operation.after and manifest.records[kind].complete is None:
        yield f"[records.{kind}] complete: is missing; {name} has steps, and it says when all of them are done"
    if operation.idempotency is Idempotency.NONE and (operation.after or operation.reread):
        yield f"[{table}] after, reread: need a look-up by key, which there is none of"


def _of_list(manifest: Manifest, name: str, fields: str, operation: Operation) -> Iterator[str]:
    if getattr(manifest, fields) is None:
        yield f"[{fields}] is missing; it says how the answer of {name} is read"
    if operation.items is None:
        yield f"[operations.{name}] items: is missing; it says where in the answer the list stands"
    if name == "changes" and operation.cursor is None:
        yield f"[operations.{name}] cursor: is missing; it says where to go on from"


def _of_steps(table: str, operation: Operation) -> Iterator[str]:
    for where, request in _requests(table, operation):
        if request.body is not None and request.form is not None:
            yield f"[{where}] body, form: expected one of them"
    for number, before in enumerate(operation.before):
        if before.method != "GET" and not before.repeatable:
            yield (
                f"[{table}.before[{number}]] repeatable: is missing; a {before.method} before the record is there"
                " may be sent again and must do no more then"
            )
    for number, after in enumerate(operation.after):
        if after.done is None and after.check is None:
            yield f"[{table}.after[{number}]] done, check: expected one of them; it says when the step is done already"
    pages = operation.pages
    if (
        pages is not None
        and [bool(pages.parameter), bool(pages.argument), bool(pages.header), pages.link].count(True) != 1
    ):
        yield f"[{table}.pages] parameter, argument, header, link: expected one of them"


def _requests(table: str, operation: Operation) -> Iterator[tuple[str, Request]]:
    yield table, operation
    for number, before in enumerate(operation.before):
        yield f"{table}.before[{number}]", before
    for number, after in enumerate(operation.after):
        yield f"{table}.after[{number}]", after


def _of_variables(manifest: Manifest, variables: Mapping[str, str]) -> Iterator[str]:
    values = {**manifest.variables, **variables}
    for name in manifest.variables:
        if not values[name]:
            yield f"[variables] {name}: has no default; expected a value in the connection's table, under variables"
    if isinstance(manifest.auth, JwtBearer) and "config.subject" in manifest.auth.subject and "subject" not in values:
        yield "[auth] subject: reads config.subject; expected that in the connection's table, under variables"


def _of_webhook(manifest: Manifest) -> Iterator[str]:
    hook = manifest.webhook
    if hook is None:
        return
    if hook.key is None and hook.record_id is None:
        yield "[webhook] key, record_id: expected one of them; it says which record to read again"
    wanted = manifest.operations.find_by_key if hook.key is not None else manifest.operations.find_by_id
    name = "find_by_key" if hook.key is not None else "find_by_id"
    for kind in sorted(set(hook.kinds.values()) - wanted.keys()):
        yield f"[operations.{name}.{kind}] is missing; a webhook names such records, and they are read again"


def _all(manifest: Manifest) -> Iterator[tuple[str, Operation]]:
    operations = manifest.operations
    for name in operations.__struct_fields__:
        value = getattr(operations, name)
        if isinstance(value, Operation):
            yield f"operations.{name}", value
        elif value:
            for kind, operation in value.items():
                yield f"operations.{name}.{kind}", operation
