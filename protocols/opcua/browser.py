"""Following references of a server, within the limits that it sets (Part 4 section 5.9.2)."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from protocols.opcua.stack import ua

MOST_NODES_PER_CALL: Final = 100
_MOST_PAGES: Final = 10_000


class Reference(Struct, frozen=True, kw_only=True):
    """Where a reference leads to. ``name`` is the browse name, ``type_id`` what its node is an instance of."""

    node: Any
    name: str
    namespace: int
    title: str
    node_class: int
    type_id: Any


class Browser:
    """Browses on one session."""

    def __init__(self, session: Any, nodes_per_call: int = MOST_NODES_PER_CALL) -> None:
        self._session = session
        self._nodes_per_call = max(1, min(nodes_per_call, MOST_NODES_PER_CALL))

    async def related(
        self, nodes: Sequence[Any], reference: int, *, forward: bool = True, node_classes: int = 0
    ) -> list[list[Reference]]:
        """Return for each node what the references of this type, or of its subtypes, lead to."""
        found: list[list[Reference]] = []
        for start in range(0, len(nodes), self._nodes_per_call):
            batch = nodes[start : start + self._nodes_per_call]
            params = ua.BrowseParameters()
            params.NodesToBrowse = [_described(node, reference, node_classes, forward=forward) for node in batch]
            params.RequestedMaxReferencesPerNode = 0
            answers: list[Any] = await self._session.browse(params)
            found.extend([await self._all_pages(answer) for answer in answers])
        return found

    async def _all_pages(self, answer: Any) -> list[Reference]:
        if not answer.StatusCode.is_good():
            return []
        pages: list[Any] = list(answer.References or [])
        more = answer.ContinuationPoint
        for _ in range(_MOST_PAGES):
            if not more:
                break
            params = ua.BrowseNextParameters()
            params.ReleaseContinuationPoints = False
            params.ContinuationPoints = [more]
            (answer,) = await self._session.browse_next(params)
            pages.extend(answer.References or [])
            more = answer.ContinuationPoint
        return [_reference(entry) for entry in pages]


def _described(node: Any, reference: int, node_classes: int, *, forward: bool) -> Any:
    described = ua.BrowseDescription()
    described.NodeId = node
    described.BrowseDirection = ua.BrowseDirection.Forward if forward else ua.BrowseDirection.Inverse
    described.ReferenceTypeId = ua.NodeId(reference)
    described.IncludeSubtypes = True
    described.NodeClassMask = node_classes
    described.ResultMask = ua.BrowseResultMask.All
    return described


def _reference(entry: Any) -> Reference:
    return Reference(
        node=entry.NodeId,
        name=str(entry.BrowseName.Name or ""),
        namespace=int(entry.BrowseName.NamespaceIndex),
        title=str(entry.DisplayName.Text or ""),
        node_class=int(entry.NodeClass),
        type_id=entry.TypeDefinition,
    )
