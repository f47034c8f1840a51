"""Where a desk's outcomes go."""

from collections.abc import Callable
from typing import Any, Protocol


class Office(Protocol):
    """The turn engine, as a desk sees it."""

    def complete(self, outbox_id: int, address: str, message: Any) -> None:
        """Tell an actor the outcome of work from the outbox."""
        ...

    def submit(self, address: str, message: Any, done: Callable[[Any], None], message_id: str = "") -> None:
        """Hand in a message."""
        ...

    def discard(self, outbox_id: int) -> None:
        """Forget work from the outbox that needs no answer."""
        ...


def ignore(outcome: Any) -> None:
    """Waiting is told once; when it cannot be told, the order is busy anyway."""
    del outcome
