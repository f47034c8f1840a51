"""The rows: what goes wrong, how a sandbox plays it, and how an order may end that met it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from actors.model.needs import NeedKind
from actors.model.orders import OrderState
from crm_adapters.sandboxing import Fault, FaultAction
from hub.fault_matrix.answers import Answer
from hub.fault_matrix.systems import SETTLE_S, TIMEOUT_S, Flow, Role, System

_A: Final = FaultAction
_S: Final = OrderState
_WELL: Final = frozenset({_S.CONFIRMED})
_REFUSED: Final = frozenset({_S.CONFIRMED, _S.REJECTED})
_GIVEN_UP: Final = frozenset({_S.EXPIRED, _S.DEAD_LETTER, _S.REJECTED})
_ASKED: Final = frozenset({_S.CONFIRMED, _S.DEAD_LETTER})
_FOREVER_S: Final = 60.0
_AWAY_S: Final = 0.6
GIVES_UP_S: Final = 5.0
"""When an order is given up whose trouble never ends."""
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_PAGE: Final = "<!doctype html><title>Sign in</title><p>Please sign in to continue."
_DEEP: Final = 100_000
_HUGE_BYTES: Final = 5 * 1024 * 1024
"""Above the 4 MiB that adapters read."""


class Phase(StrEnum):
    """Which of an order's requests the trouble hits."""

    FIRST = "first"
    """The request of the first try."""
    RETRY = "retry"
    """That of the second; the first was refused for a limit."""
    FOUND = "found"
    """The look-up after an answer was lost: the record is there."""
    ABSENT = "absent"
    """The look-up after a request was lost: there is no record."""

    @property
    def is_look(self) -> bool:
        """Say whether a look-up is hit."""
        return self in {Phase.FOUND, Phase.ABSENT}


_PHASES: Final[dict[Role, frozenset[Phase]]] = {
    Role.RECORD: frozenset(Phase),
    Role.STEP: frozenset({Phase.FIRST, Phase.FOUND}),
    Role.READ: frozenset({Phase.FIRST}),
    Role.SIGN_IN: frozenset({Phase.FIRST}),
}
"""In which phases the requests of a role are hit: the others differ in nothing from those of the record itself."""


class Trouble(Struct, frozen=True, kw_only=True):
    """One thing that goes wrong. ``ends`` are all ways in which an order may end then, ``look_ends`` after a look-up.

    ``on_looks``: a look-up meets it in a way of its own. ``needs_words``: only where the vendor has an answer for it.
    ``for_good``: it never ends, so the order must be given up, with a reason.
    """

    name: str
    fault: Fault
    ends: frozenset[OrderState] = _WELL
    look_ends: frozenset[OrderState] = _WELL
    read_ends: frozenset[OrderState] | None = None
    """After a request that looked for something that the order needs."""
    on_looks: bool = True
    needs_words: bool = False
    needs_tokens: bool = False
    needs_unique_keys: bool = False
    for_good: bool = False
    only_looks: bool = False
    address: str = ""
    """Where the hub takes the CRM to be, and it is not: no request comes to it. ``{port}`` is the CRM's own."""

    def applies(self, system: System, flow: Flow, phase: Phase) -> bool:
        """Say whether this combination is a cell."""
        if self.only_looks and not phase.is_look:
            return False
        if self.address and not (phase is Phase.FIRST and _makes_contact(system, flow)):
            return False
        if self.for_good and phase is Phase.RETRY:
            return False  # the first try is no other
        if phase not in _PHASES[flow.role] or (phase.is_look and not (self.on_looks and flow.look)):
            return False
        if self.needs_words and (self.name not in system.answers or flow.role is Role.SIGN_IN):
            return False
        if self.needs_unique_keys and not system.has_unique_keys:
            return False
        return system.has_tokens or not self.needs_tokens

    def ends_in(self, flow: Flow, phase: Phase) -> frozenset[OrderState]:
        """Return the states in which an order may end that met this."""
        if flow.role is Role.SIGN_IN and not self.for_good:
            return _WELL  # nothing of the order had left
        if flow.role is Role.READ and self.read_ends is not None:
            return self.read_ends
        return self.look_ends if phase.is_look else self.ends

    def said_by(self, answers: Mapping[str, Answer]) -> Fault:
        """Return the fault in the vendor's own words, where it has any."""
        words = answers.get(self.name) or answers.get(self.name.partition("_")[0])
        if words is None or self.fault.action not in {_A.STATUS, _A.STATUS_AFTER}:
            return self.fault
        return replace(self.fault, status=words.status, headers={**words.headers}, body=words.text)


