"""Refusals as the REST API words them: an array of message, code and fields."""

from typing import Any, Final

from msgspec import Struct

SESSION_INVALID: Final = "INVALID_SESSION_ID"


class Reply(Struct, frozen=True, kw_only=True):
    """What a request is answered: ``body`` is encoded as JSON, None is an empty body."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}


class Refusal(Exception):
    """The API refuses a request; nothing of it was written."""

    def __init__(self, status: int, code: str, message: str, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    def item(self) -> dict[str, Any]:
        """Return the one element of the error array; ``fields`` is there only when fields are named."""
        named = {"fields": list(self.fields)} if self.fields else {}
        return {"message": self.message, "errorCode": self.code, **named}

    def reply(self) -> Reply:
        """Return the refusal as an answer."""
        return Reply(status=self.status, body=[self.item()])


class SeveralMatch(Exception):
    """An external id names more than one record: 300, with the records' addresses; nothing was written."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__("several records match")
        self.urls = urls

    def reply(self) -> Reply:
        """Return the answer."""
        return Reply(status=300, body=self.urls)


def bad_request(code: str, message: str, *fields: str) -> Refusal:
    """Return a refusal with status 400."""
    return Refusal(400, code, message, fields=fields)


def not_found(message: str = "The requested resource does not exist") -> Refusal:
    """Return what is answered for an unknown resource, object, field or record."""
    return Refusal(404, "NOT_FOUND", message)
