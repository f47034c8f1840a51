"""ServiceNow's Table API: encoded queries, every value a text, references with links, counts in headers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from crm_adapters.rest.sandbox.vendors.conditions import Condition
from crm_adapters.rest.sandbox.vendors.definitions import Type
from crm_adapters.rest.sandbox.vendors.store import Refused, Store, Test, Why
from crm_adapters.rest.sandbox.vendors.wire import Answers, answer, basic_of, number_of, object_of
from crm_adapters.sandboxing.tables import Row

_PATHS: Final = ("/api/now/table/{table}", "/api/now/v2/table/{table}")
_STATUS: Final[Mapping[Why, int]] = {
    Why.NO_TABLE: 400,
    Why.NO_ROW: 404,
    Why.MISSING: 403,  # a data policy
    Why.INVALID: 403,
    Why.NO_TARGET: 403,
    Why.DUPLICATE: 403,
    Why.STATE: 403,
    Why.NO_COLUMN: 400,
    Why.MALFORMED: 400,
}
_TIMES: Final = {"sys_updated_on": "changed", "sys_created_on": "created"}
_TERM: Final = re.compile(r"^([a-z_.]+)(!=|>=|<=|>|<|=|IN|LIKE|ISNOTEMPTY|ISEMPTY)(.*)$", re.DOTALL)
_DICTIONARY: Final = "sys_dictionary"


class ServiceNowWire:
    """The API over the store."""

    def __init__(self, store: Store, credentials: Mapping[str, str]) -> None:
        self._store = store
        self._pair = f"{credentials['username']}:{credentials['password']}"

    def routes(self) -> Sequence[tuple[str, str, Answers]]:
        """Return method, path and what answers it."""
        routes: list[tuple[str, str, Answers]] = []
        for path in _PATHS:
            routes += [("GET", path, self._list), ("POST", path, self._create)]
            routes += [("GET", f"{path}/{{id}}", self._read), ("PATCH", f"{path}/{{id}}", self._update)]
            routes += [("PUT", f"{path}/{{id}}", self._update)]
        return routes

    def admits(self, request: web.Request) -> bool:
        """Say whether user and password count."""
        return basic_of(request) == self._pair

    def not_admitted(self) -> web.Response:
        """Return the answer to a stranger."""
        headers = {"WWW-Authenticate": 'BASIC realm="Service-now"'}
        return _error(401, "User is not authenticated", "Required to provide Auth information", headers)

    def refusal(self, refused: Refused) -> web.Response:
        """Return the answer to what the store refuses."""
        if refused.why is Why.NO_ROW:
            return _error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        if refused.why is Why.NO_TABLE:
            return _error(400, "Invalid table", refused.message)
        return _error(_STATUS[refused.why], "Operation Failed", refused.message)

    def message(self, table: str, row: Row, url: str) -> None:
        """Send none."""
        del table, row, url

    def throttled(self, retry_after_s: int) -> web.Response:
        """Return the answer to a broken rate limit rule."""
        headers = {"Retry-After": str(retry_after_s), "X-RateLimit-Rule": "sandbox"}
        return _error(429, "Rate limit exceeded", "Reached the limit of requests of this rule", headers)

    async def _create(self, request: web.Request) -> web.Response:
        if request.match_info["table"] == _DICTIONARY:
            return self._defined(await object_of(request))
        table, sent = self._table(request), await object_of(request)
        row = self._store.create(table, self._known(table, sent))
        location = f"{request.url.origin()}{request.path}/{row['id']}"
        return answer({"result": self._shown(table, row, request)}, 201, Location=location)

    async def _read(self, request: web.Request) -> web.Response:
        table = self._table(request)
        row = self._store.get(table, request.match_info["id"])
        return answer({"result": self._shown(table, row, request)})

    async def _update(self, request: web.Request) -> web.Response:
        table, sent = self._table(request), await object_of(request)
        row = self._store.update(table, request.match_info["id"], self._known(table, sent))
        return answer({"result": self._shown(table, row, request)})

    def _defined(self, sent: Mapping[str, Any]) -> web.Response:
        """Add a column to a table, as a record of the dictionary."""
        table, name = str(sent.get("name", "")), str(sent.get("element", ""))
        if not name.startswith("u_"):
            raise Refused(Why.INVALID, "element: columns of ours begin with u_", column=name)
        self._store.add_column(table, name, "text")
        return answer({"result": {"name": table, "element": name, "internal_type": "string"}}, 201)

    def _dictionary(self, query: str) -> web.Response:
        """Return the dictionary's records of one column."""
        wanted = dict(term.split("=", 1) for term in query.split("^") if "=" in term)
        table, name = wanted.get("name", ""), wanted.get("element", "")
        known = self._store.known_columns(table)
        rows = [{"name": table, "element": name, "internal_type": "string"}] if name in known else []
        return answer({"result": rows}, 200, **{"X-Total-Count": str(len(rows))})

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query.get("sysparm_query", "")
        if request.match_info["table"] == _DICTIONARY:
            return self._dictionary(query)
        table = self._table(request)
        order = next((term for term in query.split("^") if term.startswith("ORDERBY")), "")
        name = order.removeprefix("ORDERBYDESC").removeprefix("ORDERBY")
        direction = " desc" if order.startswith("ORDERBYDESC") else ""
        rows = self._store.search(
            table, self._test(table, query), order=_TIMES.get(name, name or "created") + direction
        )
        begin, limit = number_of(request, "sysparm_offset", 0), number_of(request, "sysparm_limit", 10_000)
        headers = {"X-Total-Count": str(len(rows))}
        if begin + limit < len(rows) and request.query.get("sysparm_suppress_pagination_header") != "true":
            following = request.url.update_query({"sysparm_offset": begin + limit})
            headers["Link"] = f'<{following}>;rel="next"'
        shown = [self._shown(table, row, request) for row in rows[begin : begin + limit]]
        return answer({"result": shown}, 200, **headers)

    def _test(self, table: str, query: str) -> Test:
        """Return the test that an encoded query says: ^ joins, ^OR offers another, ^NQ begins anew."""
        groups = [self._conjunction(table, group) for group in query.split("^NQ")]
        return lambda row: any(group(row) for group in groups)

    def _conjunction(self, table: str, group: str) -> Test:
        tests: list[list[Test]] = []
        for term in filter(None, group.split("^")):
            if term.startswith("ORDERBY") or term == "EQ":
                continue
            if term.startswith("OR") and tests and _TERM.match(term.removeprefix("OR")):
                tests[-1].append(self._term(table, term.removeprefix("OR")))
            else:
                tests.append([self._term(table, term)])
        return lambda row: all(any(test(row) for test in choices) for choices in tests)

    def _term(self, table: str, term: str) -> Test:
        found = _TERM.match(term)
        if found is None:
            raise Refused(Why.MALFORMED, f"Unknown term {term!r} in the query")
        name, operator, value = found.groups()
        column = "id" if name == "sys_id" else _TIMES.get(name, name)
        wanted: Any = value.split(",") if operator == "IN" else value
        if name in _TIMES:
            wanted = value.replace(" ", "T")
        operators = {"IN": "in", "LIKE": "like", "ISNOTEMPTY": "!=", "ISEMPTY": "="}
        condition = Condition(column=column, operator=operators.get(operator, operator), value=wanted)
        return self._store.matching(table, [condition])

    def _known(self, table: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that the table has: the Table API passes over what it does not know."""
        columns = self._store.columns(table)
        return {name: value for name, value in sent.items() if name in columns}

    def _shown(self, table: str, row: Row, request: web.Request) -> dict[str, Any]:
        columns, sums = self._store.columns(table), self._store.definition(table).sums
        wanted = [name for name in request.query.get("sysparm_fields", "").split(",") if name]
        times = {name: row[stored][:19].replace("T", " ") for name, stored in _TIMES.items()}
        full: dict[str, Any] = {"sys_id": str(row["id"]), **times}
        for name in (*columns, *sums):
            column, value = columns.get(name), row.get(name)
            plain = "" if value is None else str(value)
            if column is not None and column.type is Type.LINK and plain:
                link = f"{request.url.origin()}/api/now/table/{column.target}/{plain}"
                bare = request.query.get("sysparm_exclude_reference_link") == "true"
                full[name] = plain if bare else {"link": link, "value": plain}
            else:
                full[name] = plain
        if request.query.get("sysparm_display_value") == "all":
            full = {name: {"display_value": value, "value": value} for name, value in full.items()}
        return {name: full[name] for name in wanted if name in full} if wanted else full

    def _table(self, request: web.Request) -> str:
        table = request.match_info["table"]
        self._store.definition(table)
        return table


def _error(status: int, message: str, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return answer(body, status, **(headers or {}))
