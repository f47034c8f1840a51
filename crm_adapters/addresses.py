"""Which addresses a connection may reach: public ones, and those that the operator listed. Pure.

A manifest is data that somebody may have copied from anywhere, and a CRM's answers name further addresses. Neither may
make the hub speak to the machines beside it.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeGuard

from msgspec import Struct
from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google Cloud, OpenStack, DigitalOcean
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "168.63.129.16",  # Azure's wire server, an address that looks public
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",
        "fd20:ce::254",  # Google Cloud over IPv6
    )
)
"""Addresses that hand out a machine's own credentials: a listed name never opens them, only the address itself does."""

_NOT_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (  # IANA special-purpose address registries
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/16",  # unspecified, loopback, mapped, compatible and translated addresses (RFC 4291, RFC 2765)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215): what stands behind it nobody knows
        "100::/64",
        "2001::/23",  # Teredo and others
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",  # site-local, still routed by some
        "ff00::/8",
    )
)
_MAPPED: Final = (ip_network("::ffff:0:0/96"), ip_network("::ffff:0:0:0/96"), ip_network("::/96"))
_NAT64: Final = ip_network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ip_network("2002::/16")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1
_NUMERIC: Final = re.compile(r"^(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*$")


class Listed(Struct, frozen=True, kw_only=True):
    """One entry of ``internal_hosts``: a name or an address, a network, and a port where only that one is meant."""

    name: str = ""
    network: Network | None = None
    port: int | None = None

    def covers_name(self, host: str, port: int | None) -> bool:
        """Say whether this host is the one that is listed."""
        return self.name == host and self.port in {None, port}

    def covers(self, address: Address, port: int | None) -> bool:
        """Say whether this address lies in what is listed."""
        return self.network is not None and _lies_in(address, self.network) and self.port in {None, port}


class AddressPolicy:
    """Says of a host and of an address whether the connection may go there."""

    def __init__(self, internal_hosts: Iterable[str] = ()) -> None:
        """Read the operator's list.

        Raises:
            ValueError: an entry is no host, address or network, with or without a port.
        """
        self._listed = tuple(_entry(text) for text in internal_hosts)

    def why_not_url(self, url: str) -> str | None:
        """Return why nothing may be sent to an absolute URL; None where its host may at least be resolved."""
        try:
            place = URL(url, encoded=True)
        except ValueError:  # such as a backslash before the path
            return "expected an absolute http or https URL"
        host = host_of(place)
        if place.scheme not in {"http", "https"} or not host:
            return "expected an absolute http or https URL"
        if place.user is not None or place.password is not None or "@" in place.raw_authority:
            return "a URL must not carry a user or a password"
        if not host.isascii():
            return f"{host!r} has letters beyond ASCII; write the name as xn--..."
        refused = self.why_not_host(host, place.port)
        if refused is None and place.scheme == "http" and not self.is_listed(host, place.port):
            return f"plain http sends credentials readable; use https, or list {host!r} in internal_hosts"
        return refused

    def why_not_host(self, host: str, port: int | None) -> str | None:
        """Return why a host may not be spoken to; None where it may be, or where its addresses decide."""
        address = _literal(host)
        if address is not None:
            return self.why_not_address(address, port, host=host)
        if _NUMERIC.match(host):
            return f"{host!r} is a number in disguise; write the address as usual, such as 192.0.2.1"
        if host.rsplit(".", maxsplit=1)[-1] == "localhost" and not self.is_listed(host, port):  # RFC 6761 section 6.3
            return f"{host!r} is this machine, which is no public address; if it is meant, list it in internal_hosts"
        return None

    def why_not_address(self, address: Address, port: int | None, *, host: str = "") -> str | None:
        """Return why an address may not be connected to, for a host that resolved to it."""
        if any(listed.covers(address, port) for listed in self._listed):
            return None
        shown = f"{host} is {address}" if host and host != str(address) else f"{address}"
        if any(inner in _METADATA for inner in _meant(address)):
            return f"{shown}, which gives out credentials of this machine; it must be listed itself in internal_hosts"
        if any(listed.covers_name(host, port) for listed in self._listed):
            return None
        if any(not is_public(inner) for inner in _meant(address)):
            return f"{shown}, which is no public address; if it is meant, list it in internal_hosts"
        return None

    def is_listed(self, host: str, port: int | None) -> bool:
        """Say whether the operator vouches for a host by its name or its literal address."""
        address = _literal(host)
        by_address = address is not None and any(listed.covers(address, port) for listed in self._listed)
        return by_address or any(listed.covers_name(host, port) for listed in self._listed)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the public internet, unicast."""
    return address.is_global and not any(_lies_in(address, network) for network in _NOT_PUBLIC)


def host_of(url: URL) -> str:
    """Return a URL's host as it is compared: lower case, without the root's dot and without brackets."""
    return (url.raw_host or "").lower().strip("[]").rstrip(".")


def _meant(address: Address) -> Iterator[Address]:
    """Yield an address and the IPv4 addresses that are written inside it, wherever a gateway may unpack one."""
    yield address
    if not isinstance(address, IPv6Address):
        return
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if any(_lies_in(address, network) for network in (*_MAPPED, _NAT64)) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield last
    if _lies_in(address, _SIX_TO_FOUR):
        yield IPv4Address((number >> 80) & 0xFFFFFFFF)
    if address.teredo is not None:
        yield from address.teredo


def _lies_in(address: Address, network: Network) -> bool:
    if isinstance(address, IPv4Address):
        return isinstance(network, IPv4Network) and address in network
    return _is_v6(network) and IPv6Address(int(address)) in network  # without its zone


def _is_v6(network: Network) -> TypeGuard[IPv6Network]:
    return isinstance(network, IPv6Network)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _entry(text: str) -> Listed:
    host, port = _split(text)
    network = _network(host)
    if network is not None:
        return Listed(name=host if network.num_addresses == 1 else "", network=network, port=port)
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) or _NUMERIC.match(host.lower()):
        raise ValueError(f"internal_hosts: {text!r} is no host, address or network, with or without :port")
    return Listed(name=host.lower(), port=port)


def _split(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^:\[\]]+)(?::(\d{1,5}))?", text)
    found = bracketed or plain
    if found is None:
        return text, None  # an IPv6 address or network without a port
    return found[1], int(found[2]) if found[2] else None


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
