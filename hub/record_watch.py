"""Waits for read models that a commit writes: for one that answers a question, and for the orders of one thing."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from actors.model.ids import ThingId
from actors.purchasing.view import OrderView
from actors.runtime.journal import RecordRow

_T = TypeVar("_T")
_Key = tuple[str, str]


class _Whose(Struct):
    thing_id: ThingId


class RecordWatch:
    """Follows commits; costs next to nothing while nobody waits."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, list[Callable[[bytes], None]]] = defaultdict(list)
        self._orders: dict[ThingId, list[Callable[[OrderView], None]]] = defaultdict(list)
        self._whose = msgspec.json.Decoder(_Whose)
        self._order = msgspec.json.Decoder(OrderView)

    def follow(self, rows: Sequence[RecordRow]) -> None:
        """Look at what a commit wrote."""
        for row in rows:
            if row.body is None:
                continue
            for answered in tuple(self._waiting.get((row.kind, row.key), ())):
                answered(row.body)
            if row.kind == "order" and self._orders:
                self._tell(row.body)

    def wait(self, kind: str, key: str, answer: Callable[[bytes], _T | None]) -> asyncio.Future[_T]:
        """Return what ``answer`` finds in the record, as soon as it finds something. Cancel it to stop looking."""
        found: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        callbacks = self._waiting[kind, key]

        def look(body: bytes) -> None:
            told = answer(body)
            if told is not None and not found.done():
                found.set_result(told)

        def forget(_: asyncio.Future[_T]) -> None:
            callbacks.remove(look)
            if not callbacks:
                self._waiting.pop((kind, key), None)

        callbacks.append(look)
        found.add_done_callback(forget)
        return found

    def watch_orders(self, thing_id: ThingId, changed: Callable[[OrderView], None]) -> Callable[[], None]:
        """Call ``changed`` with each order of a thing that a commit wrote; the answer ends that."""
        callbacks = self._orders[thing_id]
        callbacks.append(changed)

        def forget() -> None:
            callbacks.remove(changed)
            if not callbacks:
                self._orders.pop(thing_id, None)

        return forget

    def _tell(self, body: bytes) -> None:
        callbacks = self._orders.get(self._whose.decode(body).thing_id)
        if callbacks:
            view = self._order.decode(body)
            for changed in tuple(callbacks):
                changed(view)
