"""What answers mean: code before status."""

from typing import Any

import pytest

from actors.model.outcomes import Ambiguous, AuthFailed, Conflict, Permanent, Throttled, Transient
from crm_adapters.dynamics.failures import WireAnswer, failure_of


def answer(status: int, code: str | None = None, message: str = "why", **headers: str) -> WireAnswer:
    body = None if code is None else {"error": {"code": code, "message": message}}
    return WireAnswer(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "0x80044331", Permanent),
        (400, "0x80040265", Permanent),
        (403, "0x80040220", Permanent),
        (404, "0x80040217", Permanent),
        (405, None, Permanent),
        (413, None, Permanent),
        (500, "0x80040333", Permanent),
        (400, "0x80040216", Ambiguous),
        (500, "0x80044151", Ambiguous),
        (503, None, Ambiguous),
        (408, None, Ambiguous),
        (307, None, Ambiguous),
        (401, None, AuthFailed),
        (412, "0x80060882", Conflict),
    ],
)
def test_a_writing_requests_failure_is_classed_by_code_then_status(status: int, code: str | None, kind: type) -> None:
    assert isinstance(failure_of(answer(status, code), writes=True), kind)


@pytest.mark.parametrize(("status", "code"), [(500, None), (503, ""), (400, "0x80040216"), (302, None)])
def test_a_reading_requests_failure_is_transient(status: int, code: str | None) -> None:
    assert isinstance(failure_of(answer(status, code), writes=False), Transient)


@pytest.mark.parametrize("code", ["0x80072322", "-2147015902", "0x80072326", None])
def test_throttling_keeps_the_wait(code: str | None) -> None:
    outcome = failure_of(answer(429, code, retry_after="37"), writes=True)
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after_s == 37


@pytest.mark.parametrize(
    ("status", "code", "is_duplicate"),
    [
        (412, "", True),
        (412, "0x80060892", True),
        (400, "-2147220937", True),
        (500, "0x80040333", True),
        (412, "0x80060882", False),
        (400, "0x80044331", False),
    ],
)
def test_a_duplicate_is_told_from_a_stale_version(status: int, code: str, *, is_duplicate: bool) -> None:
    assert answer(status, code).is_duplicate is is_duplicate


@pytest.mark.parametrize(
    ("code", "is_absent"),
    [("0x80040217", True), ("0x80060891", True), ("", True), ("0x8006088a", False), (None, False)],
)
def test_an_absent_row_is_told_from_a_wrong_address(code: str | None, *, is_absent: bool) -> None:
    assert answer(404, code).is_absent is is_absent


def test_a_refusal_names_the_field() -> None:
    message = "A validation error occurred.  The length of the 'name' attribute of the 'account' entity exceeded"
    refusal = failure_of(answer(400, "0x80044331", message), writes=True)
    assert refusal == Permanent(code="0x80044331", message=message, field="name")


def test_the_inner_error_is_shown_where_there_is_no_other_text() -> None:
    body: dict[str, Any] = {"error": {"code": "", "message": "", "innererror": {"message": "inside"}}}
    assert WireAnswer(status=400, headers={}, body=body).message == "inside"


def test_success_is_no_failure() -> None:
    assert failure_of(answer(204), writes=True) is None
