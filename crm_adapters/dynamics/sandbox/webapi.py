"""The Web API's operations on rows, one at a time or as members of a changeset."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct

from crm_adapters.dynamics.sandbox.actions import ACTIONS, bulk_action
from crm_adapters.dynamics.sandbox.addresses import Resource, below_root, parse_resource, resolve
from crm_adapters.dynamics.sandbox.definitions import USER_ID, add_definition, answer_definitions, answer_privileges
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.errors import DataverseError, absent_record, refuse, unknown_resource
from crm_adapters.dynamics.sandbox.queries import (
    LARGEST_PAGE,
    etag,
    expand,
    next_link,
    render,
    run_query,
    select_of,
)
from crm_adapters.dynamics.sandbox.schema import Table
from crm_adapters.dynamics.sandbox.tracking import PREFERENCE, TOKEN, delta_page, tracked_page
from crm_adapters.dynamics.sandbox.writes import Writer

_PAGE_PREFERENCE: Final = "odata.maxpagesize"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Operation(Struct, frozen=True, kw_only=True):
    """One HTTP request to the service. Header names are lower case; ``root`` ends without a slash."""

    method: str
    address: str
    headers: Mapping[str, str]
    content: bytes
    root: str

    @property
    def query(self) -> dict[str, str]:
        """The query options, decoded."""
        return dict(parse_qsl(urlsplit(self.address).query, keep_blank_values=True))

    @property
    def preferences(self) -> dict[str, str]:
        """The preferences of the Prefer header (RFC 7240)."""
        parts = (part.strip() for part in self.headers.get("prefer", "").split(",") if part.strip())
        pairs = (part.partition("=") for part in parts)
        return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


class Answer(Struct, frozen=True, kw_only=True):
    """One HTTP answer of the service; ``entity`` is the address of the row it is about, for ``$n`` references."""

    status: int
    headers: Mapping[str, str] = {}
    content: bytes = b""
    entity: str = ""


def json_answer(status: int, body: Any, headers: Mapping[str, str] | None = None, entity: str = "") -> Answer:
    """Return an answer with a JSON body; amounts are JSON numbers with all their digits."""
    return Answer(
        status=status,
        headers={"Content-Type": "application/json; odata.metadata=minimal", **(headers or {})},
        content=_ENCODER.encode(body),
        entity=entity,
    )


def error_answer(error: DataverseError) -> Answer:
    """Return the answer that a refusal stands for."""
    return json_answer(error.status, error.body(), error.headers)


class WebApi:
    """Carries out operations against the rows."""

    def __init__(self, environment: Environment, *, strict: bool = False) -> None:
        self._environment = environment
        self._model = environment.model
        self._strict = strict
        self._methods: dict[str, Callable[[Operation, Resource, Mapping[str, str]], Answer]] = {
            "GET": self._get,
            "POST": self._post,
            "PATCH": self._patch,
            "PUT": self._put,
            "DELETE": self._delete,
        }

    def perform(self, operation: Operation) -> Answer:
        """Carry out one operation in a transaction of its own; a refusal is an answer."""
        try:
            with self._environment.tables.transaction():
                return self.apply(operation, {})
        except DataverseError as error:
            return error_answer(error)

    def apply(self, operation: Operation, references: Mapping[str, str]) -> Answer:
        """Carry out one operation inside the caller's transaction.

        Raises:
            DataverseError: it is refused; the caller undoes the transaction.
        """
        method = self._methods.get(operation.method)
        if method is None:
            raise refuse(405, "", f"The HTTP method '{operation.method}' is not supported.")
        path = resolve(operation.address, references).partition("?")[0]
        return method(operation, parse_resource(path), references)

    def _get(self, operation: Operation, resource: Resource, _references: Mapping[str, str]) -> Answer:
        if resource.name == "EntityDefinitions":
            return json_answer(200, answer_definitions(self._model, operation.root, resource, operation.query))
        if resource.name == "WhoAmI":
            return json_answer(200, {"UserId": USER_ID})
        if resource.name == "systemusers":
            return json_answer(200, answer_privileges(self._model, resource))
        table = self._table(resource)
        self._model.require("Read", table.name)
        if not resource.is_single and (TOKEN in operation.query or PREFERENCE in operation.preferences):
            return self._tracked(operation, table)
        if not resource.is_single:
            return self._list(operation, table, self._environment.rows(table.name), table.entity_set)
        row = self._row(table, resource)
        if resource.rest:
            return self._related(operation, table, row, resource)
        if operation.headers.get("if-none-match") == etag(row) and "$expand" not in operation.query:
            return Answer(status=304, headers={"ETag": etag(row)})
        return json_answer(200, self._representation(operation, table, row, expands=True), {"ETag": etag(row)})

    def _related(self, operation: Operation, table: Table, row: Mapping[str, Any], resource: Resource) -> Answer:
        collection = table.collections.get(resource.rest)
        if collection is None:
            raise unknown_resource(resource.rest)
        child = self._model.table(collection.table)
        rows = self._environment.pointing(child.name, f"_{collection.column}_value", str(row[table.primary_id]))
        return self._list(operation, child, rows, below_root(operation.address.partition("?")[0]))

    def _tracked(self, operation: Operation, table: Table) -> Answer:
        address = f"{operation.root}/{table.entity_set}"
        if TOKEN in operation.query:
            body = delta_page(self._environment, table, operation.query, address)
        else:
            body = tracked_page(self._environment, table, operation.query, _page_size(operation), address)
        context = {"@odata.context": f"{operation.root}/$metadata#{table.entity_set}/$delta"}
        return json_answer(200, context | body, {"Preference-Applied": PREFERENCE})

    def _list(self, operation: Operation, table: Table, rows: Any, path: str) -> Answer:
        page_size = _page_size(operation)
        page = run_query(self._environment, table, rows, operation.query, page_size)
        body: dict[str, Any] = {"@odata.context": f"{operation.root}/$metadata#{table.entity_set}"}
        if page.count is not None:
            body["@odata.count"] = page.count
        body["value"] = page.rows
        if page.next_token:
            body["@odata.nextLink"] = next_link(f"{operation.root}/{path}", operation.query, page.next_token)
        applied = (
            {"Preference-Applied": f"{_PAGE_PREFERENCE}={page_size}"}
            if _PAGE_PREFERENCE in operation.preferences
            else {}
        )
        return json_answer(200, body, applied)

    def _post(self, operation: Operation, resource: Resource, references: Mapping[str, str]) -> Answer:
        writer = self._writer(references)
        if resource.name in ACTIONS:
            ACTIONS[resource.name](self._environment, writer, _body(operation))
            return Answer(status=204)
        if resource.name == "EntityDefinitions":
            add_definition(self._model, resource, _body(operation))
            return Answer(status=204, headers={"OData-EntityId": operation.address})
        table = self._table(resource)
        self._model.require("Create", table.name)
        if resource.rest:
            return json_answer(200, bulk_action(self._environment, writer, table, resource.rest, _body(operation)))
        if resource.is_single:
            raise refuse(405, "", "The HTTP method 'POST' is not supported for a single row.")
        row = writer.create(table, _body(operation), {})
        address = f"{operation.root}/{table.entity_set}({row[table.primary_id]})"
        return self._written(operation, table, row, address, created=True)

    def _patch(self, operation: Operation, resource: Resource, references: Mapping[str, str]) -> Answer:
        table = self._single(resource)
        writer = self._writer(references)
        existing = self._find(table, resource)
        self._model.require("Create" if existing is None else "Write", table.name)
        address = f"{operation.root}/{below_root(resolve(operation.address, references).partition('?')[0])}"
        if existing is None:
            self._may_create(operation, table, resource)
            key = {table.primary_id: resource.guid} if resource.guid else resource.key
            row = writer.create(table, _body(operation), key)
            return self._written(operation, table, row, address, created=True)
        _may_update(operation, existing)
        row = writer.update(table, existing, _body(operation))
        return self._written(operation, table, row, address, created=False)

    def _put(self, operation: Operation, resource: Resource, references: Mapping[str, str]) -> Answer:
        table = self._single(resource)
        self._model.require("Write", table.name)
        if resource.rest not in table.columns:
            raise unknown_resource(resource.rest or resource.name)
        row = self._row(table, resource)
        _may_update(operation, row)
        self._writer(references).update(table, row, {resource.rest: _body(operation).get("value")})
        return Answer(status=204)

    def _delete(self, operation: Operation, resource: Resource, references: Mapping[str, str]) -> Answer:
        table = self._single(resource)
        self._model.require("Delete", table.name)
        row = self._row(table, resource)
        _may_update(operation, row)
        writer = self._writer(references)
        if resource.rest in table.columns:
            writer.update(table, row, {resource.rest: None})
        elif resource.rest:
            raise unknown_resource(resource.rest)
        else:
            writer.delete(table, row)
        return Answer(status=204)

    def _may_create(self, operation: Operation, table: Table, resource: Resource) -> None:
        if "if-match" not in operation.headers:
            return
        if resource.guid:
            raise absent_record(table.name, resource.guid)
        self._environment.need(table, resource.key)

    def _written(
        self, operation: Operation, table: Table, row: Mapping[str, Any], address: str, *, created: bool
    ) -> Answer:
        if operation.preferences.get("return") != "representation":
            return Answer(status=204, headers={"OData-EntityId": address, "Location": address}, entity=address)
        body = self._representation(operation, table, row, expands=operation.method == "POST")
        applied = {"Preference-Applied": "return=representation"}
        return json_answer(201 if created else 200, body, applied, entity=address)

    def _representation(
        self, operation: Operation, table: Table, row: Mapping[str, Any], *, expands: bool
    ) -> dict[str, Any]:
        """Return a row as the query wants it; an update ignores ``$expand``, as documented."""
        query = operation.query
        context = {"@odata.context": f"{operation.root}/$metadata#{table.entity_set}/$entity"}
        related = expand(self._environment, table, row, query) if expands else {}
        return context | render(table, row, select_of(table, query)) | related

    def _find(self, table: Table, resource: Resource) -> Mapping[str, Any] | None:
        if resource.guid:
            return self._environment.tables.get(table.name, resource.guid)
        return self._environment.find(table, resource.key)

    def _row(self, table: Table, resource: Resource) -> Mapping[str, Any]:
        if resource.guid:
            return self._environment.get(table.name, resource.guid)
        return self._environment.need(table, resource.key)

    def _table(self, resource: Resource) -> Table:
        table = self._model.of_set(resource.name)
        if table is None:
            raise unknown_resource(resource.name)
        return table

    def _single(self, resource: Resource) -> Table:
        table = self._table(resource)
        if not resource.is_single:
            raise refuse(405, "", "This method needs the address of one row.")
        return table

    def _writer(self, references: Mapping[str, str]) -> Writer:
        return Writer(self._environment, references, strict=self._strict)


def _page_size(operation: Operation) -> int:
    size = operation.preferences.get(_PAGE_PREFERENCE, "")
    return int(size) if size.isdecimal() and int(size) else LARGEST_PAGE


def _may_update(operation: Operation, row: Mapping[str, Any]) -> None:
    if operation.headers.get("if-none-match") == "*":
        raise refuse(412, "", "A record with matching key values already exists.")
    wanted = operation.headers.get("if-match", "*")
    if wanted not in {"*", etag(row)}:
        raise refuse(
            412, "VersionMismatch", "The version of the existing record doesn't match the RowVersion property provided."
        )


def _body(operation: Operation) -> dict[str, Any]:
    try:
        return msgspec.json.decode(operation.content, type=dict[str, Any], strict=True)
    except msgspec.DecodeError as error:
        raise refuse(
            400, "BadPayload", f"Error identified in Payload provided by the user for Entity :'', {error}"
        ) from error
