"""HubSpot's objects API v3: properties that are texts, unique values, batches of mixed success, a search that lags."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from crm_adapters.rest.sandbox.vendors.conditions import Condition
from crm_adapters.rest.sandbox.vendors.definitions import Column, Type
from crm_adapters.rest.sandbox.vendors.store import SYSTEM, Refused, Store, Why
from crm_adapters.rest.sandbox.vendors.wire import Answers, answer, object_of, shows
from crm_adapters.sandboxing.tables import Row

_API: Final = "/crm/v3/objects/{type}"
_PROPERTIES: Final = "/crm/v3/properties/{type}"
_ERRORS: Final[Mapping[Why, tuple[int, str]]] = {
    Why.NO_TABLE: (400, "VALIDATION_ERROR"),
    Why.NO_ROW: (404, "OBJECT_NOT_FOUND"),
    Why.NO_COLUMN: (400, "VALIDATION_ERROR"),
    Why.MISSING: (400, "VALIDATION_ERROR"),
    Why.INVALID: (400, "VALIDATION_ERROR"),
    Why.NO_TARGET: (400, "VALIDATION_ERROR"),
    Why.DUPLICATE: (409, "CONFLICT"),
    Why.STATE: (400, "VALIDATION_ERROR"),
    Why.MALFORMED: (400, "VALIDATION_ERROR"),
}
_OPERATORS: Final = {"EQ": "=", "NEQ": "!=", "IN": "in", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_TIMES: Final = {"hs_lastmodifieddate": "changed", "hs_createdate": "created"}
_BATCH: Final = 100
_SINGULAR: Final = {"orders": "order", "tickets": "ticket"}
_CORRELATION: Final = "00000000-0000-4000-8000-000000000000"


class HubSpotWire:
    """The API over the store."""

    def __init__(self, store: Store, credentials: Mapping[str, str]) -> None:
        self._store = store
        self._key = credentials["api_key"]
        self._webhook_secret = credentials["webhook_secret"]
        self._public_url = credentials.get("webhook_url", "")  # what a proxy before the hub is called

    def routes(self) -> Sequence[tuple[str, str, Answers]]:
        """Return method, path and what answers it."""
        return [
            ("POST", _API, self._create),
            ("POST", f"{_API}/search", self._search),
            ("POST", f"{_API}/batch/create", self._batch(self._batch_create)),
            ("POST", f"{_API}/batch/upsert", self._batch(self._batch_upsert)),
            ("GET", f"{_API}/{{id}}", self._read),
            ("PATCH", f"{_API}/{{id}}", self._update),
            ("GET", f"{_PROPERTIES}/{{name}}", self._property),
            ("POST", _PROPERTIES, self._add_property),
        ]

    def admits(self, request: web.Request) -> bool:
        """Say whether the private app's token counts."""
        return shows(request, f"Bearer {self._key}")

    def not_admitted(self) -> web.Response:
        """Return the answer to a wrong token."""
        return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found or invalid.")

    def refusal(self, refused: Refused) -> web.Response:
        """Return the answer to what the store refuses."""
        status, category = _ERRORS[refused.why]
        existing = f". Existing ID: {refused.existing}" if refused.existing else ""
        return _error(status, category, refused.message + existing)

    def message(self, table: str, row: Row, url: str) -> tuple[Mapping[str, str], bytes]:
        """Return a batch of one event, signed as v3 is: method, address, body and time."""
        changed_ms = int(datetime.fromisoformat(row["changed"]).timestamp() * 1000)
        named = {"eventId": changed_ms, "subscriptionType": f"{_SINGULAR.get(table, table)}.propertyChange"}
        event = {**named, "objectId": int(row["id"]), "occurredAt": changed_ms, "attemptNumber": 0}
        body, sent = msgspec.json.encode([event]), str(changed_ms)
        signed = f"POST{self._public_url or url}{body.decode()}{sent}".encode()
        signature = base64.b64encode(hmac.new(self._webhook_secret.encode(), signed, hashlib.sha256).digest()).decode()
        headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": sent}
        return {"Content-Type": "application/json", **headers}, body

    def throttled(self, retry_after_s: int) -> web.Response:
        """Return the answer to a burst."""
        body = _body("RATE_LIMITS", "You have reached your ten_secondly_rolling limit.")
        return answer({**body, "policyName": "TEN_SECONDLY_ROLLING"}, 429, **{"Retry-After": str(retry_after_s)})

    async def _property(self, request: web.Request) -> web.Response:
        kind, name = self._kind(request), request.match_info["name"]
        column = self._store.columns(kind).get(name)
        if column is None:
            return _error(404, "OBJECT_NOT_FOUND", f"property {name} does not exist")
        return answer(_described(column))

    async def _add_property(self, request: web.Request) -> web.Response:
        kind, sent = self._kind(request), await object_of(request)
        name = str(sent.get("name", ""))
        if sent.get("type") != "string" or not name or not sent.get("groupName"):
            raise Refused(Why.INVALID, "name, groupName and type string are needed here", column="type")
        self._store.add_column(kind, name, "text unique max:64" if sent.get("hasUniqueValue") else "text")
        return answer(_described(self._store.columns(kind)[name]), 201)

    async def _create(self, request: web.Request) -> web.Response:
        kind, sent = self._kind(request), await object_of(request)
        created = self._store.create(kind, {**_properties(sent), **self._ends(kind, sent)})
        for target, target_id in _associations(sent):
            if kind in self._store.columns(target):  # the other end keeps the association
                self._store.update(target, target_id, {kind: created["id"]})
        return answer(self._shown(kind, self._store.get(kind, created["id"]), None), 201)

    async def _read(self, request: web.Request) -> web.Response:
        kind = self._kind(request)
        row = self._row(kind, request.match_info["id"], request.query.get("idProperty"))
        shown = self._shown(kind, row, _wanted(request))
        ends = request.query.get("associations", "").split(",")
        linked = {end: [each["id"] for each in self._linked(kind, row, end)] for end in filter(None, ends)}
        if any(linked.values()):
            shown["associations"] = {
                end.replace("_", " "): {"results": [{"id": each, "type": f"{kind}_to_{end}"} for each in ids]}
                for end, ids in linked.items()
                if ids
            }
        return answer(shown)

    async def _update(self, request: web.Request) -> web.Response:
        kind, sent = self._kind(request), await object_of(request)
        row = self._row(kind, request.match_info["id"], request.query.get("idProperty"))
        return answer(self._shown(kind, self._store.update(kind, row["id"], _properties(sent)), None))

    async def _search(self, request: web.Request) -> web.Response:
        """Answer a search from an index that is some seconds behind."""
        kind, sent = self._kind(request), await object_of(request)
        groups = [self._group(kind, group) for group in sent.get("filterGroups", [])]
        sort = next(iter(sent.get("sorts", [])), {"propertyName": "id", "direction": "ASCENDING"})
        name = _TIMES.get(sort["propertyName"], sort["propertyName"])
        rows = self._store.search(
            kind,
            lambda row: not groups or any(group(row) for group in groups),
            order=f"{name} {str(sort.get('direction', '')).lower()}",
            at_once=False,
        )
        begin, limit = int(sent.get("after") or 0), int(sent.get("limit") or 10)
        results = [self._shown(kind, row, sent.get("properties")) for row in rows[begin : begin + limit]]
        more = {"paging": {"next": {"after": str(begin + limit)}}} if begin + limit < len(rows) else {}
        return answer({"total": len(rows), "results": results, **more})

    def _batch(self, one: Callable[[str, Mapping[str, Any]], Row]) -> Answers:
        """Return what does one thing for each input, and tells failures beside what went well."""

        async def answers(request: web.Request) -> web.Response:
            kind, sent = self._kind(request), await object_of(request)
            inputs = sent.get("inputs", [])
            if len(inputs) > _BATCH:
                raise Refused(Why.INVALID, f"expected at most {_BATCH} inputs")
            results: list[Any] = []
            errors: list[Any] = []
            for each in inputs:
                try:
                    results.append(self._shown(kind, one(kind, each), None))
                except Refused as refused:
                    errors.append(_body(_ERRORS[refused.why][1], refused.message))
            body: dict[str, Any] = {"status": "COMPLETE", "results": results}
            if errors:
                return answer({**body, "numErrors": len(errors), "errors": errors}, 207)
            return answer(body, 201 if one == self._batch_create else 200)

        return answers

    def _batch_create(self, kind: str, sent: Mapping[str, Any]) -> Row:
        return self._store.create(kind, _properties(sent))

    def _batch_upsert(self, kind: str, sent: Mapping[str, Any]) -> Row:
        name, value = str(sent.get("idProperty")), str(sent.get("id"))
        existing = self._unique(kind, name, value)
        if existing is None:
            return self._store.create(kind, {**_properties(sent), name: value})
        return self._store.update(kind, existing["id"], _properties(sent))

    def _row(self, kind: str, row_id: str, id_property: str | None) -> Row:
        found = self._store.get(kind, row_id) if id_property is None else self._unique(kind, id_property, row_id)
        if found is None:
            raise Refused(Why.NO_ROW, f"Object not found.  objectId are usually numeric: {row_id}")
        return found

    def _unique(self, kind: str, name: str, value: str) -> Row | None:
        column = self._store.columns(kind).get(name)
        if column is None or not column.unique:
            raise Refused(Why.INVALID, f"Property {name!r} is not a unique property of {kind}", column=name)
        found = self._store.search(kind, lambda row: str(row.get(name, "")).casefold() == value.casefold())
        return found[0] if found else None

    def _group(self, kind: str, group: Mapping[str, Any]) -> Callable[[Row], bool]:
        return self._store.matching(kind, [_condition(each) for each in group.get("filters", [])])

    def _linked(self, kind: str, row: Row, end: str) -> list[Row]:
        if kind in self._store.columns(end):
            return self._store.search(end, lambda other: other.get(kind) == row["id"])
        return [] if not row.get(end) else [self._store.get(end, str(row[end]))]

    def _ends(self, kind: str, sent: Mapping[str, Any]) -> dict[str, str]:
        """Return the associations that the new row itself keeps, having seen that every end exists."""
        ends = _associations(sent)
        for target, target_id in ends:
            self._store.get(target, target_id)
        return {target: target_id for target, target_id in ends if target in self._store.columns(kind)}

    def _shown(self, kind: str, row: Row, wanted: Sequence[str] | None) -> dict[str, Any]:
        columns = self._store.columns(kind)
        own = {
            name: row.get(name) for name, column in columns.items() if column.type is not Type.LINK or name[:3] == "hs_"
        }
        names = own if wanted is None else {name: own.get(name) for name in wanted if name not in _TIMES}
        times = {name: row[stored] for name, stored in _TIMES.items()}
        return {
            "id": str(row["id"]),
            "properties": {**names, **times, "hs_object_id": str(row["id"])},
            "createdAt": row["created"],
            "updatedAt": row["changed"],
            "archived": False,
        }

    def _kind(self, request: web.Request) -> str:
        kind = request.match_info["type"]
        self._store.definition(kind)
        return kind


