"""Set-up help: what a CRM lacks before things can order there, and what can be done about it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from msgspec import Struct

from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    AuthFailed,
    Capabilities,
    Changes,
    ChangesOutcome,
    Failure,
    FindOutcome,
    Found,
    Permanent,
    Throttled,
    Unsupported,
)
from actors.ports import CrmAdapter
from crm_adapters.proving import Preview, said_of

NOBODYS: Final = OrderKey("I2CCHECK000000000000000000000")
"""Letters and digits as every key of ours; no order ever gets it."""
_KINDS: Final = {
    RecordKind.ORDER: "orders",
    RecordKind.SERVICE: "service",
    RecordKind.APPOINTMENT: "appointments",
    RecordKind.RETURN: "returns",
}


class Verdict(StrEnum):
    """How one point of a check came out."""

    FINE = "fine"
    UNSURE = "unsure"
    """Things can order, but a person should look at it."""
    WRONG = "wrong"


class Finding(Struct, frozen=True, kw_only=True):
    """One point of a check: what it is about, what was found and expected, and what mends it."""

    about: str
    verdict: Verdict
    found: str
    expected: str
    remedy: str = ""


@runtime_checkable
class Checks(Protocol):
    """An adapter that can look whether its CRM has what it needs. Nothing is left behind in the CRM."""

    async def check(self) -> Sequence[Finding]:
        """Return every point, those that are fine too; it ends early only where nothing more can be seen."""
        ...


class StepState(StrEnum):
    """What became of one thing that the CRM needs."""

    THERE = "there"
    MADE = "made"
    WANTED = "wanted"
    """Shown, not sent."""
    BY_HAND = "by_hand"
    """The vendor's API cannot do it, or is not allowed to: a person does."""
    FAILED = "failed"


class Step(Struct, frozen=True, kw_only=True):
    """One thing that the CRM needs, what became of it, and the requests that make it."""

    about: str
    state: StepState
    said: str = ""
    requests: tuple[Preview, ...] = ()


@runtime_checkable
class Prepares(Protocol):
    """An adapter that can make what its CRM needs."""

    def preparation(self) -> Sequence[Step]:
        """Return all that a CRM without any of it needs, ``WANTED`` or ``BY_HAND``; nothing is sent."""
        ...

    async def prepare(self) -> Sequence[Step]:
        """Make what is missing and say what became of each step. Doing it again makes nothing twice."""
        ...


def fine(about: str, found: str, *, expected: str = "") -> Finding:
    """Return a point that is as it should be."""
    return Finding(about=about, verdict=Verdict.FINE, found=found, expected=expected or found)


def wrong(about: str, *, found: str, expected: str, remedy: str) -> Finding:
    """Return a point that keeps things from ordering."""
    return Finding(about=about, verdict=Verdict.WRONG, found=found, expected=expected, remedy=remedy)


def unsure(about: str, *, found: str, expected: str, remedy: str) -> Finding:
    """Return a point that a person should look at."""
    return Finding(about=about, verdict=Verdict.UNSURE, found=found, expected=expected, remedy=remedy)


def failed(about: str, failure: Failure, *, expected: str, remedy: str) -> Finding:
    """Return what a request that failed says about a point."""
    if isinstance(failure, AuthFailed):
        return refused_credentials(failure)
    if isinstance(failure, Permanent | Unsupported):
        return wrong(about, found=said_of(failure), expected=expected, remedy=remedy)
    wait = f" in {failure.retry_after_s:g} s" if isinstance(failure, Throttled) else ""
    return wrong(about, found=said_of(failure), expected=expected, remedy=f"try again{wait}; then: {remedy}")


def refused_credentials(failure: AuthFailed) -> Finding:
    """Return the finding that the CRM does not know us."""
    return wrong(
        "credentials",
        found=failure.reason,
        expected="the CRM accepts the connection's credentials",
        remedy="see that the id, the secret or key, and the address in hub.toml are those of the CRM's app or user",
    )


async def check_by_port(adapter: CrmAdapter) -> list[Finding]:
    """Look through the port that every adapter has: read what surely is not there. Nothing is written."""
    can = adapter.capabilities
    findings = [_idempotency(can)]
    for kind, capability in _KINDS.items():
        if not getattr(can, capability) or not can.search_by_key:
            continue
        finding = _look_up(kind, await adapter.find_by_key(NOBODYS, kind))
        findings.append(finding)
        if finding.about == "credentials":
            return [finding]
    if can.changes:
        findings.append(_changes(await adapter.changes_since("")))
    if findings[1:]:
        findings.insert(0, fine("credentials", "the CRM accepts them"))
    return findings


def _idempotency(can: Capabilities) -> Finding:
    expected = "the CRM refuses a second order under our key, or finds the first one by it"
    if can.unique_key:
        return fine("unique key", "declared: the CRM itself refuses a second order", expected=expected)
    if can.search_by_key:
        return unsure(
            "unique key",
            found="none: orders are looked for before they are made",
            expected=expected,
            remedy="prove it: iot2crm crm prove NAME --owner OWNER --sku SKU; let nobody else write our key",
        )
    return wrong(
        "unique key",
        found="neither a unique key nor a search by it",
        expected=expected,
        remedy="without either, every order waits for a person; choose another manifest or adapter if there is one",
    )


def _look_up(kind: RecordKind, outcome: FindOutcome) -> Finding:
    about, expected = f"look-up of {kind}", "a key that nobody has finds nothing"
    remedy = "let the connection's user read these records, and see that the fields of our key exist"
    match outcome:
        case Absent():
            return fine(about, "nothing under a key that nobody has", expected=expected)
        case Found():
            return wrong(about, found=f"a record under {NOBODYS}", expected=expected, remedy="look-ups ignore the key")
        case _:
            return failed(about, outcome, expected=expected, remedy=remedy)


def _changes(outcome: ChangesOutcome) -> Finding:
    expected = "what people change in the CRM can be read"
    if isinstance(outcome, Changes):
        return fine("changes", f"{len(outcome.records)} records of ours", expected=expected)
    remedy = "let the connection's user read what changed; without it orders are asked for one by one"
    return failed("changes", outcome, expected=expected, remedy=remedy)