def _makes_contact(system: System, flow: Flow) -> bool:
    """Say whether the request is the first that comes to the CRM at all: offers have come before an order."""
    return flow.need is NeedKind.SERVICE and flow.role is (Role.SIGN_IN if system.has_tokens else Role.RECORD)


def _nowhere(name: str, address: str) -> Trouble:
    return _for_good(Trouble(name=name, fault=Fault(action=_A.SLOW), address=address), name)


def _cut(name: str, action: FaultAction, delay_s: float = 0.0, **others: Any) -> Trouble:
    return Trouble(name=name, fault=Fault(action=action, delay_s=delay_s), **others)


def _after(name: str, action: FaultAction, delay_s: float = 0.0, **others: Any) -> Trouble:
    """Return what differs from its like before the commit only for a request that writes."""
    return _cut(name, action, delay_s, on_looks=False, **others)


def _says(name: str, status: int, body: str = "", headers: Mapping[str, str] | None = None, **others: Any) -> Trouble:
    """Return an answer instead of processing."""
    return Trouble(name=name, fault=_answer(_A.STATUS, status, body, headers), **others)


def _lies(name: str, status: int, body: str = "", headers: Mapping[str, str] | None = None, **others: Any) -> Trouble:
    """Return an answer that says nothing of the commit before it."""
    return Trouble(name=name, fault=_answer(_A.STATUS_AFTER, status, body, headers), **others)


def _answer(action: FaultAction, status: int, body: str, headers: Mapping[str, str] | None) -> Fault:
    return Fault(action=action, status=status, body=body, headers=dict(headers or {}))


def _for_good(trouble: Trouble, name: str, ends: frozenset[OrderState] = _GIVEN_UP) -> Trouble:
    fault = replace(trouble.fault, times=None)
    return replace(trouble, name=name, fault=fault, for_good=True, ends=ends, look_ends=frozenset({_S.DEAD_LETTER}))


def _blind(trouble: Trouble) -> Trouble:
    name = f"{trouble.name.removesuffix('_after')}_for_good"
    blind = _for_good(trouble, name, _GIVEN_UP | _WELL)
    return replace(blind, look_ends=_ASKED | _GIVEN_UP, only_looks=True)


_HANGS: Final = _cut("hang_before", _A.HANG_BEFORE, _FOREVER_S)
_ERROR: Final = _says("500", 500)
_FORBIDS: Final = _says("403", 403, ends=_REFUSED, look_ends=_ASKED)
_SHUTS: Final = _cut("refused", _A.SHUT_BEFORE, _AWAY_S)

