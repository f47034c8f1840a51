"""Log lines: two formats, quiet libraries, no secrets."""

import io
import json
import logging

import pytest
import structlog

from actors.model.secrets import Secret
from hub.logs import LogFormat, OncePerMinute, set_up_logs


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_lines_are_json() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)
    structlog.get_logger().info("order_confirmed", thing_id="printer-1")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["thing_id"]) == ("order_confirmed", "info", "printer-1")
    assert line["timestamp"].endswith("Z")


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = _Terminal()
    set_up_logs(LogFormat.AUTO, stream=stream)
    structlog.get_logger().info("order_confirmed")
    assert "order_confirmed" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_secrets_are_masked_by_type_and_by_name(log_format: LogFormat) -> None:
    stream = io.StringIO()
    set_up_logs(log_format, stream=stream)
    structlog.get_logger().warning("refused", key=Secret("canary"), access_token="canary", Authorization="canary")
    assert "canary-4711" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_an_exception_is_written_with_its_traceback(log_format: LogFormat) -> None:
    stream = io.StringIO()
    set_up_logs(log_format, stream=stream)
    try:
        {}["where it broke"]
    except LookupError:
        structlog.get_logger().exception("turn_failed")
    assert "where it broke" in stream.getvalue()


def test_libraries_warn_in_our_format_and_chat_not_at_all() -> None:
    stream = io.StringIO()
    set_up_logs(LogFormat.JSON, stream=stream)
    library = logging.getLogger("asyncua.client")  # noqa: TID251 -- plays the library
    library.info("chatter")
    library.warning("connection %s", "lost")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("connection lost", "asyncua.client", "warning")


def test_a_library_repeats_a_warning_once_a_minute_and_says_how_many_there_were() -> None:
    held = OncePerMinute()

    def told(at_s: float, level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("coap-server", level, "", 0, "odd message from %s", (at_s,), None)
        record.created = at_s
        return record.getMessage() if held.filter(record) else None

    assert [told(at_s) for at_s in (100.0, 101.0, 159.0)] == ["odd message from 100.0", None, None]
    assert told(160.0) == "odd message from 160.0 (and 2 like it since the last line)"
    assert told(161.0, logging.ERROR) == "odd message from 161.0"


def test_a_traceback_on_a_terminal_shows_no_local_variables() -> None:
    stream = io.StringIO()
    set_up_logs(LogFormat.CONSOLE, stream=stream)
    try:
        _fail(f"canary-{4000 + 711}")
    except LookupError:
        structlog.get_logger().exception("failed")
    assert "planted" in stream.getvalue()
    assert "canary-4711" not in stream.getvalue()


def _fail(password: str) -> None:
    raise LookupError(f"planted {len(password)}")
