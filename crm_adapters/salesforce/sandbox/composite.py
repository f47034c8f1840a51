"""``/composite`` and ``/composite/graph``: several requests in one, later ones naming results of earlier ones.

Source: Salesforce REST API guide, Composite resources.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from crm_adapters.salesforce.sandbox.api import Api, Request
from crm_adapters.salesforce.sandbox.errors import Refusal, Reply, bad_request

MOST_SUBREQUESTS: Final = 25
MOST_QUERIES: Final = 5
MOST_GRAPHS: Final = 75
MOST_NODES: Final = 500
_GRAPH_URL: Final = re.compile(r"/services/data/v\d{2,3}\.0/sobjects/[^/?]+(/[^/?]+){0,2}/?(\?|$)")
_REFERENCE_ID: Final = re.compile(r"[A-Za-z0-9_]+")
_REFERENCE: Final = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_ROLLED_BACK: Final = "The transaction was rolled back since another operation in the same transaction failed."


class _Subrequest(Struct, frozen=True, kw_only=True, rename="camel"):
    method: str
    url: str
    reference_id: str
    body: Any = None
    http_headers: dict[str, str] = {}


class _Composite(Struct, frozen=True, kw_only=True, rename="camel"):
    composite_request: list[_Subrequest]
    all_or_none: bool = False
    collate_subrequests: bool = True


class _Graph(Struct, frozen=True, kw_only=True, rename="camel"):
    graph_id: str
    composite_request: list[_Subrequest]


class _Graphs(Struct, frozen=True, kw_only=True):
    graphs: list[_Graph]


class _RolledBack(Exception):
    """Ends the transaction of a composite whose part failed."""


def answer_composite(api: Api, body: Any) -> Reply:
    """Answer a composite request; 200 even where subrequests failed."""
    try:
        composite = _decoded(body)
    except Refusal as refusal:
        return refusal.reply()
    replies = _all_or_none(api, composite) if composite.all_or_none else _each(api, composite.composite_request)
    pairs = zip(composite.composite_request, replies, strict=True)
    return Reply(status=200, body={"compositeResponse": [_shown(part.reference_id, reply) for part, reply in pairs]})


def answer_graphs(api: Api, body: Any) -> Reply:
    """Answer a graph request: each graph is a transaction of its own; 200 even where graphs failed."""
    try:
        graphs = _decoded_graphs(body)
    except Refusal as refusal:
        return refusal.reply()
    return Reply(status=200, body={"graphs": [_graph(api, graph) for graph in graphs]})


def _graph(api: Api, graph: _Graph) -> dict[str, Any]:
    parts = graph.composite_request
    replies = _all_or_none(api, _Composite(composite_request=parts, all_or_none=True))
    shown = [_shown(part.reference_id, reply) for part, reply in zip(parts, replies, strict=True)]
    succeeded = all(reply.status < 300 for reply in replies)
    return {"graphId": graph.graph_id, "graphResponse": {"compositeResponse": shown}, "isSuccessful": succeeded}


def _decoded_graphs(body: Any) -> list[_Graph]:
    try:
        graphs = msgspec.convert(body, _Graphs).graphs
    except msgspec.ValidationError as error:
        raise bad_request("JSON_PARSER_ERROR", str(error)) from error
    if not 1 <= len(graphs) <= MOST_GRAPHS or len({graph.graph_id for graph in graphs}) != len(graphs):
        raise bad_request("INVALID_INPUT", f"A request has 1 to {MOST_GRAPHS} graphs, each with an id of its own")
    if sum(len(graph.composite_request) for graph in graphs) > MOST_NODES:
        raise bad_request("LIMIT_EXCEEDED", f"A request has at most {MOST_NODES} nodes")
    for graph in graphs:
        _check_names([part.reference_id for part in graph.composite_request])
        if not all(_GRAPH_URL.match(part.url) for part in graph.composite_request):
            raise bad_request("INVALID_INPUT", "Subrequests of a graph are about sObject records only")
    return graphs


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names) or not all(_REFERENCE_ID.fullmatch(name) for name in names):
        raise bad_request("INVALID_INPUT", "referenceId must be unique, of letters, digits and underscores")


def _decoded(body: Any) -> _Composite:
    try:
        composite = msgspec.convert(body, _Composite)
    except msgspec.ValidationError as error:
        raise bad_request("JSON_PARSER_ERROR", str(error)) from error
    names = [part.reference_id for part in composite.composite_request]
    if not 1 <= len(names) <= MOST_SUBREQUESTS:
        raise bad_request("INVALID_INPUT", f"A composite request has 1 to {MOST_SUBREQUESTS} subrequests")
    _check_names(names)
    if sum("/query" in part.url for part in composite.composite_request) > MOST_QUERIES:
        raise bad_request("INVALID_INPUT", f"A composite request has at most {MOST_QUERIES} queries")
    return composite


def _all_or_none(api: Api, composite: _Composite) -> list[Reply]:
    replies: list[Reply] = []
    try:
        with api.organisation.store.transaction():
            replies = _each(api, composite.composite_request)
            _keep_only_if_all_succeeded(replies)
    except _RolledBack:
        culprit = next(index for index, reply in enumerate(replies) if reply.status >= 300)
        return [reply if index == culprit else _halted(_ROLLED_BACK) for index, reply in enumerate(replies)]
    return replies


def _keep_only_if_all_succeeded(replies: list[Reply]) -> None:
    if any(reply.status >= 300 for reply in replies):
        raise _RolledBack


def _each(api: Api, parts: list[_Subrequest]) -> list[Reply]:
    bodies: dict[str, Any] = {}
    replies: list[Reply] = []
    for part in parts:
        reply = _one(api, part, bodies)
        replies.append(reply)
        if reply.status < 300:
            bodies[part.reference_id] = reply.body
    return replies


def _one(api: Api, part: _Subrequest, bodies: dict[str, Any]) -> Reply:
    try:
        url = _filled(part.url, bodies)
        body = _filled(part.body, bodies)
        headers = {name.lower(): value for name, value in part.http_headers.items()}
        return api.answer(Request.to(part.method.upper(), str(url), body=body, headers=headers))
    except _Unresolved as error:
        return _halted(f"Invalid reference specified. No value for {error} found")
    except Refusal as refusal:
        return refusal.reply()


class _Unresolved(Exception):
    """A reference names no result of an earlier subrequest."""


def _filled(value: Any, bodies: dict[str, Any]) -> Any:
    """Return ``value`` with its references, at any depth, replaced by what they name."""
    match value:
        case str():
            whole = _REFERENCE.fullmatch(value)
            if whole is not None:
                return _named(whole, bodies)
            return _REFERENCE.sub(lambda found: str(_named(found, bodies)), value)
        case dict():
            return {name: _filled(inner, bodies) for name, inner in msgspec.convert(value, dict[str, Any]).items()}
        case list():
            return [_filled(inner, bodies) for inner in msgspec.convert(value, list[Any])]
        case _:
            return value


def _named(found: re.Match[str], bodies: dict[str, Any]) -> Any:
    try:
        value = bodies[found[1]]
        for step in _STEP.finditer(found[2]):
            value = value[step[1]] if step[1] else value[int(step[2])]
    except (KeyError, IndexError, TypeError):
        raise _Unresolved(found[0][2:-1]) from None
    return value


def _halted(why: str) -> Reply:
    return bad_request("PROCESSING_HALTED", why).reply()


def _shown(reference_id: str, reply: Reply) -> dict[str, Any]:
    headers = {name: value for name, value in reply.headers.items() if name == "Location"}
    status = {"httpHeaders": headers, "httpStatusCode": reply.status, "referenceId": reference_id}
    return {"body": reply.body, **status}