def _described(column: Column) -> dict[str, Any]:
    kind = "number" if column.type is Type.NUMBER else "string"
    return {"name": column.name, "label": column.name, "type": kind, "hasUniqueValue": column.unique}


def _condition(sent: Mapping[str, Any]) -> Condition:
    name, operator = str(sent.get("propertyName")), str(sent.get("operator"))
    name = _TIMES.get(name, name)
    if operator == "HAS_PROPERTY":
        return Condition(column=name, operator="!=", value=None)
    if operator not in _OPERATORS:
        raise Refused(Why.INVALID, f"{operator!r} is no operator", column=name)
    value = sent.get("values") if operator == "IN" else sent.get("value")
    return Condition(column=name, operator=_OPERATORS[operator], value=value)


def _properties(sent: Mapping[str, Any]) -> dict[str, Any]:
    given = sent.get("properties", {})
    return {str(name): value for name, value in given.items() if name not in SYSTEM}


def _associations(sent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return type and id of every end; HubSpot's own ids of types of associations say which."""
    targets = {
        512: "line_items",
        513: "line_items",
        508: "companies",
        509: "companies",
        26: "companies",
        339: "companies",
    }
    ends: list[tuple[str, str]] = []
    for each in sent.get("associations", []):
        number = each["types"][0]["associationTypeId"]
        if number not in targets:
            raise Refused(Why.INVALID, f"{number} is no type of association here")
        ends.append((targets[number], str(each["to"]["id"])))
    return ends


def _wanted(request: web.Request) -> list[str] | None:
    texts = request.query.getall("properties", [])
    return [name for text in texts for name in text.split(",")] or None


def _body(category: str, message: str) -> dict[str, Any]:
    return {"status": "error", "message": message, "correlationId": _CORRELATION, "category": category}


def _error(status: int, category: str, message: str) -> web.Response:
    return answer(_body(category, message), status)
