"""Who sends: from the security context or, where the operator allows it, from the address. Never from the payload."""

from collections.abc import Container, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Protocol, final

from msgspec import Struct

from actors.model.ids import OwnerId, ThingId
from actors.model.readings import Principal, PrincipalKind
from actors.ports import ConnectedThing, ThingDirectory
from protocols.coap.replies import Rejected, ReplyCode
from protocols.coap.roster import ADDRESS_OPTION, Roster

_REMEMBERED: Final = 8192


class Sender(Struct, frozen=True, kw_only=True):
    """The far end of one request. ``claims`` name the security context that protected it; plain CoAP has none."""

    host: str
    port: int
    claims: tuple[str, ...] = ()


class PrincipalResolver(Protocol):
    """Says who a sender is."""

    def admit(self, sender: Sender) -> None:
        """Let a sender in, before anything of its request is kept.

        Raises:
            Rejected: It may not speak at all.
        """
        ...

    def resolve(self, sender: Sender, thing_id: ThingId) -> tuple[Principal, ConnectedThing]:
        """Return the principal of a sender that speaks for this thing.

        Raises:
            Rejected: It is not that thing.
        """
        ...

    def owners(self, sender: Sender) -> frozenset[OwnerId]:
        """Return the owners of the things that a sender may be.

        Raises:
            Rejected: It is none.
        """
        ...


@final
class PlainByAddress:
    """Plain CoAP: the address must be allowed, and must be the one that the thing's connection option names."""

    def __init__(self, plain_from: Sequence[str], things: ThingDirectory, roster: Roster | None = None) -> None:
        self._networks = tuple(ip_network(network) for network in plain_from)
        self._things = things
        self._roster = roster or Roster(things)
        # addresses are read once and not for each request, which would cost more than all the rest of it
        self._allows = lru_cache(_REMEMBERED)(self._is_allowed)
        self._owns = lru_cache(_REMEMBERED)(_is_own)
        self._principal = lru_cache(_REMEMBERED)(_principal)
        self._resolved: dict[tuple[str, ThingId], tuple[Principal, ConnectedThing]] = {}
        """By address and thing: what was found last. It holds as long as the directory gives this very thing."""

    def admit(self, sender: Sender) -> None:
        """Let in who sends from an allowed network."""
        if not self._allows(sender.host):
            address = plain_address(sender.host)
            text = f"plain CoAP from {address} is not allowed: the operator's plain_from does not hold this address"
            raise Rejected(ReplyCode.UNAUTHORIZED, "unauthenticated", text)

    def resolve(self, sender: Sender, thing_id: ThingId) -> tuple[Principal, ConnectedThing]:
        """Return the principal of a thing that speaks from its own address."""
        thing = self._things.find(thing_id)
        known = self._resolved.get((sender.host, thing_id))
        if known is not None and known[1] is thing:
            return known
        resolved = self._judged(sender, thing_id, thing)
        if len(self._resolved) >= _REMEMBERED:
            self._resolved.clear()
        self._resolved[sender.host, thing_id] = resolved
        return resolved

    def _judged(
        self, sender: Sender, thing_id: ThingId, thing: ConnectedThing | None
    ) -> tuple[Principal, ConnectedThing]:
        self.admit(sender)
        if thing is None:
            raise Rejected(ReplyCode.NOT_FOUND, "unknown_thing", f"{thing_id} is not registered")
        if not self._owns(thing.options.get(ADDRESS_OPTION), sender.host):
            address = plain_address(sender.host)
            text = f"{address} is not the address that {thing_id} is connected with (its connection option 'address')"
            raise Rejected(ReplyCode.UNAUTHORIZED, "unauthenticated", text)
        return self._principal(thing.thing_id, thing.owner_id, sender.host), thing

    def owners(self, sender: Sender) -> frozenset[OwnerId]:
        """Return the owners of the things that are connected with this address."""
        self.admit(sender)
        address = str(plain_address(sender.host))
        owners = self._roster.owners_at(address)
        if not owners:
            text = f"{address} is not the address of any thing (its connection option 'address')"
            raise Rejected(ReplyCode.UNAUTHORIZED, "unauthenticated", text)
        return owners

    def _is_allowed(self, host: str) -> bool:
        address = plain_address(host)
        return any(address in network for network in self._networks)


@final
class ByContext:
    """Who speaks in a security context is its thing; a thing that has one is heard in no other way."""

    def __init__(self, plain: PlainByAddress, secured: Container[ThingId], things: ThingDirectory) -> None:
        self._plain = plain
        self._secured = secured
        self._things = things

    def admit(self, sender: Sender) -> None:
        """Let in who speaks in a context, or may speak without one."""
        if not sender.claims:
            self._plain.admit(sender)

    def resolve(self, sender: Sender, thing_id: ThingId) -> tuple[Principal, ConnectedThing]:
        """Return the principal of the context's thing."""
        if not sender.claims:
            if thing_id in self._secured:
                text = f"{thing_id} has a security context or key: plain CoAP is refused, speak in it"
                raise Rejected(ReplyCode.UNAUTHORIZED, "unauthenticated", text)
            return self._plain.resolve(sender, thing_id)
        if sender.claims[0] != thing_id:
            text = f"the security context is that of {sender.claims[0]}, which may not speak for {thing_id}"
            raise Rejected(ReplyCode.FORBIDDEN, "foreign_thing", text)
        thing = self._things.find(thing_id)
        if thing is None:
            raise Rejected(ReplyCode.NOT_FOUND, "unknown_thing", f"{thing_id} is not registered")
        name = f"coap:secured:{thing_id}"
        principal = Principal(kind=PrincipalKind.THING, name=name, thing_id=thing_id, owner_id=thing.owner_id)
        return principal, thing

    def owners(self, sender: Sender) -> frozenset[OwnerId]:
        """Return the owner of the context's thing, or those of the things with the sender's address."""
        if not sender.claims:
            return self._plain.owners(sender)
        _, thing = self.resolve(sender, ThingId(sender.claims[0]))
        return frozenset({thing.owner_id})


def plain_address(host: str) -> IPv4Address | IPv6Address:
    """Return the address of a socket's host, IPv4 where it was mapped into IPv6."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_own(option: str | None, host: str) -> bool:
    try:
        return option is not None and ip_address(option) == plain_address(host)
    except ValueError:
        return False


def _principal(thing_id: ThingId, owner_id: OwnerId, host: str) -> Principal:
    name = f"coap:{plain_address(host)}"
    return Principal(kind=PrincipalKind.THING, name=name, thing_id=thing_id, owner_id=owner_id)
