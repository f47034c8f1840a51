"""Errors as RFC 9457 problem details: what, where, expected, and the next step."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from actors.runtime.engine import AskFailed
from actors.runtime.journal import JournalUnavailable

log = structlog.get_logger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
_ASK_STATUS: Final = {"busy": 503, "storage_down": 503, "stopping": 503, "timeout": 504, "quarantined": 503}
_BODY_UNREAD: Final = frozenset({408, 413})
_AGAIN: Final = "try again in a moment"
_NEXT_STEPS: Final = {
    "storage_down": "free disk space or repair the disk (the hub's log says which); then try again",
    "failed": "do not repeat it as it is; the operator finds the reason with GET /api/v1/dead-letters",
    "quarantined": "try again in a minute; the operator finds the reason with GET /api/v1/dead-letters",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """An answer of no: ``status`` of HTTP, a stable ``code``, a sentence, and what to do next."""

    def __init__(self, status: int, code: str, detail: str, next_step: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.next_step = next_step

    def response(self) -> web.Response:
        """Return it as it goes over the wire."""
        body: dict[str, Any] = {
            "type": f"urn:iot2crm:problem:{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.next_step:
            body["next_step"] = self.next_step
        headers = {"Retry-After": "5"} if self.status == 503 else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        response = web.Response(
            status=self.status, body=msgspec.json.encode(body), content_type=PROBLEM_TYPE, headers=headers
        )
        if self.status in _BODY_UNREAD:
            response.force_close()
        return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Explain every error."""
    return await explained(request, handler)


async def explained(
    request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]], *parts: str
) -> web.StreamResponse:
    """Answer, and turn every error into a problem; a defect is logged and told without its insides."""
    try:
        return await handler(request, *parts)
    except Problem as problem:
        return problem.response()
    except AskFailed as failure:
        status = _ASK_STATUS.get(failure.code, 500)
        return Problem(status, failure.code, failure.detail, _NEXT_STEPS.get(failure.code, _AGAIN)).response()
    except JournalUnavailable as error:
        log.warning("journal_unreadable", path=request.path, reason=str(error))
        return Problem(503, "storage_down", "the hub cannot read its disk", _NEXT_STEPS["storage_down"]).response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return Problem(error.status, _code_of(error), error.text or error.reason).response()
    except Exception:
        log.exception("request_failed", method=request.method, path=request.path)
        return Problem(500, "internal", "the hub failed on this request; its log says why").response()


def _code_of(error: web.HTTPException) -> str:
    return {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "refused")
