"""Commands that wait in an adapter before they leave, as for a thing that sleeps: until then they can be taken back."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from actors.model.commands import CommandFailure, NotCarried
from actors.model.ids import CommandId

_T = TypeVar("_T")
RECALLED: Final = NotCarried(code=CommandFailure.RECALLED, detail="taken back before it left")


class Recalled(Exception):
    """The command was taken back while it waited; ``outcome`` is what becomes of it."""

    outcome: Final = RECALLED


class Recalls:
    """The commands that wait to leave."""

    def __init__(self) -> None:
        self._waiting: dict[CommandId, asyncio.Timeout] = {}
        self._recalled: set[CommandId] = set()

    async def wait(self, command_id: CommandId, waiting: Awaitable[_T]) -> _T:
        """Wait for what a command waits for before it leaves; it can be taken back from the first step on.

        Raises:
            Recalled: it was.
        """
        scope = self._waiting[command_id] = asyncio.timeout(None)
        try:
            async with scope:
                reached = await waiting
        except TimeoutError:
            if not scope.expired():
                raise
            raise Recalled from None
        else:
            if command_id in self._recalled:  # in the very moment in which the wait was over
                raise Recalled
            return reached
        finally:
            self._recalled.discard(command_id)
            if self._waiting.get(command_id) is scope:
                del self._waiting[command_id]

    def recall(self, command_id: CommandId) -> bool:
        """Take a command back; False where it does not wait, or does not any more."""
        scope = self._waiting.get(command_id)
        if scope is None:
            return False
        if command_id not in self._recalled:
            self._recalled.add(command_id)
            scope.reschedule(asyncio.get_running_loop().time())
        return True
