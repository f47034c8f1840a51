"""The gate of a shard: takes letters in, each once, and hands them to their actors as tells of its own shard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import DecodeError, Struct

from actors.runtime.cells import Kind
from actors.runtime.shards.letters import GATE, UNREADABLE, Forward, NumberedLetter, Parcel, Unreadable
from actors.runtime.turns import Step, Tell


class GateState(Struct, frozen=True):
    """The number of the last letter taken from the sending shard."""

    taken: int = 0


class LettersTaken(Struct, frozen=True, tag=True):
    """So many letters were taken, the last one with this number."""

    upto: int
    count: int


GateMessage = Parcel | Forward | Unreadable


class GateCore:
    """The durable actor that stands for one sending shard; its name is that shard's number.

    Taking a letter and telling its actor are one turn: both are durable, or neither is. Letters come in the order of
    their numbers, so one number says all that was taken before.
    """

    kind = GATE
    schema = 1
    state_type = GateState
    message_type = GateMessage
    event_type = LettersTaken

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds

    def initial(self, name: str) -> GateState:
        """Return a gate that has taken nothing."""
        del name
        return GateState()

    def records(self, message: Any) -> bool:
        """Keep what was taken; a parcel that holds nothing new leaves no trace."""
        del message
        return False

    def fold(self, state: GateState, message: Any, events: tuple[LettersTaken, ...], at: datetime) -> GateState:
        """Return the state after a recorded turn."""
        del message, at
        return GateState(events[-1].upto) if events else state

    def step(self, state: GateState, message: GateMessage, now: datetime) -> Step[GateState]:
        """Tell the actors what the new letters say.

        Raises:
            LookupError: nobody can read a letter; so it goes to the dead letters, for people.
        """
        del now
        match message:
            case Parcel(letters=letters):
                return self._take(state, letters)
            case Forward(address=address, message=inner):
                return Step(state, effects=(Tell(address, inner),))
            case Unreadable(address=address, reason=reason):
                raise LookupError(f"a letter to {address} cannot be read: {reason}")

    def _take(self, state: GateState, letters: tuple[NumberedLetter, ...]) -> Step[GateState]:
        fresh = [letter for letter in letters if letter.number > state.taken]
        if not fresh:
            return Step(state)
        upto = fresh[-1].number
        return Step(GateState(upto), (LettersTaken(upto, len(fresh)),), tuple(self._tell(letter) for letter in fresh))

    def _tell(self, letter: NumberedLetter) -> Tell:
        kind = self._kinds.get(letter.address.partition("/")[0])
        if kind is None:
            return _unreadable(letter, "there is no such kind of actor")
        try:
            return Tell(letter.address, kind.read_message(bytes(letter.message), letter.schema))
        except DecodeError as error:
            return _unreadable(letter, str(error))


def _unreadable(letter: NumberedLetter, reason: str) -> Tell:
    return Tell(UNREADABLE, Unreadable(letter.address, reason, bytes(letter.message)))
