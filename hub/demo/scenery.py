"""What stands on the demo's stage: the hub's configuration, what sellers sell, and what peers experienced before."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from crm_adapters.sandboxing import CatalogItem, find_sandbox

WEBSHOP: Final = "webshop"
MAKER: Final = "maker"
FIELD_SERVICE: Final = "field_service"
CONNECTIONS: Final = (WEBSHOP, MAKER, FIELD_SERVICE)
OFFICE: Final = "office"
MACHINES: Final = "machines"

_PORTS: Final = (20_000, 32_000)
"""Below the range that systems take for outgoing connections, so that a port found free stays free."""
_MOST_BYTES: Final = 256 * 1024 * 1024
_PROFILES: Final = ("ink_printer", "tank_sensor", "press", "turbofan")
_VENDOR_TABLES: Final[Mapping[str, str]] = {
    "rest": 'base_url = "{url}"\ninternal_hosts = ["127.0.0.1"]\nmanifest = "shop"\nclient_id = "{client_id}"\n',
    "salesforce": 'login_url = "{url}"\nclient_id = "{client_id}"\n',
    "dynamics": 'org_url = "{url}"\nlogin_url = "{url}"\ntenant = "{tenant}"\nclient_id = "{client_id}"\n',
}

CATALOGS: Final[Mapping[str, Sequence[CatalogItem]]] = {
    WEBSHOP: (
        CatalogItem(
            sku="INK-XL-BK",
            title="Black ink, XL cartridge",
            list_price_minor=3990,
            price_minor=3390,
            delivery_days=2.0,
            tax_percent=19.0,
        ),
        CatalogItem(
            sku="INK-STD-BK",
            title="Black ink, standard cartridge",
            list_price_minor=2190,
            price_minor=1990,
            delivery_days=2.0,
            tax_percent=19.0,
        ),
        CatalogItem(
            sku="CHEM-20L",
            title="Cleaning agent, refill of 20 l",
            list_price_minor=8400,
            price_minor=7900,
            delivery_days=4.0,
            shipping_minor=1250,
            tax_percent=19.0,
        ),
    ),
    MAKER: (
        CatalogItem(
            sku="ENGINE-MOD-1",
            title="Replacement module, compressor stage",
            list_price_minor=789_000,
            price_minor=740_000,
            delivery_days=6.0,
            shipping_minor=9_500,
            tax_percent=19.0,
        ),
    ),
    FIELD_SERVICE: (
        CatalogItem(
            sku="INK-XL-BK",
            title="Black ink, XL cartridge",
            list_price_minor=3690,
            price_minor=3690,
            delivery_days=2.0,
            shipping_minor=690,
            tax_percent=19.0,
        ),
    ),
}
"""The web shop's ink has the higher list price and the lower landed cost."""


class EngineKind(Struct, frozen=True, kw_only=True):
    """One kind of engine: its profile and the community of its peers."""

    profile: str
    community: str


BUILT_IN: Final = EngineKind(profile="turbofan", community=MACHINES)


class Addresses(Struct, frozen=True, kw_only=True):
    """Where everything listens."""

    http_port: int
    coap_port: int
    plant_url: str
    crm_urls: Mapping[str, str]


def vendors(*, swap: bool) -> dict[str, str]:
    """Return which vendor's CRM each company runs; ``swap`` exchanges Salesforce and Dynamics."""
    maker, field_service = ("dynamics", "salesforce") if swap else ("salesforce", "dynamics")
    return {WEBSHOP: "rest", MAKER: maker, FIELD_SERVICE: field_service}


def kind_of_subset(name: str) -> EngineKind:
    """Return the profile and community of the engines of one C-MAPSS subset."""
    return EngineKind(profile=f"turbofan_{name.lower()}", community=f"engines_{name.lower()}")


def free_port(kind: socket.SocketKind, chance: Random) -> int:
    """Return a port on loopback that nobody listens at."""
    while True:
        port = chance.randrange(*_PORTS)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def write_catalogs(folder: Path) -> dict[str, Path]:
    """Write what each company sells, and return the files."""
    files = {connection: folder / f"{connection}.catalog.json" for connection in CATALOGS}
    for connection, file in files.items():
        file.write_bytes(msgspec.json.encode(CATALOGS[connection]))
    return files


def write_config(folder: Path, addresses: Addresses, vendor_of: Mapping[str, str], kinds: Iterable[EngineKind]) -> Path:
    """Write hub.toml and the thing profiles, and return the former."""
    engines = tuple(kinds)
    _write_profiles(folder / "profiles", engines)
    parts = [_hub_part(addresses), *(_crm_part(name, vendor_of[name], addresses) for name in CONNECTIONS)]
    machines = ["press", *(kind.profile for kind in engines if kind.community == MACHINES)]
    members = {OFFICE: ["ink_printer", "tank_sensor"], MACHINES: machines}
    members |= {kind.community: [kind.profile] for kind in engines if kind.community != MACHINES}
    parts += [f"[communities.{name}]\nmembers = {msgspec.json.encode(who).decode()}\n" for name, who in members.items()]
    file = folder / "hub.toml"
    file.write_text("\n".join(parts), encoding="utf-8")
    return file


def secrets_of(vendor_of: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that hub.toml takes the sandboxes' development secrets from."""
    return {_variable(name): find_sandbox(vendor).credentials["client_secret"] for name, vendor in vendor_of.items()}


def ink_experience(chance: Random) -> list[dict[str, Any]]:
    """Return what cartridges lasted with six other owners and in the own fleet, as experience cards."""
    owners = [*(f"peer-{letter}" for letter in "abcdef"), "acme-offices"]
    usual = {"INK-XL-BK": 2600.0, "INK-STD-BK": 1050.0}
    return [
        {
            "card_id": f"ink.{owner}.{sku}.{number}",
            "community_id": OFFICE,
            "topic": "material",
            "owner_id": owner,
            "subject": "black_ink",
            "sku": sku,
            "lived": round(pages * chance.uniform(0.85, 1.15), 1),
        }
        for owner in owners
        for sku, pages in usual.items()
        for number in range(2)
    ]


def _write_profiles(folder: Path, engines: Sequence[EngineKind]) -> None:
    folder.mkdir()
    packaged = resources.files("hub.demo") / "plant_files"
    texts = {name: (packaged / f"{name}.toml").read_text(encoding="utf-8") for name in _PROFILES}
    for kind in engines:
        texts[kind.profile] = texts["turbofan"].replace('name = "turbofan"', f'name = "{kind.profile}"')
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def _hub_part(addresses: Addresses) -> str:
    return f"""\
[hub]
name = "demo"
data_dir = "data"
listen = "127.0.0.1:{addresses.http_port}"
profiles = ["profiles/*.toml"]
log = "json"

[limits]
max_body_bytes = {_MOST_BYTES}

[protocols.http]

[protocols.coap]
port = {addresses.coap_port}
plain_from = ["127.0.0.1"]

[protocols.opcua.endpoints.plant]
url = "{addresses.plant_url}"
publishing_interval_ms = 10
sampling_interval_ms = 0
queue_size = 2000
retry_cap_s = 2
"""


def _crm_part(name: str, vendor: str, addresses: Addresses) -> str:
    known = {**find_sandbox(vendor).credentials, "url": addresses.crm_urls[name]}
    table = _VENDOR_TABLES[vendor].format_map(known)
    return f'[crm.{name}]\nadapter = "{vendor}"\n{table}client_secret = {{ env = "{_variable(name)}" }}\n'


def _variable(connection: str) -> str:
    return f"DEMO_{connection.upper()}_CLIENT_SECRET"
