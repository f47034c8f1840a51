"""Frappe's REST API v1: /api/resource/DOCTYPE, documents in ``data``, exceptions with their Python names, docstatus."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from crm_adapters.rest.sandbox.vendors.conditions import Condition
from crm_adapters.rest.sandbox.vendors.definitions import Type
from crm_adapters.rest.sandbox.vendors.store import Refused, Store, Why
from crm_adapters.rest.sandbox.vendors.wire import Answers, answer, basic_of, json_of, number_of, object_of, shows
from crm_adapters.sandboxing.tables import Row

_LIST: Final = "/api/resource/{doctype}"
_ERRORS: Final[Mapping[Why, tuple[int, str]]] = {
    Why.NO_TABLE: (404, "DoesNotExistError"),
    Why.NO_ROW: (404, "DoesNotExistError"),
    Why.NO_COLUMN: (417, "DataError"),
    Why.MISSING: (417, "MandatoryError"),
    Why.INVALID: (417, "ValidationError"),
    Why.NO_TARGET: (417, "LinkValidationError"),
    Why.DUPLICATE: (409, "DuplicateEntryError"),
    Why.STATE: (417, "UpdateAfterSubmitError"),
    Why.MALFORMED: (417, "ValidationError"),
}
_STRUCTURE: Final = frozenset({"Custom Field", "Property Setter"})
_DRAFT, _SUBMITTED, _CANCELLED = 0, 1, 2
_AFTER: Final = {_SUBMITTED: "To_Deliver_and_Bill", _CANCELLED: "Cancelled"}
_TIMES: Final = {"modified": "changed", "creation": "created"}


class ErpNextWire:
    """The API over the store."""

    def __init__(self, store: Store, credentials: Mapping[str, str]) -> None:
        self._store = store
        self._webhook_secret = credentials["webhook_secret"]
        self._pair = f"{credentials['username']}:{credentials['password']}"

    def routes(self) -> Sequence[tuple[str, str, Answers]]:
        """Return method, path and what answers it."""
        return [
            ("GET", _LIST, self._list),
            ("POST", _LIST, self._create),
            ("GET", f"{_LIST}/{{name}}", self._read),
            ("PUT", f"{_LIST}/{{name}}", self._update),
            ("DELETE", f"{_LIST}/{{name}}", self._delete),
        ]

    def admits(self, request: web.Request) -> bool:
        """Say whether key and secret count, as a token or as HTTP Basic."""
        return shows(request, f"token {self._pair}") or basic_of(request) == self._pair

    def not_admitted(self) -> web.Response:
        """Return the answer to a wrong key."""
        return _error(401, "AuthenticationError", "Authentication failed")

    def refusal(self, refused: Refused) -> web.Response:
        """Return the exception that Frappe would have raised."""
        status, name = _ERRORS[refused.why]
        return _error(status, name, refused.message)

    def message(self, table: str, row: Row, url: str) -> tuple[Mapping[str, str], bytes]:
        """Return what a Webhook document with the whole document as its data sends."""
        del url
        body = msgspec.json.encode(self._shown(table, row))
        signature = hmac.new(self._webhook_secret.encode(), body, hashlib.sha256).digest()
        headers = {"X-Frappe-Webhook-Signature": base64.b64encode(signature).decode()}
        return {"Content-Type": "application/json", **headers}, body

    def throttled(self, retry_after_s: int) -> web.Response:
        """Return the answer to too many requests."""
        return _error(429, "RateLimitExceededError", "Rate limit exceeded", {"Retry-After": str(retry_after_s)})

    async def _create(self, request: web.Request) -> web.Response:
        if request.match_info["doctype"] in _STRUCTURE:
            return self._customised(request.match_info["doctype"], await object_of(request))
        doctype, sent = self._doctype(request), await object_of(request)
        wanted = int(sent.pop("docstatus", _DRAFT))
        row = self._store.create(doctype, self._stored(doctype, sent))
        return answer({"data": self._shown(doctype, self._moved(doctype, row, wanted))})

    async def _read(self, request: web.Request) -> web.Response:
        doctype = self._doctype(request)
        return answer({"data": self._shown(doctype, self._store.get(doctype, request.match_info["name"]))})

    async def _update(self, request: web.Request) -> web.Response:
        doctype, sent = self._doctype(request), await object_of(request)
        row = self._store.get(doctype, request.match_info["name"])
        if "modified" in sent and sent.pop("modified") != self._shown(doctype, row)["modified"]:
            return _error(417, "TimestampMismatchError", "Document has been modified after you have opened it")
        wanted = int(sent.pop("docstatus", row.get("docstatus") or _DRAFT))
        if sent and int(row.get("docstatus") or _DRAFT) != _DRAFT:
            raise Refused(Why.STATE, f"Not allowed to change {', '.join(sent)} after submission")
        row = self._store.update(doctype, str(row["id"]), self._stored(doctype, sent)) if sent else row
        return answer({"data": self._shown(doctype, self._moved(doctype, row, wanted))})

    def _customised(self, doctype: str, sent: Mapping[str, Any]) -> web.Response:
        """Add a field of ours, or let documents be named by the caller."""
        if doctype == "Custom Field":
            self._store.add_column(str(sent.get("dt", "")), str(sent.get("fieldname", "")), "text max:140")
        elif (sent.get("property"), sent.get("value")) == ("autoname", "Prompt"):
            self._store.let_be_named(str(sent.get("doc_type", "")))
        else:
            raise Refused(Why.INVALID, "this sandbox sets autoname to Prompt only", column="property")
        return answer({"data": {**sent, "doctype": doctype}})

    def _structure(self, doctype: str, filters: list[Any]) -> web.Response:
        """Answer whether a field of ours is there, or how documents are named."""
        wanted = {str(term[0]): str(term[2]) for term in filters if len(term) == 3}
        target = wanted.get("dt") or wanted.get("doc_type") or ""
        known = self._store.known_columns(target)
        if doctype == "Custom Field":
            name = wanted.get("fieldname", "")
            return answer({"data": [{"fieldname": name}] if name in known else []})
        named = bool(known) and self._store.may_be_named(target)
        return answer({"data": [{"value": "Prompt"}] if named else []})

    async def _delete(self, request: web.Request) -> web.Response:
        doctype = self._doctype(request)
        row = self._store.get(doctype, request.match_info["name"])
        if int(row.get("docstatus") or _DRAFT) == _SUBMITTED:
            raise Refused(Why.STATE, "Submitted Record cannot be deleted. You must Cancel it first.")
        self._store.delete(doctype, str(row["id"]))
        return answer({"data": "ok"}, 202)

    async def _list(self, request: web.Request) -> web.Response:
        if request.match_info["doctype"] in _STRUCTURE:
            filters = json_of(request.query.get("filters", "[]"), list[Any])
            return self._structure(request.match_info["doctype"], filters)
        doctype = self._doctype(request)
        conditions = [self._condition(doctype, each) for each in json_of(request.query.get("filters", "[]"), list[Any])]
        fields = json_of(request.query.get("fields", '["name"]'), list[str])
        name, _, direction = request.query.get("order_by", "modified desc").partition(" ")
        order = f"{_TIMES.get(name, name)} {direction}"
        rows = self._store.search(doctype, self._store.matching(doctype, conditions), order=order)
        begin, length = number_of(request, "limit_start", 0), number_of(request, "limit_page_length", 20)
        found = rows[begin : begin + length] if length else rows[begin:]
        shown = [self._shown(doctype, row) for row in found]
        wanted = shown if fields == ["*"] else [{name: row.get(name) for name in fields} for row in shown]
        return answer({"data": wanted})

    def _moved(self, doctype: str, row: Row, wanted: int) -> Row:
        """Submit or cancel a document: 0 to 1 to 2, and nothing else."""
        current = int(row.get("docstatus") or _DRAFT)
        if wanted == current:
            return row
        if wanted != current + 1 or "docstatus" not in self._store.columns(doctype):
            raise Refused(Why.INVALID, f"Cannot change docstatus from {current} to {wanted}")
        changes = {"docstatus": wanted, "status": _AFTER[wanted]}
        return self._store.update(doctype, str(row["id"]), changes, by_system=True)

    def _stored(self, doctype: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the doctype has: Frappe passes over what it does not know."""
        columns = self._store.columns(doctype)
        return {name: value for name, value in sent.items() if name in columns and name != "status"}

    def _condition(self, doctype: str, sent: Any) -> Condition:
        match sent:
            case [str(column), str(operator), value] | [str(), str(column), str(operator), value]:
                known = self._store.columns(doctype)
                name = _TIMES.get(column, "id" if column == "name" and column not in known else column)
                wanted = value.replace(" ", "T") if column in _TIMES else value
                return Condition(column=name, operator=operator, value=wanted)
            case _:
                raise Refused(Why.MALFORMED, f"Invalid filter: {sent!r:.80}")

    def _shown(self, doctype: str, row: Row) -> dict[str, Any]:
        columns, sums = self._store.columns(doctype), self._store.definition(doctype).sums
        shown: dict[str, Any] = {name: row.get(name) for name in (*columns, *sums)}
        for name, column in columns.items():
            if column.type is Type.CHILDREN:
                shown[name] = [self._child(child, column.target) for child in self._store.children(row, column)]
        if shown.get("status"):
            shown["status"] = shown["status"].replace("_", " ")
        times = {name: row[stored].replace("T", " ").split("+")[0] for name, stored in _TIMES.items()}
        whole = {name: int(shown[name]) for name in ("docstatus",) if name in shown}
        return {**shown, **times, **whole, "name": str(row["id"]), "doctype": doctype}

    def _child(self, row: Row, target: str) -> dict[str, Any]:
        doctype = target.partition(".")[0]
        kept = {name: row.get(name) for name in self._store.columns(doctype)}
        return {**kept, "name": str(row["id"]), "doctype": doctype.replace("_", " ")}

    def _doctype(self, request: web.Request) -> str:
        doctype = request.match_info["doctype"]
        self._store.definition(doctype)
        return doctype


def _error(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    said = msgspec.json.encode([msgspec.json.encode({"message": message, "indicator": "red"}).decode()]).decode()
    body = {"exception": f"frappe.exceptions.{name}: {message}", "exc_type": name, "_server_messages": said}
    return answer(body, status, **(headers or {}))
