"""A bounded memory of what was looked up lately."""

from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Recent(Generic[KeyT, ValueT]):
    """Keeps at least the ``most`` keys that were asked for last, and never more than twice as many.

    Two generations instead of an order of use: what is asked for comes into the young one; when that is full it becomes
    the old one, and the former old one is forgotten. A key in steady use costs one look into a dict.
    """

    __slots__ = ("_most", "_old", "_young")

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[KeyT, ValueT] = {}
        self._old: dict[KeyT, ValueT] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: KeyT) -> ValueT | None:
        """Return what is kept of this key."""
        found = self._young.get(key)
        if found is None and key in self._old:
            found = self._old.pop(key)
            self.put(key, found)
        return found

    def put(self, key: KeyT, value: ValueT) -> None:
        """Keep a value; a key of the old generation moves to the young one."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._old.pop(key, None)
        self._young[key] = value

    def drop(self, key: KeyT) -> None:
        """Forget a key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._young.clear()
        self._old.clear()
