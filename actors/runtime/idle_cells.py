"""Actors that have been silent leave memory; their next message loads them from the journal again.

Nothing is handed over: what an idle actor knows is in the journal. So only those go that have no mail, are in no batch
under way and have not failed lately.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice

from actors.runtime.cells import Cell

_SLICE = 1000
"""Actors looked at without a pause: well under a millisecond."""


class IdleCells:
    """Looks over all cells every ``idle_s`` and lets go of those that no run has touched since the look before."""

    def __init__(self, cells: dict[str, Cell], idle_s: float, newest_run: Callable[[], int]) -> None:
        self._cells = cells
        self._idle_s = idle_s
        self._newest_run = newest_run
        self._mark = 0
        self._timer: asyncio.Handle | None = None
        self.passivated = 0

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """See that there is a next look while actors are in memory."""
        if self._timer is None and self._cells:
            self._timer = loop.call_later(self._idle_s, self._look, loop)

    def cancel(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._go_on(loop, iter(tuple(self._cells)), self._mark)
        self._mark = self._newest_run()

    def _go_on(self, loop: asyncio.AbstractEventLoop, left: Iterator[str], mark: int) -> None:
        looked_at = tuple(islice(left, _SLICE))
        for address in looked_at:
            cell = self._cells.get(address)
            if cell is not None and _is_idle(cell, mark):
                del self._cells[address]
                self.passivated += 1
        if len(looked_at) == _SLICE:
            self._timer = loop.call_soon(self._go_on, loop, left, mark)
            return
        self._timer = None
        self.arm(loop)


def _is_idle(cell: Cell, mark: int) -> bool:
    return cell.run <= mark and not cell.queued and cell.first is None and not cell.crashes
