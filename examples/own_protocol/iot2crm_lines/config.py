"""What the operator writes under ``[protocols.lines]``."""

from typing import Annotated

from msgspec import Meta

from actors.model.base import Value


class LinesConfig(Value, frozen=True, kw_only=True):
    """Where to listen."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 7007
    """0 takes a free port; the adapter's ``urls`` tell which."""
