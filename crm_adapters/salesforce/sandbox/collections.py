"""Many records in one request: ``/composite/sobjects``, ``/composite/tree`` and ``/composite/batch``.

Source: Salesforce REST API guide, sObject Collections, sObject Tree and Batch.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from crm_adapters.salesforce.sandbox.api import Api, Request
from crm_adapters.salesforce.sandbox.errors import Refusal, Reply, SeveralMatch, bad_request, not_found
from crm_adapters.salesforce.sandbox.organisation import Organisation, object_with_id
from crm_adapters.salesforce.sandbox.store import Record

MOST_RECORDS: Final = 200
MOST_BATCHED: Final = 25


class _Records(Struct, frozen=True, kw_only=True, rename="camel"):
    records: list[dict[str, Any]]
    all_or_none: bool = False


class _BatchPart(Struct, frozen=True, kw_only=True, rename="camel"):
    method: str
    url: str
    rich_input: Any = None


class _Batch(Struct, frozen=True, kw_only=True, rename="camel"):
    batch_requests: list[_BatchPart]
    halt_on_error: bool = False


class _Halted(Exception):
    """Ends the transaction of a collection that is all or none."""


_T = TypeVar("_T")
Write = Callable[[Record], dict[str, Any]]


def answer_collection(api: Api, request: Request) -> Reply:
    """Answer one of the resources; ``request.segments`` begin after the version with ``composite``."""
    try:
        match request.method, request.segments[2:]:
            case "POST", ("sobjects",):
                return _each(api.organisation, request.body, _creating(api.organisation))
            case "PATCH", ("sobjects",):
                return _each(api.organisation, request.body, _updating(api.organisation))
            case "PATCH", ("sobjects", name, field):
                return _each(api.organisation, request.body, _upserting(api.organisation, name, field))
            case "DELETE", ("sobjects",):
                return _deleted(api.organisation, request.query)
            case "POST", ("tree", name):
                return _tree(api.organisation, name, request.body)
            case "POST", ("batch",):
                return _batch(api, request.body)
            case _:
                raise not_found()
    except Refusal as refusal:
        return refusal.reply()


def _creating(organisation: Organisation) -> Write:
    def create(record: Record) -> dict[str, Any]:
        return {"id": organisation.create(organisation.named(_type_of(record)), record)}

    return create


def _updating(organisation: Organisation) -> Write:
    def update(record: Record) -> dict[str, Any]:
        fields = {name: value for name, value in record.items() if name.lower() != "id"}
        identifier = str(record.get("Id") or record.get("id") or "")
        organisation.update(organisation.named(_type_of(record)), identifier, fields)
        return {"id": identifier}

    return update


def _upserting(organisation: Organisation, name: str, field: str) -> Write:
    def upsert(record: Record) -> dict[str, Any]:
        key = str(record.get(field) or "")
        fields = {own: value for own, value in record.items() if own != field}
        done = organisation.upsert(organisation.named(name), field, key, fields, update_only=False)
        return {"id": done.id, "created": done.created}

    return upsert


def _each(organisation: Organisation, body: Any, write: Write) -> Reply:
    asked = _converted(body, _Records)
    if not 1 <= len(asked.records) <= MOST_RECORDS:
        raise bad_request("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MOST_RECORDS} records")
    return Reply(status=200, body=_written(organisation, asked.records, write, all_or_none=asked.all_or_none))


def _written(
    organisation: Organisation, records: list[dict[str, Any]], write: Write, *, all_or_none: bool
) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    try:
        with organisation.store.transaction():
            results = [_result(organisation, record, write) for record in records]
            if all_or_none:
                _keep_only_if_all_succeeded(results)
    except _Halted:
        return [_rolled_back(result) for result in results]
    return results


def _keep_only_if_all_succeeded(results: list[dict[str, Any]]) -> None:
    if not all(result["success"] for result in results):
        raise _Halted


def _result(organisation: Organisation, record: Record, write: Write) -> dict[str, Any]:
    try:
        with organisation.store.transaction():
            return {**write(record), "success": True, "errors": []}
    except Refusal as refusal:
        return _failed(refusal.code, refusal.message, refusal.fields)
    except SeveralMatch as several:
        return _failed("DUPLICATE_EXTERNAL_ID", ", ".join(several.urls), ())


def _failed(code: str, message: str, fields: tuple[str, ...]) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


def _rolled_back(result: dict[str, Any]) -> dict[str, Any]:
    said = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return _failed("ALL_OR_NONE_OPERATION_ROLLED_BACK", said, ()) if result["success"] else result


def _deleted(organisation: Organisation, query: Mapping[str, str]) -> Reply:
    ids = [identifier for identifier in query.get("ids", "").split(",") if identifier]
    if not 1 <= len(ids) <= MOST_RECORDS:
        raise bad_request("EXCEEDED_ID_LIMIT", f"expected 1 to {MOST_RECORDS} ids")

    def delete(record: Record) -> dict[str, Any]:
        organisation.delete(object_with_id(record["Id"]), record["Id"])
        return {"id": record["Id"]}

    rows: list[dict[str, Any]] = [{"Id": identifier} for identifier in ids]
    whole = query.get("allOrNone", "").lower() == "true"
    return Reply(status=200, body=_written(organisation, rows, delete, all_or_none=whole))


def _tree(organisation: Organisation, name: str, body: Any) -> Reply:
    """Create records with their children; all of them or none."""
    records = _converted(body, _Records).records
    results: list[dict[str, Any]] = []
    try:
        with organisation.store.transaction():
            for record in records:
                _plant(organisation, name, record, {}, results)
    except Refusal as refusal:
        error = {"statusCode": refusal.code, "message": refusal.message, "fields": list(refusal.fields)}
        failed = [{"referenceId": results[-1]["referenceId"] if results else "", "errors": [error]}]
        return Reply(status=400, body={"hasErrors": True, "results": failed})
    return Reply(status=201, body={"hasErrors": False, "results": results})


def _plant(
    organisation: Organisation, name: str, record: Record, parent: Record, results: list[dict[str, Any]]
) -> None:
    kind = organisation.named(name)
    own = {field: value for field, value in record.items() if not _is_children(value)}
    reference = str(_mapping(record.get("attributes")).get("referenceId", ""))
    if not reference:
        raise bad_request("INVALID_INPUT", "Every record of a tree has a referenceId in its attributes")
    results.append({"referenceId": reference})
    place = len(results) - 1
    identifier = organisation.create(kind, {**own, **parent})
    results[place] = {"referenceId": reference, "id": identifier}
    for value in record.values():
        if _is_children(value):
            for child in _converted(value, _Records).records:
                _plant(organisation, _type_of(child), child, {f"{kind.name}Id": identifier}, results)


def _batch(api: Api, body: Any) -> Reply:
    asked = _converted(body, _Batch)
    if not 1 <= len(asked.batch_requests) <= MOST_BATCHED:
        raise bad_request("INVALID_BATCH", f"A batch has 1 to {MOST_BATCHED} requests")
    results: list[dict[str, Any]] = []
    for part in asked.batch_requests:
        url = part.url if part.url.startswith("/services") else f"/services/data/{part.url.lstrip('/')}"
        halted = asked.halt_on_error and any(result["statusCode"] >= 300 for result in results)
        reply = (
            bad_request("BATCH_PROCESSING_HALTED", "Batch processing halted").reply()
            if halted
            else _subanswer(api, part, url)
        )
        results.append({"statusCode": reply.status, "result": reply.body})
    failed = any(result["statusCode"] >= 300 for result in results)
    return Reply(status=200, body={"hasErrors": failed, "results": results})


def _subanswer(api: Api, part: _BatchPart, url: str) -> Reply:
    try:
        return api.answer(Request.to(part.method.upper(), url, body=part.rich_input))
    except Refusal as refusal:
        return refusal.reply()


def _type_of(record: Record) -> str:
    name = str(_mapping(record.get("attributes")).get("type", ""))
    if not name:
        raise bad_request("INVALID_INPUT", "Every record names its type in its attributes")
    return name


def _is_children(value: Any) -> bool:
    return "records" in _mapping(value)


def _mapping(value: Any) -> dict[str, Any]:
    return msgspec.convert(value, dict[str, Any]) if isinstance(value, dict) else {}


def _converted(body: Any, wanted: type[_T]) -> _T:
    try:
        return msgspec.convert(body, wanted)
    except msgspec.ValidationError as error:
        raise bad_request("JSON_PARSER_ERROR", str(error)) from error
