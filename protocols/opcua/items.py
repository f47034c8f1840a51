"""The monitored items of one link: what is wanted, what the server has, and how to make them agree."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import structlog
from asyncua.ua import uaerrors
from msgspec import Struct

from actors.model.profiles import PropertyKind
from protocols.opcua.addressing import ItemKey
from protocols.opcua.connection import Connection, ItemRequest, node_id
from protocols.opcua.mapping import Subject
from protocols.opcua.publishing import EventFields
from protocols.opcua.sources import EventView, Source
from protocols.opcua.variants import Sample
from protocols.opcua.wanted import Wanted

T = TypeVar("T")
_log = structlog.get_logger()


class _Item(Struct, kw_only=True):
    """An item that the server monitors. ``server_id`` is None until it has said so."""

    subject: Subject
    source: Source
    node: Any
    server_id: int | None = None

    @property
    def key(self) -> ItemKey:
        """Whose value it is."""
        return self.subject.key


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

    @property
    def monitored(self) -> Collection[ItemKey]:
        """The items that the server monitors, or is about to."""
        return {item.key for item in self._items.values()}

    @property
    def subjects(self) -> list[tuple[Subject, Any]]:
        """The variables that the server monitors, with their nodes."""
        return [
            (item.subject, item.node)
            for item in self._items.values()
            if item.server_id is not None and item.source.watching.events is None
        ]

    def events_of(self, events: Iterable[EventFields]) -> list[tuple[Subject, EventView, EventFields]]:
        """Return events with whose they are and what is wanted of them."""
        found: list[tuple[Subject, EventView, EventFields]] = []
        for event in events:
            item = self._items.get(event.handle)
            if item is not None and item.source.watching.events is not None:
                found.append((item.subject, item.source.watching.events, event))
        return found

    @property
    def alarmed(self) -> list[Subject]:
        """The items that follow alarms."""
        return [item.subject for item in self._items.values() if item.source.watching.events is EventView.ACTIVE]

    def values_of(self, values: Iterable[tuple[int, Sample]]) -> list[tuple[Subject, Sample]]:
        """Return the values with whose they are; those of items that are gone are left out."""
        items = self._items
        return [(items[handle].subject, value) for handle, value in values if handle in items]

    def reset(self) -> None:
        """Forget the items of a subscription that is gone."""
        self._items.clear()
        self._refused.clear()
        self.is_certain = True

    async def reconcile(self, wanted: Wanted, connection: Connection, subscription_id: int) -> list[ItemKey]:
        """Make the server monitor what is wanted and nothing else; return the items it no longer monitors."""
        gone = {handle: item for handle, item in self._items.items() if wanted.items.get(item.key) != item.source}
        present = {item.key for item in self._items.values()} - {item.key for item in gone.values()}
        missing = [(key, source) for key, source in wanted.items.items() if key not in present]
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
        self, missing: Sequence[tuple[ItemKey, Source]], connection: Connection, subscription_id: int
    ) -> None:
        facts = await connection.facts()
        nodes = self._nodes(missing, facts.namespaces)
        names = await self._names(nodes, connection, facts.reads_per_call)
        requests: list[ItemRequest] = []
        for key, (source, node) in nodes.items():
            handle = next(self._handles)
            subject = subject_of(key, source, names.get(key))
            self._items[handle] = _Item(subject=subject, source=source, node=node)  # values may come before the answer
            requests.append(ItemRequest(handle=handle, node=node, watching=source.watching))
        for batch in _batches(requests, facts.items_per_call):
            await self._create(batch, connection, subscription_id)

    def _nodes(
        self, missing: Sequence[tuple[ItemKey, Source]], namespaces: Sequence[str]
    ) -> Mapping[ItemKey, tuple[Source, Any]]:
        """Return the nodes by this server's numbers for its namespaces; without its namespace an item is refused."""
        found: dict[ItemKey, tuple[Source, Any]] = {}
        for key, source in missing:
            node = node_id(source.node, namespaces)
            if node is None:
                self._refused[key] = f"{source}: the server has no namespace {source.node.namespace}"
            else:
                found[key] = (source, node)
        return found

    async def _names(
        self, nodes: Mapping[ItemKey, tuple[Source, Any]], connection: Connection, limit: int
    ) -> Mapping[ItemKey, Mapping[int, str] | None]:
        """Return what the numbers of enumerations are called, for properties that are text."""
        texts = [
            (key, node)
            for key, (source, node) in nodes.items()
            if source.kind is PropertyKind.TEXT and source.watching.events is None
        ]
        found: dict[ItemKey, Mapping[int, str] | None] = {}
        for batch in _batches(texts, limit):
            names = await connection.names_of([node for _, node in batch])
            found.update(zip((key for key, _ in batch), names, strict=True))
        return found

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
                self._refused[item.key] = f"{item.source}: {answer}"
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


def subject_of(key: ItemKey, source: Source, names: Mapping[int, str] | None = None) -> Subject:
    """Return whose value an item brings, and what it may be."""
    return Subject(
        key=key,
        kind=source.kind,
        unit=source.unit if source.kind is PropertyKind.NUMBER else None,
        part=tuple(source.watching.field.split(".")) if source.watching.field else (),
        names=names,
    )


def _batches(things: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))