_ROWS: Final = (
    # The way to the CRM.
    _SHUTS,
    _after("refused_after", _A.SHUT_AFTER, _AWAY_S),
    _cut("drop_before", _A.DROP_BEFORE),
    _after("drop_after", _A.DROP_AFTER),
    _cut("reset_before", _A.RESET_BEFORE),
    _after("reset_after", _A.RESET_AFTER),
    _HANGS,
    _after("hang_after", _A.HANG_AFTER, _FOREVER_S),
    _cut("torn_after", _A.TORN_AFTER),
    # Time.
    _cut("slow", _A.SLOW, 0.25 * TIMEOUT_S),
    _after("answered_too_late", _A.SLOW, TIMEOUT_S + 0.3 * SETTLE_S),
    _after("late_commit", _A.LATE_COMMIT, 0.4 * SETTLE_S),
    _after("very_late_commit", _A.LATE_COMMIT, 2.0 * SETTLE_S, needs_unique_keys=True),
    _cut("drip_after", _A.DRIP_AFTER, _FOREVER_S),
    # What no CRM answers.
    Trouble(name="huge_after", fault=Fault(action=_A.HUGE_AFTER, size_bytes=_HUGE_BYTES)),
    _lies("cut_json_after", 200, '{"id": "0001", "sta'),
    _lies("empty_after", 200),
    _lies("no_content_after", 204, read_ends=_REFUSED),
    _lies("object_after", 200, "{}", look_ends=_ASKED),
    _lies("array_after", 200, "[]", look_ends=_ASKED, read_ends=_REFUSED),
    _lies("null_after", 200, "null", look_ends=_ASKED),
    _lies("text_after", 200, '"done"', look_ends=_ASKED),
    _lies("deep_json_after", 200, "[" * _DEEP + "]" * _DEEP),
    _lies("false_gzip_after", 200, "{}", {"Content-Encoding": "gzip"}),
    _lies("page_after", 200, _PAGE, _HTML),
    _says("page", 200, _PAGE, _HTML),
    _says("redirect", 307, headers={"Location": "/elsewhere"}),
    _lies("redirect_after", 302, headers={"Location": "/elsewhere"}, on_looks=False),
    # Who we are, and what we may.
    _says("401", 401),
    _cut("token_expired", _A.EXPIRE_TOKENS, needs_tokens=True),
    _FORBIDS,
    # Refusals.
    _says("refused_by_rule", 400, ends=_REFUSED, needs_words=True, on_looks=False),
    _says("404", 404, ends=_REFUSED, look_ends=_ASKED),
    _says("405", 405, ends=_REFUSED, look_ends=_ASKED),
    _says("408", 408),
    _says("409", 409, ends=_REFUSED, look_ends=_ASKED),
    _says("412", 412, ends=_REFUSED, look_ends=_ASKED),
    _says("413", 413, ends=_REFUSED, look_ends=_ASKED),
    _says("row_lock", 409, needs_words=True),
    # Limits.
    _says("429", 429, headers={"Retry-After": "0.3"}),
    _says("429_bare", 429),
    _says("429_by_date", 429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    _for_good(_says("quota", 403, needs_words=True, on_looks=False), "quota"),
    # Its own troubles.
    _ERROR,
    _lies("500_after", 500, on_looks=False),
    _says("502", 502, "<h1>Bad gateway</h1>", _HTML),
    _lies("502_after", 502, "<h1>Bad gateway</h1>", _HTML, on_looks=False),
    _says("503", 503, headers={"Retry-After": "1"}),
    _lies("503_after", 503, on_looks=False),
    _lies("504_after", 504, on_looks=False),
    # What never ends.
    _for_good(replace(_SHUTS, fault=replace(_SHUTS.fault, delay_s=1.5 * GIVES_UP_S)), "refused_for_good"),
    _for_good(_HANGS, "hang_for_good"),
    _for_good(_ERROR, "500_for_good"),
    _for_good(_says("401", 401), "401_for_good"),
    _for_good(_FORBIDS, "403_for_good"),
    _nowhere("no_such_name", "https://crm.invalid"),  # RFC 2606: no name server knows it
    _nowhere("no_tls", "https://127.0.0.1:{port}"),
)
_BLINDING: Final = frozenset({"empty_after", "object_after", "null_after", "text_after", "page", "404"})
"""A look-up that is answered so for ever must not pass for proof that nothing is there."""
TROUBLES: Final = (*_ROWS, *(_blind(row) for row in _ROWS if row.name in _BLINDING))


def named(name: str) -> Trouble:
    """Return the trouble of this name."""
    return next(trouble for trouble in TROUBLES if trouble.name == name)
