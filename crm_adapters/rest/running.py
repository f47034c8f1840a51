"""Running an operation: what comes before, its own request, its further pages."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from actors.model.outcomes import Ambiguous, Failure, Permanent, Transient
from actors.ports import Clock
from crm_adapters.redaction import Redactor
from crm_adapters.rest import answers, templates
from crm_adapters.rest.answers import Answer
from crm_adapters.rest.expressions import ExpressionError, NotShown, plain
from crm_adapters.rest.manifest import Meaning, Pages
from crm_adapters.rest.program import CompiledBefore, CompiledOperation, CompiledPages, CompiledRequest, Program
from crm_adapters.transport import Call, Exchange, Reply

Context = Mapping[str, Any]
_CACHED_MOST: Final = 2000


class Value(Struct, frozen=True, kw_only=True):
    """What a look-up gave."""

    value: Any


class Listed(Struct, frozen=True, kw_only=True):
    """All elements of all pages, and the last answer."""

    nodes: list[Any]
    answer: Answer
    call: Call


class Runner:
    """Sends the requests of operations and judges their answers."""

    def __init__(self, program: Program, base_url: str, send: Exchange, *, clock: Clock, redactor: Redactor) -> None:
        self._program = program
        self._base_url = base_url
        self._send = send
        self._clock = clock
        self._redactor = redactor
        self._cached: dict[tuple[str, bytes], tuple[float, Any]] = {}

    def context(self, value: Any) -> Context:
        """Return what an operation's expressions see at first."""
        return {"in": plain(value), "config": self._program.variables, "found": {}, "record": None, "raw": None}

    async def prepared(self, operation: CompiledOperation, context: Context) -> Context | Failure:
        """Return the context with what was found before the operation's own request. Nothing of it is there yet."""
        for step in operation.before:
            try:
                found = await self._before(operation, step, context)
            except ExpressionError as error:
                return Permanent(code="mapping", message=f"before, {step.name}: {error}")
            if not isinstance(found, Value):
                return Transient(reason=found.reason) if isinstance(found, Ambiguous) else found
            context = {**context, "found": {**context["found"], step.name: found.value}}
        return context

    async def ask(
        self, operation: CompiledOperation, context: Context, *, writes: bool
    ) -> tuple[Call, Answer | Failure]:
        """Prepare, send the operation's own request and judge its answer."""
        ready = await self.prepared(operation, context)
        if isinstance(ready, Mapping):
            return await self.send(operation.request, ready, writes=writes)
        return self._unsent(operation.request), ready

    async def send(self, asked: CompiledRequest, context: Context, *, writes: bool) -> tuple[Call, Answer | Failure]:
        """Send one request and judge its answer."""
        try:
            call = answers.request(asked, self._base_url, context, writes=writes)
        except ExpressionError as error:
            return self._unsent(asked), Permanent(code="mapping", message=f"nothing was sent: {error}")
        return call, await self._exchanged(asked, call, context)

    async def all_pages(self, operation: CompiledOperation, context: Context) -> Listed | Failure:
        """Return the elements of all pages of a list."""
        ready = await self.prepared(operation, context)
        if not isinstance(ready, Mapping):
            return ready
        nodes: list[Any] = []
        call, answer = await self.send(operation.request, ready, writes=False)
        number = 1
        while True:
            if not isinstance(answer, Answer):
                return answer
            following = self._following(operation, call, answer, nodes, number)
            if isinstance(following, Listed | Permanent | Transient):
                return following
            call, number = following, number + 1
            answer = await self._exchanged(operation.request, call, ready)

    def _following(
        self, operation: CompiledOperation, call: Call, answer: Answer, nodes: list[Any], number: int
    ) -> Call | Listed | Permanent | Transient:
        """Add a page's elements to ``nodes``, and return the request for the next one, or all when there is none."""
        try:
            page = [] if answer.meaning is Meaning.ABSENT else answers.nodes_of(operation, answer)
            nodes += page
            pages = operation.pages
            if pages is None or answer.meaning is Meaning.ABSENT:
                return Listed(nodes=nodes, answer=answer, call=call)
            seen = {**answer.context, "page": {"number": number, "count": len(nodes), "size": len(page)}}
            wanted = pages.following.value(seen)
            if wanted in (None, False, ""):
                return Listed(nodes=nodes, answer=answer, call=call)
            return self._turned(pages, call, wanted, number)
        except ExpressionError as error:
            return Permanent(code="unreadable_answer", message=f"the answer does not fit the manifest: {error}")

    def _turned(self, pages: CompiledPages, call: Call, wanted: Any, number: int) -> Call | Permanent:
        if number >= pages.declared.most:
            message = f"more than {number} pages; ask for less, or raise most in the manifest's pages"
            return Permanent(code="too_many_pages", message=message)
        return next_page(pages.declared, call, wanted)

    async def _before(self, operation: CompiledOperation, step: CompiledBefore, context: Context) -> Value | Failure:
        if step.when is not None and not step.when.value(context):
            return Value(value=None)
        if step.foreach is None:
            return await self._one(operation, step, context)
        values: list[Any] = []
        for index, item in enumerate(step.foreach.value(context) or []):
            found = await self._one(operation, step, {**context, "item": item, "index": index})
            if not isinstance(found, Value):
                return found
            values.append(found.value)
        return Value(value=values)

    async def _one(self, operation: CompiledOperation, step: CompiledBefore, context: Context) -> Value | Failure:
        call = answers.request(step.request, self._base_url, context, writes=False)
        place = (f"{operation.name}.{step.name}", _identity(call))
        until, value = self._cached.get(place, (float("-inf"), None))
        if self._clock.monotonic() < until:
            return Value(value=value)
        answer = await self._exchanged(step.request, call, context)
        if not isinstance(answer, Answer):
            return answer
        try:
            value = answers.found(step.value, answer)
        except NotShown as error:
            return answers.unreadable(call, error)
        if value is None and step.missing is not None:
            return Permanent(code=f"no_{step.name}", message=str(step.missing(context)), field=step.name)
        if step.cache_s and value is not None:
            self._keep(place, self._clock.monotonic() + step.cache_s, value)
        return Value(value=value)

    async def _exchanged(self, asked: CompiledRequest, call: Call, context: Context) -> Answer | Failure:
        reply = await self._send.exchange(call)
        if isinstance(reply, Reply) and not reply.ok:
            reply = self._redactor.cleaned_reply(reply)
        judged = answers.read(asked, call, reply, context) if isinstance(reply, Reply) else reply
        return judged if isinstance(judged, Answer) else self._redactor.cleaned(judged)

    def _keep(self, place: tuple[str, bytes], until: float, value: Any) -> None:
        if len(self._cached) >= _CACHED_MOST:
            self._cached.clear()
        self._cached[place] = (until, value)

    def _unsent(self, asked: CompiledRequest) -> Call:
        return Call(method=asked.method, url=self._base_url, writes=False)


def next_page(pages: Pages, call: Call, wanted: Any) -> Call | Permanent:
    """Return the request for the next page: with a parameter, with a header, or at an address of the same host."""
    if pages.parameter is not None:
        kept = [(name, value) for name, value in _pairs(call) if name != pages.parameter]
        return replace(call, query=[*kept, (pages.parameter, templates.scalar_text(wanted))])
    if pages.argument is not None:
        return replace(call, json={**dict(templates.items_of(call.json or {})), pages.argument: wanted})
    if pages.header is not None:
        return replace(call, headers={**call.headers, pages.header: templates.header_text(wanted)})
    here = URL(call.url, encoded=True)
    try:
        there = here.join(URL(str(wanted)))
    except ValueError:
        return Permanent(code="foreign_link", message="the next page is said to be at what is no address")
    if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port) or there.user is not None:
        return Permanent(code="foreign_link", message=f"the next page is said to be at another host ({there.host})")
    return replace(call, url=str(there), query=())


def _pairs(call: Call) -> list[tuple[str, str]]:
    return list(call.query.items()) if isinstance(call.query, Mapping) else list(call.query)


def _identity(call: Call) -> bytes:
    return msgspec.json.encode((call.method, call.url, _pairs(call), call.json, call.form))
