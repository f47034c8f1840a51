"""A vending machine with two shelves: tell, ask, supervision and death watch in one minute.

Run it: ``python examples/actors/vending.py``
"""

import asyncio
from random import Random

from msgspec import Struct

from actors.runtime import (
    Actor,
    ActorFailed,
    ActorSystem,
    Context,
    Directive,
    Kind,
    Supervision,
    Terminated,
)


class Sold(Struct, frozen=True, kw_only=True):
    """Some pieces left a shelf."""

    shelf: str
    pieces: int


class StockOf(Struct, frozen=True, kw_only=True):
    """A question: how many pieces are left on a shelf."""

    shelf: str


class ShelfEmpty(Exception):
    """More was sold than there was: the count cannot be right."""


class Shelf(Actor[Sold | StockOf]):
    """Counts down from a full shelf; being refilled is being made anew."""

    def __init__(self) -> None:
        self.pieces = 10

    def receive(self, ctx: Context, message: Sold | StockOf) -> int:  # noqa: ARG002 - a shelf needs no context
        """Take a sale off the count; return what is left."""
        if isinstance(message, Sold):
            if message.pieces > self.pieces:
                raise ShelfEmpty(f"{message.pieces} sold, {self.pieces} left")
            self.pieces -= message.pieces
        return self.pieces


SHELF = Kind(name="shelf", make=lambda _ctx: Shelf(), supervision=Supervision(backoff_first_s=0.02))


class Machine(Actor[Sold | StockOf | Terminated]):
    """Has a shelf for each product and passes on what concerns it."""

    def __init__(self, ctx: Context) -> None:
        self.shelves = {name: ctx.spawn(SHELF, name) for name in ("water", "crisps")}
        for shelf in self.shelves.values():
            ctx.watch(shelf)

    async def receive(self, ctx: Context, message: Sold | StockOf | Terminated) -> int | None:  # noqa: ARG002 - as above
        """Pass on sales and questions; say when a shelf is gone."""
        match message:
            case Sold():
                self.shelves[message.shelf].tell(message)
            case StockOf():
                return int(await self.shelves[message.shelf].ask(message))
            case Terminated():
                print(f"{message.ref.path} is gone: {message.reason}")
        return None


MACHINE = Kind(name="machine", make=Machine, supervision=Supervision(decide=lambda _error: Directive.RESUME))


async def main() -> None:
    """Sell, oversell, and look."""
    async with ActorSystem(chance=Random(7)) as system:
        machine = system.spawn(MACHINE, "machine")
        machine.tell(Sold(shelf="water", pieces=3))
        print("water left:", await machine.ask(StockOf(shelf="water")))

        machine.tell(Sold(shelf="crisps", pieces=99))
        await system.settled()
        print("crisps after the restart:", await machine.ask(StockOf(shelf="crisps")))
        print("not handled:", [(letter.recipient, letter.reason.value) for letter in system.dead_letters.recent])

        try:
            await machine.ask(StockOf(shelf="chewing gum"))
        except ActorFailed as error:
            print("asked for nonsense:", repr(error.__cause__))

        shelf = system.find("/machine/water")
        if shelf is not None:
            system.stop_actor(shelf)
        await system.settled()


if __name__ == "__main__":
    asyncio.run(main())
