"""The line of a desk: who waits to send something gets a turn when the CRM can be used and a hand is free."""

import asyncio
from datetime import timedelta
from typing import Final

from actors.desk.health import Breaker
from actors.desk.line import FairLine
from actors.desk.office import Office, ignore
from actors.desk.pace import Lane, Pace
from actors.dialogue import DeskWaits, TakeTurn, TurnGiven, order_address
from actors.model.ids import OrderKey
from actors.ports import Clock
from actors.runtime.journal import OutboxRow

_ORDERS: Final = order_address(OrderKey(""))
_LONG_S: Final = 60.0


class Turns:
    """Gives turns. One that was given holds a place among the connection's requests until it is used or lapses."""

    def __init__(
        self, connection: str, office: Office, clock: Clock, breaker: Breaker, pace: Pace, *, grace_s: float
    ) -> None:
        self._connection = connection
        self._office = office
        self._clock = clock
        self._breaker = breaker
        self._pace = pace
        self._grace_s = grace_s
        self._line: FairLine[OutboxRow] = FairLine()
        self._asks = False
        self._ended = False
        self._granted: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._line)

    async def stand_in_line(self, row: OutboxRow, job: TakeTurn) -> None:
        """Let an order stand in line once the time has passed before which it wants no turn."""
        await asyncio.sleep(job.after_s)
        self.join(row, job)

    def join(self, row: OutboxRow, job: TakeTurn) -> None:
        """Put an order into the line; it is told why where its turn will take long."""
        if not self._breaker.is_usable:
            self.tell_of_waiting(row.address)
        elif (wait_s := self._pace.wait_s()) > _LONG_S:
            self._tell(row.address, "as many requests as the connection allows were sent", wait_s)
        self._line.add(row, job.owner_id, job.thing_id, first=job.first)
        self.go_on()

    def go_on(self) -> None:
        """Give the next turn as soon as the connection allows it, where somebody waits and the CRM can be used."""
        if self._line and not self._asks and not self._ended and self._breaker.is_usable:
            self._asks = True
            self._pace.ask(Lane.TURN, self._give)

    def end(self) -> None:
        """Give no turn any more: who stands in line does so again at the next start."""
        self._ended = True

    def _give(self) -> bool:
        self._asks = False
        if self._ended or not self._breaker.is_usable:
            return False
        row = self._line.pop()
        self._grant(row.address)
        self._office.complete(row.outbox_id, row.address, TurnGiven(connection=self._connection))
        self.go_on()
        return True

    def take_up(self, address: str) -> bool:
        """Say whether this order has its turn, and with it the leave to send a request; it has it no longer then."""
        lapse = self._granted.pop(address, None)
        if lapse is not None:
            lapse.cancel()
        return lapse is not None

    def give_back(self, address: str) -> None:
        """Let another go in place of an order that does not use its turn."""
        if self.take_up(address):
            self._pace.give_back()

    def tell_of_waiting(self, address: str) -> None:
        """Tell an order why the CRM cannot be used, and when it is tried next."""
        now = self._clock.now()
        left_s = ((self._breaker.next_try_at or now) - now).total_seconds()
        self._tell(address, self._breaker.reason, left_s)

    def _tell(self, address: str, reason: str, wait_s: float) -> None:
        if address.startswith(_ORDERS):
            next_try_at = self._clock.now() + timedelta(seconds=wait_s)
            waits = DeskWaits(reason=f"{self._connection}: {reason}", next_try_at=next_try_at)
            self._office.submit(address, waits, ignore)

    def _grant(self, address: str) -> None:
        """Give a turn with the leave to send one request, as long as the order needs to ask its owner."""
        self.give_back(address)
        self._granted[address] = asyncio.get_running_loop().call_later(self._grace_s, self._lapse, address)

    def _lapse(self, address: str) -> None:
        del self._granted[address]
        self._pace.give_back()
