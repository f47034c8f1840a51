"""A bounded memory of what was looked up lately."""

from typing import TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Recent(dict[KeyT, ValueT | None]):
    """Keeps at least the ``most`` keys that were asked for last, and never more than twice as many.

    Two generations instead of an order of use: what is asked for comes into the young one, this dict itself; when that
    is full it becomes the old one, and the former old one is forgotten. ``recent[key]`` is what is kept, or None: for a
    key in steady use one look into a dict.
    """

    __slots__ = ("_most", "_old")

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._old: dict[KeyT, ValueT | None] = {}

    def __missing__(self, key: KeyT) -> ValueT | None:
        """Look into the old generation, and bring what is there into the young one."""
        found = self._old.pop(key, None)
        if found is not None:
            self.put(key, found)
        return found

    def put(self, key: KeyT, value: ValueT) -> None:
        """Keep a value; a key of the old generation moves to the young one."""
        if len(self) >= self._most:
            self._old = dict(self)
            super().clear()
        self._old.pop(key, None)
        self[key] = value

    def drop(self, key: KeyT) -> None:
        """Forget a key."""
        self.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self._old.clear()

    @property
    def kept(self) -> int:
        """How many keys are kept."""
        return len(self) + len(self._old)
