"""Set-up of the log: lines for people on a terminal, JSON lines elsewhere, and never a secret in either."""

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, Final, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError

_QUIET: Final = ("asyncio", "asyncua", "coap", "coap-server", "aiocoap", "aiohttp", "aiohttp.access")
_SENSITIVE: Final = ("authorization", "password", "secret", "token", "private_key", "assertion", "cookie")
_MASK: Final = "***"
_TOLD_EVERY_S: Final = 60.0
_MOST_KINDS: Final = 500


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """``console`` on a terminal, ``json`` elsewhere."""
    JSON = "json"
    CONSOLE = "console"


def set_up_logs(log_format: LogFormat = LogFormat.AUTO, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Send the hub's own log and the libraries' warnings to ``stream`` (standard error) in one format."""
    target = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    rendering = _rendering(log_format, target)
    structlog.configure(
        processors=[*_enrich(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_libraries(rendering, target)


class UnreadableRequests(logging.Filter):
    """What the HTTP server is sent that is no HTTP: counted, and told in a line a minute instead of a trace each."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.logger = logging.Logger("aiohttp.server")  # noqa: LOG001 - of this hub alone, not of the process
        """For the server."""
        self.logger.parent = logging.getLogger()
        self.logger.setLevel(logging.DEBUG)  # the server tells what is no HTTP at all there
        self.logger.addFilter(self)
        self._silent_until_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what was no request out of the log of errors."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return record.levelno >= logging.WARNING
        self.count += 1
        if record.created >= self._silent_until_s:
            self._silent_until_s = record.created + _TOLD_EVERY_S
            peer = str(record.args[0]) if record.args and isinstance(record.args, tuple) else ""
            reason = error.message.partition("\n")[0][:200]
            structlog.get_logger(__name__).warning("request_unreadable", peer=peer, reason=reason, count=self.count)
        return False


class OncePerMinute(logging.Filter):
    """Lets a warning of a library through once a minute, with how many like it there were: peers cause most of them."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back a warning whose like was told just before."""
        if record.levelno != logging.WARNING:
            return True
        kind = (record.name, str(record.msg))
        told_s, held_back = self._told.get(kind, (0.0, 0))
        if record.created < told_s + _TOLD_EVERY_S:
            self._told[kind] = (told_s, held_back + 1)
            return False
        if len(self._told) >= _MOST_KINDS:
            self._told.clear()
        self._told[kind] = (record.created, 0)
        if held_back:
            record.msg, record.args = f"{record.getMessage()} (and {held_back} like it since the last line)", None
        return True


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of fields whose name says that nobody should read them."""
    for name in event:
        if any(word in name.lower() for word in _SENSITIVE):
            event[name] = _MASK
    return event


def _enrich() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]


def _rendering(log_format: LogFormat, stream: TextIO) -> list[Any]:
    on_terminal = stream.isatty()
    if log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and on_terminal):
        # Not the default renderer: it prints local variables, and a secret may be among them.
        return [structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _route_libraries(rendering: list[Any], stream: TextIO) -> None:
    """Give the standard library's loggers one handler with our renderer; the wire libraries only warn."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(OncePerMinute())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_enrich(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
