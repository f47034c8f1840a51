"""Messages that a CRM sends by itself: who sent one is proved, and what it is about is read again. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.orders import RecordKind
from actors.model.outcomes import Permanent
from actors.model.secrets import Secret
from actors.ports import Webhook
from crm_adapters.rest.expressions import ExpressionError
from crm_adapters.rest.manifest import SharedHeader, Signature
from crm_adapters.rest.program import CompiledHook, Program
from crm_adapters.rest.templates import values_of

_MOST: Final = 500
"""Events of one message; who sends more sends them again."""

_LONGEST_CHALLENGE: Final = 512


class Hint(Struct, frozen=True, kw_only=True):
    """Which record a message is about: by our key, or by the CRM's own id."""

    kind: RecordKind
    key: str | None
    record_id: str | None


def hints_of(program: Program, secret: Secret, message: Webhook, now_s: float) -> tuple[Hint, ...] | Permanent:
    """Return what a message is about, each record once; ``Permanent`` where it is not proved to be the CRM's."""
    hook, declared = program.hook, program.manifest.webhook
    if hook is None or declared is None:
        return Permanent(code="no_webhooks", message="the manifest takes no messages")
    seen = {
        "headers": message.headers,
        "query": message.query,
        "text": _text(message.body),
        "config": program.variables,
    }
    try:
        refused = _refused(declared.verify, hook, secret, seen, now_s)
        if refused is not None:
            return Permanent(code="not_proved", message=refused)
        seen["body"] = msgspec.json.decode(message.body)
        events = hook.events.value(seen)
        if not isinstance(events, list):
            return Permanent(code="unreadable", message="the message holds no events where the manifest says")
        hints = [_hint(program, hook, {**seen, "item": event}) for event in values_of(events)[:_MOST]]
    except (ExpressionError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Permanent(code="unreadable", message=f"the message cannot be read: {type(error).__name__}")
    return tuple(dict.fromkeys(hint for hint in hints if hint is not None))


def challenge_of(program: Program, message: Webhook) -> str:
    """Return what a CRM wants to read that only asks whether somebody listens; nothing for any other message."""
    hook = program.hook
    if hook is None or hook.challenge is None:
        return ""
    seen = {
        "headers": message.headers,
        "query": message.query,
        "text": _text(message.body),
        "config": program.variables,
    }
    try:
        wanted = hook.challenge.value({**seen, "body": msgspec.json.decode(message.body or b"{}")})
    except (ExpressionError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return wanted if isinstance(wanted, str) and len(wanted) <= _LONGEST_CHALLENGE else ""


def _refused(
    verify: SharedHeader | Signature, hook: CompiledHook, secret: Secret, seen: Mapping[str, Any], now_s: float
) -> str | None:
    """Return why a message is not proved to be the CRM's."""
    shown = str(seen["headers"].get(verify.header.lower(), ""))
    if not shown.startswith(verify.prefix) or not secret:
        return f"the message has no {verify.header}"
    shown = shown.removeprefix(verify.prefix)
    if isinstance(verify, SharedHeader):
        return None if _same(shown, secret.reveal()) else f"{verify.header} is not the secret that was agreed"
    if hook.signed is None or not _same(shown, _signature(verify, str(hook.signed.value(seen)), secret)):
        return f"{verify.header} is no signature of this message"
    sent_s = None if hook.timestamp is None else float(hook.timestamp.value(seen))
    if sent_s is not None and abs(now_s - sent_s) > verify.tolerance_s:
        return f"the message was signed more than {verify.tolerance_s:g} s ago"
    return None


def _signature(verify: Signature, signed: str, secret: Secret) -> str:
    algorithm = {"sha256": hashlib.sha256, "sha1": hashlib.sha1, "sha512": hashlib.sha512}[verify.algorithm]
    digest = hmac.new(secret.reveal().encode(), signed.encode(), algorithm).digest()
    return base64.b64encode(digest).decode() if verify.encoding == "base64" else digest.hex()


def _hint(program: Program, hook: CompiledHook, seen: Mapping[str, Any]) -> Hint | None:
    """Return what one event is about; None where it does not concern us."""
    declared = program.manifest.webhook
    kind = None if declared is None else declared.kinds.get(str(hook.kind.value(seen)))
    key = None if hook.key is None else hook.key.value(seen)
    record_id = None if hook.record_id is None else hook.record_id.value(seen)
    if kind is None or (not key and not record_id):
        return None
    return Hint(kind=kind, key=str(key) if key else None, record_id=str(record_id) if record_id else None)


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _same(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode(), expected.encode())
