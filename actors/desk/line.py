"""Who is next: owners in turn, and of each owner the things in turn: nobody's thousand orders stop the others."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairLine(Generic[T]):
    """A queue that gives each owner, and of each owner each thing, one turn after the other."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[str, deque[T]]] = OrderedDict()
        self._first: deque[T] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, owner: str, thing: str, *, first: bool = False) -> None:
        """Let somebody stand in line; ``first``: it had its turn, and only looked at something once more."""
        self._count += 1
        if first:
            self._first.append(item)
        else:
            self._owners.setdefault(owner, OrderedDict()).setdefault(thing, deque()).append(item)

    def pop(self) -> T:
        """Return who is next.

        Raises:
            IndexError: nobody is.
        """
        if not self._count:
            raise IndexError("nobody stands in line")
        self._count -= 1
        if self._first:
            return self._first.popleft()
        owner, things = next(iter(self._owners.items()))
        thing, items = next(iter(things.items()))
        item = items.popleft()
        _to_the_end(things, thing, keep=bool(items))
        _to_the_end(self._owners, owner, keep=bool(things))
        return item


def _to_the_end(table: "OrderedDict[str, T]", key: str, *, keep: bool) -> None:
    if keep:
        table.move_to_end(key)
    else:
        del table[key]
