"""The REST resources below ``/services/data``, without the web: a request in, a reply out."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from crm_adapters.salesforce.sandbox.errors import Refusal, Reply, SeveralMatch, bad_request, not_found
from crm_adapters.salesforce.sandbox.limits import Usage
from crm_adapters.salesforce.sandbox.organisation import Organisation, record_path
from crm_adapters.salesforce.sandbox.query import DEFAULT_BATCH, QueryDesk
from crm_adapters.salesforce.sandbox.schema import Field, SObject
from crm_adapters.salesforce.sandbox.store import Record, timestamp
from crm_adapters.salesforce.sandbox.validation import parse_datetime

OLDEST_VERSION: Final = 50
SHOWN_VERSIONS: Final = range(50, 69)
_VERSION: Final = re.compile(r"v(\d{2,3})\.0")
_BATCH: Final = re.compile(r"batchSize=(\d+)")


class Request(Struct, frozen=True, kw_only=True):
    """One request: decoded path segments after ``/services/data``, and the decoded JSON body."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str] = {}
    body: Any = None
    headers: Mapping[str, str] = {}

    @classmethod
    def to(cls, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None) -> "Request":
        """Return the request for an address relative to the instance, percent-encoded as on the wire.

        Raises:
            Refusal: the address is not one of the data API.
        """
        path, _, query = url.partition("?")
        segments = [unquote(segment) for segment in path.strip("/").split("/")]
        if segments[:2] != ["services", "data"]:
            raise not_found()
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        return cls(method=method, segments=tuple(segments[2:]), query=pairs, body=body, headers=headers or {})


class Api:
    """Dispatches requests to the organisation."""

    def __init__(self, organisation: Organisation, usage: Usage) -> None:
        self.organisation = organisation
        self._usage = usage
        self._queries = QueryDesk(organisation.store)

    def answer(self, request: Request) -> Reply:
        """Answer one request; refusals are answers too."""
        try:
            return self._dispatch(request)
        except (Refusal, SeveralMatch) as refusal:
            return refusal.reply()

    def _dispatch(self, request: Request) -> Reply:
        if not request.segments:
            return Reply(status=200, body=[_version_entry(number) for number in SHOWN_VERSIONS])
        version, *rest = request.segments
        found = _VERSION.fullmatch(version)
        if found is None or int(found[1]) < OLDEST_VERSION:
            raise not_found()
        match rest:
            case []:
                return Reply(status=200, body=_resources(version))
            case ["limits"]:
                return Reply(status=200, body=self._usage.report())
            case ["query" | "queryAll", *locator]:
                return self._query(request, version, locator)
            case ["sobjects", *path]:
                return self._sobjects(request, version, path)
            case _:
                raise not_found()

    def _query(self, request: Request, version: str, locator: list[str]) -> Reply:
        if request.method != "GET":
            raise _not_allowed(request)
        if locator:
            return Reply(status=200, body=self._queries.page(locator[0], version))
        if "q" not in request.query:
            raise bad_request("MALFORMED_QUERY", "A query string has to be specified")
        found = _BATCH.search(request.headers.get("sforce-query-options", ""))
        batch = int(found[1]) if found else DEFAULT_BATCH
        return Reply(status=200, body=self._queries.first(request.query["q"], version, batch))

    def _sobjects(self, request: Request, version: str, path: list[str]) -> Reply:
        named = self.organisation.named
        match path:
            case []:
                kinds = self.organisation.store.model.all()
                shown = [{"name": kind.name, "keyPrefix": kind.prefix} for kind in kinds]
                return Reply(status=200, body={"sobjects": shown})
            case [name]:
                return self._object(request, version, named(name))
            case [name, "describe"]:
                return Reply(status=200, body=self._described(named(name)))
            case [name, "updated" | "deleted" as which] if request.method == "GET":
                return self._replicated(request, named(name), which)
            case [name, identifier]:
                return self._row(request, version, named(name), identifier)
            case [name, field, value]:
                return self._keyed(request, version, named(name), (field, value))
            case _:
                raise not_found()

    def _described(self, kind: SObject) -> dict[str, Any]:
        fields = [_described_field(field) for field in kind.fields.values()]
        flags = {flag: self.organisation.may(f"{kind.name}:{right}") for flag, right in _RIGHT_OF.items()}
        named = {"name": kind.name, "keyPrefix": kind.prefix, "custom": False, "deletable": True, "queryable": True}
        return {**named, **flags, "fields": fields}

    def _replicated(self, request: Request, kind: SObject, which: str) -> Reply:
        """Answer which records changed or went between two times, as replication clients ask."""
        try:
            start, end = (timestamp(parse_datetime(request.query[name])) for name in ("start", "end"))
        except (KeyError, ValueError):
            raise bad_request("INVALID_REPLICATION_DATE", "start and end must be dates with times and zones") from None
        if start >= end:
            raise bad_request("INVALID_REPLICATION_DATE", "The start date must be before the end date")
        if which == "updated":
            rows = self.organisation.store.rows(kind)
            ids = [row["Id"] for row in rows if start <= row["SystemModstamp"] <= end]
            return Reply(status=200, body={"ids": ids, "latestDateCovered": end})
        gone = [
            (identifier, when) for identifier, when in self.organisation.store.deleted(kind) if start <= when <= end
        ]
        shown = [{"id": identifier, "deletedDate": when} for identifier, when in gone]
        body = {"deletedRecords": shown, "earliestDateAvailable": start, "latestDateCovered": end}
        return Reply(status=200, body=body)

    def _object(self, request: Request, version: str, kind: SObject) -> Reply:
        if request.method == "GET":
            return Reply(status=200, body={"objectDescribe": {"name": kind.name, "keyPrefix": kind.prefix}})
        if request.method != "POST":
            raise _not_allowed(request)
        identifier = self.organisation.create(kind, _record_in(request))
        return _saved(kind, identifier, version, created=None)

    def _row(self, request: Request, version: str, kind: SObject, identifier: str) -> Reply:
        match request.method:
            case "GET":
                return self._shown(request, version, kind, self.organisation.existing(kind, identifier))
            case "PATCH":
                self.organisation.update(kind, identifier, _record_in(request))
            case "DELETE":
                self.organisation.delete(kind, identifier)
            case _:
                raise _not_allowed(request)
        return Reply(status=204)

    def _keyed(self, request: Request, version: str, kind: SObject, key: tuple[str, str]) -> Reply:
        match request.method:
            case "GET":
                return self._shown(request, version, kind, self.organisation.by_key(kind, *key))
            case "PATCH":
                only = request.query.get("updateOnly", "").lower() == "true"
                done = self.organisation.upsert(kind, *key, _record_in(request), update_only=only)
                return _saved(kind, done.id, version, created=done.created)
            case "DELETE":
                self.organisation.delete(kind, self.organisation.by_key(kind, *key)["Id"])
                return Reply(status=204)
            case _:
                raise _not_allowed(request)

    def _shown(self, request: Request, version: str, kind: SObject, record: Record) -> Reply:
        wanted = [name.strip() for name in request.query.get("fields", "").split(",") if name.strip()]
        return Reply(status=200, body=self.organisation.shown(kind, record, wanted or None, version))


