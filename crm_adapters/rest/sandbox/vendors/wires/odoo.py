"""Odoo's JSON-2 API: POST /json/2/MODEL/METHOD with named arguments, the bare return value as the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from crm_adapters.rest.sandbox.vendors.conditions import Condition, holds
from crm_adapters.rest.sandbox.vendors.definitions import Type
from crm_adapters.rest.sandbox.vendors.store import Refused, Store, Test, Why
from crm_adapters.rest.sandbox.vendors.wire import Answers, answer, object_of, shows
from crm_adapters.sandboxing.tables import Row

_ERRORS: Final[Mapping[Why, tuple[int, str]]] = {
    Why.NO_TABLE: (404, "werkzeug.exceptions.NotFound"),
    Why.NO_ROW: (404, "odoo.exceptions.MissingError"),
    Why.NO_COLUMN: (422, "builtins.ValueError"),
    Why.MISSING: (422, "odoo.exceptions.ValidationError"),
    Why.INVALID: (422, "builtins.ValueError"),
    Why.NO_TARGET: (422, "odoo.exceptions.MissingError"),
    Why.DUPLICATE: (422, "odoo.exceptions.ValidationError"),
    Why.STATE: (422, "odoo.exceptions.UserError"),
    Why.MALFORMED: (422, "werkzeug.exceptions.UnprocessableEntity"),
}
_TTYPES: Final = {
    Type.TEXT: "char",
    Type.NUMBER: "float",
    Type.INTEGER: "integer",
    Type.BOOLEAN: "boolean",
    Type.TIME: "datetime",
    Type.CHOICE: "selection",
    Type.LINK: "many2one",
    Type.CHILDREN: "one2many",
}
_SYSTEM: Final = {"write_date": "changed", "create_date": "created"}
_OPERATORS: Final = {"ilike": "like", "=like": "like", "==": "="}


class OdooWire:
    """The API over the store."""

    def __init__(self, store: Store, credentials: Mapping[str, str]) -> None:
        self._store = store
        self._key = credentials["api_key"]

    def routes(self) -> Sequence[tuple[str, str, Answers]]:
        """Return method, path and what answers it."""
        return [("POST", "/json/2/{model}/{method}", self._call)]

    def admits(self, request: web.Request) -> bool:
        """Say whether the API key counts; the scheme is written in either case."""
        return shows(request, f"bearer {self._key}", f"Bearer {self._key}")

    def not_admitted(self) -> web.Response:
        """Return the answer to a wrong key."""
        return _error(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")

    def refusal(self, refused: Refused) -> web.Response:
        """Return the exception that Odoo would have raised."""
        status, name = _ERRORS[refused.why]
        return _error(status, name, refused.message)

    def message(self, table: str, row: Row, url: str) -> None:
        """Send none."""
        del table, row, url

    def throttled(self, retry_after_s: int) -> web.Response:
        """Return what the cloud's front answers."""
        return _error(
            429, "werkzeug.exceptions.TooManyRequests", "Too many requests", {"Retry-After": str(retry_after_s)}
        )

    async def _call(self, request: web.Request) -> web.Response:
        model, method = request.match_info["model"], request.match_info["method"]
        arguments = await object_of(request)
        if model in {"ir.model", "ir.model.fields"}:
            return answer(self._structure(model, method, arguments))
        self._store.definition(model)
        match method:
            case "create":
                return answer([self._created(model, values) for values in _list(arguments, "vals_list")])
            case "search_read":
                rows = self._found(model, arguments)
                return answer([self._shown(model, row, arguments.get("fields")) for row in rows])
            case "search":
                return answer([row["id"] for row in self._found(model, arguments)])
            case "search_count":
                return answer(len(self._found(model, {**arguments, "limit": None, "offset": 0})))
            case "read":
                rows = [self._store.get(model, str(row_id)) for row_id in _list(arguments, "ids")]
                return answer([self._shown(model, row, arguments.get("fields")) for row in rows])
            case "write":
                for row_id in _list(arguments, "ids"):
                    self._store.update(model, str(row_id), self._stored(model, arguments.get("vals", {})))
                return answer(value=True)
            case _:
                for row_id in _list(arguments, "ids"):
                    self._store.act(model, str(row_id), method)
                return answer(value=True)

    def _structure(self, model: str, method: str, arguments: Mapping[str, Any]) -> list[Any]:
        """Answer what is asked about models and fields, and add fields of ours."""
        if (model, method) == ("ir.model.fields", "create"):
            return [self._added(values) for values in _list(arguments, "vals_list")]
        if method != "search_read":
            raise Refused(Why.NO_TABLE, f"{model} has no method {method!r}")
        wanted = _equals(arguments.get("domain"))
        named = wanted.get("model", "")
        models = [name for name in self._store.models() if name == named]
        if model == "ir.model":
            return [{"id": self._store.models().index(name) + 1, "model": name} for name in models]
        columns = self._store.known_columns(named)
        kept = [column for name, column in columns.items() if name == wanted.get("name", name)]
        return [{"id": number, "name": each.name, "ttype": _TTYPES[each.type]} for number, each in enumerate(kept, 1)]

    def _added(self, values: Mapping[str, Any]) -> int:
        number, name = int(values.get("model_id") or 0), str(values.get("name") or "")
        if not 1 <= number <= len(self._store.models()) or not name.startswith("x_"):
            raise Refused(Why.INVALID, "Custom fields must have a name that starts with 'x_', and a model", column=name)
        self._store.add_column(self._store.models()[number - 1], name, "text")
        return number

    def _created(self, model: str, values: Mapping[str, Any]) -> Any:
        return self._store.create(model, self._stored(model, values))["id"]

    def _stored(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values as the store takes them: commands of one2many fields become the children's values."""
        columns = self._store.columns(model)
        stored: dict[str, Any] = {name: None if value is False else value for name, value in values.items()}
        for name, value in values.items():
            if name in columns and columns[name].type is Type.CHILDREN:
                stored[name] = [_child(name, command) for command in value]
            elif name in columns and columns[name].type is Type.BOOLEAN:
                stored[name] = value
        return stored

    def _found(self, model: str, arguments: Mapping[str, Any]) -> list[Row]:
        test = self._test(model, list(arguments.get("domain") or []))
        order = str(arguments.get("order") or "id").split(",")[0]
        name, _, direction = order.partition(" ")
        rows = self._store.search(model, test, order=f"{_SYSTEM.get(name, name)} {direction}")
        begin, limit = int(arguments.get("offset") or 0), arguments.get("limit")
        return rows[begin:] if limit is None else rows[begin : begin + int(limit)]

    def _test(self, model: str, domain: list[Any]) -> Test:
        """Return the test that a domain in Polish notation says."""
        terms: list[Test] = []
        for term in reversed(domain):
            match term:
                case "&" | "|" as sign if len(terms) >= 2:
                    terms.append(_joined(sign, terms.pop(), terms.pop()))
                case "!" if terms:
                    terms.append(_negated(terms.pop()))
                case [str(column), str(operator), value]:
                    terms.append(self._leaf(model, column, operator, value))
                case _:
                    raise Refused(Why.INVALID, f"Invalid domain: {domain}")
        return lambda row: all(term(row) for term in terms)

    def _leaf(self, model: str, column: str, operator: str, value: Any) -> Test:
        name = _SYSTEM.get(column, column)
        wanted = value.replace(" ", "T") if isinstance(value, str) and column in _SYSTEM else value
        condition = Condition(column=name, operator=_OPERATORS.get(operator, operator), value=wanted)
        if column in _SYSTEM:
            return lambda row: holds(condition, row[name][: len(str(wanted))])
        return self._store.matching(model, [condition])

    def _shown(self, model: str, row: Row, wanted: Any) -> dict[str, Any]:
        columns, sums = self._store.columns(model), self._store.definition(model).sums
        names: list[str] = wanted or [*columns, *sums]
        shown: dict[str, Any] = {"id": row["id"]}
        for name in names:
            if name in _SYSTEM:
                shown[name] = row[_SYSTEM[name]][:19].replace("T", " ")
                continue
            self._store.check_column(model, name)
            shown[name] = self._value(model, row, name)
        return shown

    def _value(self, model: str, row: Row, name: str) -> Any:
        column, value = self._store.columns(model).get(name), row.get(name)
        if column is not None and column.type is Type.CHILDREN:
            return [child["id"] for child in self._store.children(row, column)]
        if value is None:
            return False
        if column is not None and column.type is Type.LINK:
            linked = self._store.get(column.target, str(value))
            return [linked["id"], linked.get("name", "")]
        return value


def _equals(domain: Any) -> dict[str, str]:
    """Return the values that a domain of equalities asks for."""
    terms = msgspec.convert(domain or [], list[tuple[str, str, Any]])
    return {name: str(value) for name, _, value in terms}


def _error(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body: dict[str, Any] = {"name": name, "message": message, "arguments": [message], "context": {}, "debug": ""}
    return answer(body, status, **(headers or {}))


def _list(arguments: Mapping[str, Any], name: str) -> list[Any]:
    value = arguments.get(name)
    if not isinstance(value, list):
        raise Refused(Why.MALFORMED, f"missing a required argument: {name!r}", column=name)
    return msgspec.convert(value, list[Any])


def _child(name: str, command: Any) -> dict[str, Any]:
    match command:
        case [0, _, {**values}]:
            return {str(key): value for key, value in values.items()}
        case _:
            raise Refused(Why.INVALID, f"field {name!r}: expected the command [0, 0, values], got {command!r:.80}")


def _joined(sign: str, first: Test, second: Test) -> Test:
    if sign == "&":
        return lambda row: first(row) and second(row)
    return lambda row: first(row) or second(row)


def _negated(test: Test) -> Test:
    return lambda row: not test(row)
