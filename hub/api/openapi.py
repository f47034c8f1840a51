"""The OpenAPI 3.1 document of the hub's HTTP interface, made of its routes and of the types that they decode."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from aiohttp import web
from msgspec import Struct

from actors.model.routes import Operation, operation, operation_of
from hub.api.context import answer
from hub.api.problems import PROBLEM_TYPE
from hub.plugins import hub_version

_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_WITH_KEY: Final = frozenset({"POST"})
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body is carried out once, and gets the stored reply again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!#-~]+$"},
}


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error (RFC 9457): what happened, and what to do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    next_step: str = ""


class Undescribed(Exception):
    """A route says nothing of itself."""


def document(routes: Sequence[web.AbstractRoute]) -> dict[str, Any]:
    """Return the document for these routes.

    Raises:
        Undescribed: a handler has no ``operation``.
    """
    described = list(_described(routes))
    schemas, components = _schemas([told for _, _, _, told in described])
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler, told in described:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, handler, told, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "IoT2CRM hub",
            "version": hub_version(),
            "description": "Things that look after their owners. Errors are problem details with a code.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": "things"}, {"name": "owners"}, {"name": "hub"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _problem()},
        },
    }


@operation(reply=dict[str, Any], is_open=True)
async def show_document(request: web.Request) -> web.Response:
    """Return this document."""
    return answer(document(list(request.app.router.routes())))


ROUTES = (web.get("/openapi.json", show_document),)

_Described = tuple[str, str, Any, Operation]


def _described(routes: Sequence[web.AbstractRoute]) -> Iterator[_Described]:
    for route in routes:
        if route.method == "HEAD" or route.resource is None:
            continue
        told = operation_of(route.handler)
        if told is None:
            raise Undescribed(f"{route.method} {route.resource.canonical}: its handler has no operation(...)")
        yield route.resource.canonical, route.method, route.handler, told


def _schemas(told: Sequence[Operation]) -> tuple[Mapping[Any, Any], dict[str, Any]]:
    """Return the schema of every type that is taken or given, and the components they refer to."""
    types = list(dict.fromkeys([*(o.body for o in told), *(o.reply for o in told), ProblemDetails]))
    types = [of_type for of_type in types if of_type is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, map(_portable, schemas), strict=True)), _portable(components)


def _operation(path: str, method: str, handler: Any, told: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    summary = (inspect.getdoc(handler) or "").partition("\n")[0]
    shown: dict[str, Any] = {
        "summary": summary,
        "operationId": _operation_id(path, method),
        "tags": [_tag(path)],
        "parameters": [*_parameters(path, told), *([_KEY] if method in _WITH_KEY else [])],
        "responses": _responses(told, schemas),
    }
    content: dict[str, Any] = {media: {"schema": {}} for media in told.media}
    if told.body is not None:
        content = {_JSON: {"schema": schemas[told.body]}, **content}
    if content and method != "GET":
        shown["requestBody"] = {"required": True, "content": content}
    if told.is_open:
        shown["security"] = []
    return shown


def _parameters(path: str, told: Operation) -> Iterator[dict[str, Any]]:
    for name in _IN_PATH.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for name, says in told.query.items():
        yield {"name": name, "in": "query", "required": False, "description": says, "schema": {"type": "string"}}


def _responses(told: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {"default": {"$ref": "#/components/responses/Problem"}}
    for status in told.status:
        given[str(status)] = {"description": "Done" if status < 202 else "Taken"}
        if status != 204:
            schema: dict[str, Any] = schemas[told.reply] if told.reply is not None and status < 202 else {}
            given[str(status)]["content"] = {told.reply_media: {"schema": schema}}
    return given


def _problem() -> dict[str, Any]:
    return {
        "description": "A problem, with its code and the next step",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": _REF.format(name="ProblemDetails")}}},
    }


def _operation_id(path: str, method: str) -> str:
    return "_".join([method.lower(), *re.findall(r"\w+", path)])


def _tag(path: str) -> str:
    if path.startswith(("/things", "/.well-known")):
        return "things"
    return "owners" if path.startswith("/api/") else "hub"


def _portable(schema: Any) -> Any:
    """Return a schema whose patterns every reader understands: Python has a word of its own for the end of a text."""
    if isinstance(schema, dict):
        inner = cast("dict[str, Any]", schema)
        return {name: _portable_pattern(part) if name == "pattern" else _portable(part) for name, part in inner.items()}
    if isinstance(schema, list | tuple):
        return [_portable(part) for part in cast("list[Any]", schema)]
    return schema


def _portable_pattern(pattern: Any) -> Any:
    return pattern.replace("\\Z", "$") if isinstance(pattern, str) else _portable(pattern)