_RIGHT_OF: Final = {"createable": "create", "updateable": "update"}


def object_body(body: Any) -> Record:
    """Return a body that is a JSON object.

    Raises:
        Refusal: it is something else.
    """
    if not isinstance(body, dict):
        raise bad_request("JSON_PARSER_ERROR", "The body must be a JSON object")
    return {str(name): value for name, value in body.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON keys are strings


def _record_in(request: Request) -> Record:
    return object_body(request.body)


def _saved(kind: SObject, identifier: str, version: str, *, created: bool | None) -> Reply:
    """Return the reply of an insert (``created`` None) or an upsert."""
    body: dict[str, Any] = {"id": identifier, "success": True, "errors": []}
    if created is not None:
        body["created"] = created
    headers = {} if created is False else {"Location": record_path(kind, identifier, version)}
    return Reply(status=200 if created is False else 201, body=body, headers=headers)


def _not_allowed(request: Request) -> Refusal:
    return Refusal(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed.")


def _version_entry(number: int) -> dict[str, str]:
    return {"label": f"Release {number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def _resources(version: str) -> dict[str, str]:
    return {
        name: f"/services/data/{version}/{name}" for name in ("sobjects", "query", "queryAll", "composite", "limits")
    }


def _described_field(field: Field) -> dict[str, Any]:
    values = [{"label": value, "value": value, "active": True} for value in field.values]
    return {
        "name": field.name,
        "type": str(field.type),
        "length": field.length,
        "externalId": field.external_id,
        "unique": field.unique,
        "caseSensitive": False,
        "nillable": not field.required,
        "createable": field.createable,
        "updateable": field.updateable,
        "referenceTo": list(field.refers),
        "relationshipName": field.relationship,
        "picklistValues": values,
    }
