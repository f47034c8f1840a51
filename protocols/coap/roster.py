"""The things that are connected by CoAP, found by what a device says or shows of itself."""

from collections import defaultdict
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, final

from actors.model.ids import OwnerId, ThingId
from actors.ports import ConnectedThing, ThingDirectory

PROTOCOL: Final = "coap"
ADDRESS_OPTION: Final = "address"
ENDPOINT_OPTION: Final = "endpoint"


@final
class Roster:
    """Follows the directory from ``start`` to ``close``."""

    def __init__(self, things: ThingDirectory) -> None:
        self._things = things
        self._options: dict[ThingId, tuple[str, str]] = {}
        self._by_endpoint: dict[str, ThingId] = {}
        self._by_address: defaultdict[str, set[ThingId]] = defaultdict(set)

    def add(self, thing: ConnectedThing) -> None:
        """Know a thing, or know it anew."""
        self.drop(thing.thing_id)
        endpoint, address = thing.options.get(ENDPOINT_OPTION, ""), _plain(thing.options.get(ADDRESS_OPTION, ""))
        if not endpoint and not address:
            return
        self._options[thing.thing_id] = (endpoint, address)
        if endpoint:
            self._by_endpoint[endpoint] = thing.thing_id
        if address:
            self._by_address[address].add(thing.thing_id)

    def drop(self, thing_id: ThingId) -> None:
        """Forget a thing."""
        endpoint, address = self._options.pop(thing_id, ("", ""))
        if self._by_endpoint.get(endpoint) == thing_id:
            del self._by_endpoint[endpoint]
        if address:
            self._by_address[address].discard(thing_id)
            if not self._by_address[address]:
                del self._by_address[address]

    def called(self, endpoint: str) -> ThingId | None:
        """Return the thing whose endpoint name this is: its option ``endpoint``, or its id."""
        known = self._by_endpoint.get(endpoint)
        if known is not None:
            return known
        thing = self._things.find(ThingId(endpoint))
        return None if thing is None else thing.thing_id

    def at(self, address: str) -> Sequence[ThingId]:
        """Return the things whose own address this is."""
        return sorted(self._by_address.get(address, ()))

    def owners_at(self, address: str) -> frozenset[OwnerId]:
        """Return the owners of the things whose own address this is."""
        found = (self._things.find(thing_id) for thing_id in self.at(address))
        return frozenset(thing.owner_id for thing in found if thing is not None)


def _plain(address: str) -> str:
    try:
        return str(ip_address(address)) if address else ""
    except ValueError:
        return ""  # nobody sends from there; the sender is told when it tries
