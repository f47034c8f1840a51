"""The monitored items of one link: what is wanted, what the server has, and how to make them agree."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TypeVar

import structlog
from asyncua.ua import uaerrors
from msgspec import Struct

from protocols.opcua.addressing import ItemKey, NodeAddress, Wanted
from protocols.opcua.connection import Connection, ItemRequest, node_id
from protocols.opcua.mapping import Sample

T = TypeVar("T")
_log = structlog.get_logger()


class _Item(Struct, kw_only=True):
    """An item that the server monitors. ``server_id`` is None until it has said so."""

    key: ItemKey
    address: NodeAddress
    server_id: int | None = None


class ItemTable:
    """The items of a subscription by handle. It lives as long as the subscription and is emptied with it."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._items: dict[int, _Item] = {}
        self._handles = count(1)
        self._refused: dict[ItemKey, str] = {}
        self._told: dict[ItemKey, str] = {}
        self.is_certain = True
        """False while a call to the server was sent and not answered: nobody knows then which items it made."""

    @property
    def refused(self) -> Mapping[ItemKey, str]:
        """The items that the server does not monitor, each with the reason."""
        return self._refused

    def values_of(self, values: Iterable[tuple[int, Sample]]) -> list[tuple[ItemKey, Sample]]:
        """Return the values under the keys of their items; those of items that are gone are left out."""
        items = self._items
        return [(items[handle].key, value) for handle, value in values if handle in items]

    def reset(self) -> None:
        """Forget the items of a subscription that is gone."""
        self._items.clear()
        self._refused.clear()
        self.is_certain = True

    async def reconcile(self, wanted: Wanted, connection: Connection, subscription_id: int) -> list[ItemKey]:
        """Make the server monitor what is wanted and nothing else; return the items it no longer monitors."""
        gone = {handle: item for handle, item in self._items.items() if wanted.items.get(item.key) != item.address}
        present = {item.key for item in self._items.values()} - {item.key for item in gone.values()}
        missing = [(key, address) for key, address in wanted.items.items() if key not in present]
        self.is_certain = False
        if gone:
            await self._remove(gone, connection, subscription_id)
        self._refused.clear()
        if missing:
            await self._add(missing, connection, subscription_id)
        self.is_certain = True
        self._tell_refused(wanted)
        return [item.key for item in gone.values()]

    async def _remove(self, gone: Mapping[int, _Item], connection: Connection, subscription_id: int) -> None:
        limit = (await connection.facts()).items_per_call
        ids = [item.server_id for item in gone.values() if item.server_id is not None]
        for handle in gone:
            del self._items[handle]
        for batch in _batches(ids, limit):
            await connection.delete_items(subscription_id, batch)

    async def _add(
        self, missing: Sequence[tuple[ItemKey, NodeAddress]], connection: Connection, subscription_id: int
    ) -> None:
        facts = await connection.facts()
        requests: list[ItemRequest] = []
        for key, address in missing:
            node = node_id(address, facts.namespaces)
            if node is None:
                self._refused[key] = f"{address}: the server has no namespace {address.namespace}"
                continue
            handle = next(self._handles)
            self._items[handle] = _Item(key=key, address=address)  # values may come before the answer
            requests.append(ItemRequest(handle=handle, node=node))
        for batch in _batches(requests, facts.items_per_call):
            await self._create(batch, connection, subscription_id)

    async def _create(self, batch: Sequence[ItemRequest], connection: Connection, subscription_id: int) -> None:
        """Create one batch, in halves where the server takes fewer at a time than it says."""
        try:
            made = await connection.create_items(subscription_id, batch)
        except uaerrors.BadTooManyOperations:
            if len(batch) == 1:
                raise
            half = len(batch) // 2
            await self._create(batch[:half], connection, subscription_id)
            await self._create(batch[half:], connection, subscription_id)
            return
        for request, answer in zip(batch, made, strict=True):
            if isinstance(answer, str):
                item = self._items.pop(request.handle)
                self._refused[item.key] = f"{item.address}: {answer}"
            else:
                self._items[request.handle].server_id = answer

    def _tell_refused(self, wanted: Wanted) -> None:
        """Log what is left out once, and once more when its reason changes."""
        unbound = {ItemKey(thing_id, "*"): reason for thing_id, reason in wanted.problems.items()}
        left_out = {**self._refused, **unbound}
        for key, reason in left_out.items():
            if self._told.get(key) != reason:
                _log.warning("item_refused", thing_id=key.thing_id, property=key.name, reason=reason)
        self._told = left_out
        self._counts["items"] = len(self._items)
        self._counts["items_refused"] = len(left_out)


def _batches(things: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))
