"""What is asked, and what an answer means: the first rule that holds, and HTTP where none does. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from actors.model.outcomes import Ambiguous, AuthFailed, Conflict, Failure, Permanent, Throttled, Transient
from crm_adapters.rest import templates
from crm_adapters.rest.expressions import Expression, ExpressionError, NotShown
from crm_adapters.rest.manifest import Idempotency, Meaning
from crm_adapters.rest.program import CompiledOperation, CompiledRequest, CompiledRule
from crm_adapters.rest.templates import Render
from crm_adapters.transport import Call, Reply, judge, lost, retry_after_s

Context = Mapping[str, Any]
_TEXT_CAP = 400
_TEXT_KEYS = ("message", "detail", "error_description", "error", "title", "errors")


class Answer(Struct, frozen=True, kw_only=True):
    """A final answer that is no failure: ``meaning`` is success, duplicate or absent."""

    meaning: Meaning
    context: Context
    by_rule: bool = False
    """A rule of the manifest says so, not HTTP alone."""


def request(asked: CompiledRequest, base_url: str, context: Context, *, writes: bool) -> Call:
    """Return a request, filled in.

    Raises:
        ExpressionError: a value cannot be had from what was given; nothing may be sent.
    """
    return Call(
        method=asked.method,
        url=base_url + asked.path(context),
        writes=writes,
        query=asked.query(context),
        headers={name: templates.header_text(make(context)) for name, make in asked.headers.items()},
        json=None if asked.body is None else asked.body(context),
        form=None if asked.form is None else _form(asked.form, context),
        is_encoded=True,
    )


def read(asked: CompiledRequest, call: Call, reply: Reply, context: Context) -> Answer | Failure:
    """Return what a reply means: unreadable ones first, then the first rule that holds, then what HTTP says."""
    if (reply.ok and reply.malformed) or 300 <= reply.status < 400:
        return judge(call, reply) or lost(call, f"answered {reply.status}")
    seen = {**context, "status": reply.status, "headers": reply.headers, "body": reply.body}
    try:
        rule = next((rule for rule in asked.rules if rule.when.value(seen)), None)
        if rule is not None:
            return _by_rule(rule, reply, seen)
    except ExpressionError as error:
        return unreadable(call, error)
    failure = judge(call, reply) or _without_content(call, reply)
    return failure or _by_status(asked, call, reply, seen)


def found(expression: Expression, answer: Answer, *, of_record: bool = False) -> Any:
    """Return what an answer shows of what was looked for; None only where it says that there is nothing.

    Of a record even the place where it would stand must be there, so that no stray answer passes for its absence. A
    search that finds nothing says so by an empty list: by 404 it says that there is no such search.

    Raises:
        ExpressionError: the answer does not say.
    """
    if answer.meaning is not Meaning.ABSENT:
        return expression.shown(answer.context) if of_record else expression.sought(answer.context)
    if expression.is_search and not answer.by_rule and answer.context["status"] != 204:
        raise NotShown(f"{expression.text!r}: a search was answered {answer.context['status']}")
    return None


def nodes_of(operation: CompiledOperation, answer: Answer) -> list[Any]:
    """Return the elements of the list that an answer holds.

    Raises:
        ExpressionError: there is no list where the manifest says.
    """
    found: Any = None if operation.items is None else operation.items.value(answer.context)
    if not isinstance(found, list):
        raise ExpressionError(f"items {'' if operation.items is None else operation.items.text!r} is no list")
    return templates.values_of(found)


def unreadable(call: Call, error: Exception) -> Failure:
    """Return what it means that a manifest cannot make sense of a complete answer."""
    if call.writes or isinstance(error, NotShown):
        return lost(call, f"the answer does not fit the manifest: {error}")
    return Permanent(code="unreadable_answer", message=f"the answer does not fit the manifest: {error}")


def text_of(reply: Reply) -> str:
    """Return the text with which a CRM explains itself, wherever it usually stands."""
    text = _said_in(reply.body) or reply.content.decode("utf-8", errors="replace").strip()
    return text[:_TEXT_CAP] or f"answered {reply.status} without a text"


def said(expression: Expression | None, seen: Context) -> str | None:
    """Return the value of an expression as text; None where there is no expression or no value."""
    value = None if expression is None else expression.value(seen)
    return None if value is None else str(value)


def _form(form: Mapping[str, Render], context: Context) -> dict[str, str]:
    values = {name: make(context) for name, make in form.items()}
    optional = templates.OPTIONAL
    kept = {name: value for name, value in values.items() if not (name.endswith(optional) and value is None)}
    return {name.removesuffix(optional): templates.scalar_text(value) for name, value in kept.items()}


def _by_rule(rule: CompiledRule, reply: Reply, seen: Context) -> Answer | Failure:
    message = said(rule.message, seen) or text_of(reply)
    match rule.outcome:
        case Meaning.SUCCESS | Meaning.DUPLICATE | Meaning.ABSENT:
            return Answer(meaning=rule.outcome, context=seen, by_rule=True)
        case Meaning.TRANSIENT:
            return Transient(reason=message)
        case Meaning.THROTTLED:
            asked = said(rule.retry_after, seen)
            headers = reply.headers if asked is None else {**reply.headers, "retry-after": asked}
            return Throttled(retry_after_s=retry_after_s(headers), reason=message)
        case Meaning.CONFLICT:
            return Conflict(reason=message)
        case Meaning.AMBIGUOUS:
            return Ambiguous(reason=message)
        case Meaning.PERMANENT:
            code = said(rule.code, seen) or str(reply.status)
            return Permanent(code=code, message=message, field=said(rule.field, seen))
        case Meaning.AUTH_FAILED:
            return AuthFailed(reason=message)


def _without_content(call: Call, reply: Reply) -> Failure | None:
    """Nothing where a look-up's answer should be proves nothing; 204 says that it is meant."""
    if call.writes or not reply.ok or reply.status == 204 or reply.content.strip():
        return None
    return lost(call, f"answered {reply.status} without content")


def _by_status(asked: CompiledRequest, call: Call, reply: Reply, seen: Context) -> Answer | Failure:
    if reply.status in {204, 404, 410} and not call.writes:
        return Answer(meaning=Meaning.ABSENT, context=seen)
    if reply.ok:
        return Answer(meaning=Meaning.SUCCESS, context=seen)
    if reply.status in {401, 403}:
        return AuthFailed(reason=f"{reply.status}: {text_of(reply)}")
    if reply.status == 412 and asked.idempotency is Idempotency.CREATE_ONLY:  # RFC 9110 section 13.1.2
        return Answer(meaning=Meaning.DUPLICATE, context=seen)
    return Permanent(code=str(reply.status), message=text_of(reply))


def _said_in(body: Any) -> str | None:
    match body:
        case str():
            return body
        case [first, *_]:
            return _said_in(first)
        case dict():
            found = (_said_in(body[key]) for key in _TEXT_KEYS if key in body)
            return next((text for text in found if text), None)
        case _:
            return None
