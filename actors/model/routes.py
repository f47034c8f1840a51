"""What an HTTP route says of itself, so that the description of the hub's interface is made of its routes."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

_H = TypeVar("_H", bound=Callable[..., Any])
_NAME: Final = "operation"


class Operation(Struct, frozen=True, kw_only=True):
    """One operation: the types of what it takes and gives. What is None is any JSON."""

    body: Any = None
    """The type of its JSON body; None: it takes none, or ``media`` says which."""
    media: tuple[str, ...] = ()
    """Further media types that are taken, of no type that could be told here."""
    reply: Any = None
    reply_media: str = "application/json"
    status: tuple[int, ...] = (200,)
    query: Mapping[str, str] = {}
    """The parameters of the query, with what they say."""
    is_open: bool = False
    """It needs no token."""
    is_direct: bool = False
    """Its handler needs nothing of the application, and its path has one variable part. The hub then calls it past the
    table of routes, middlewares and signals, with that part as a second argument in place of ``request.match_info``."""


def operation(**told: Any) -> Callable[[_H], _H]:
    """Say what a handler takes and gives; its docstring is the summary."""
    described = Operation(**told)

    def mark(handler: _H) -> _H:
        setattr(handler, _NAME, described)
        return handler

    return mark


def operation_of(handler: Any) -> Operation | None:
    """Return what a handler says of itself."""
    found: Operation | None = getattr(handler, _NAME, None)
    return found
