"""What a torture needs on disk: two shops' catalogues, profiles, and a configuration of the hub."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from crm_adapters.sandboxing import CatalogItem

SELLERS: Final = ("shop", "outlet")
PROFILES: Final = {"printer_xl": "INK-XL-BK", "printer_std": "INK-STD-BK"}
OWNER: Final = "acme"
LOW_AT: Final = 15.0
SUBJECT: Final = "black"
SETTLE_S: Final = 1.5
"""Longer than the shops' longest late commit; an absent record proves nothing before."""
_PRICES_MINOR: Final = {
    "shop": {"INK-XL-BK": 3000, "INK-STD-BK": 2600},
    "outlet": {"INK-XL-BK": 3300, "INK-STD-BK": 2100},
}
_SECRET: Final = "not-a-secret-shop"  # noqa: S105 - the development secret that the sandbox prints

_PROFILE: Final = """\
name = "{name}"
title = "Printer"
model = "TP-1"

[properties.ink]
unit = "%"
minimum = 0
maximum = 100

[properties.pages]
unit = "page"
minimum = 0

[slots.{subject}]
level = "ink"
usage = "pages"
capacity = 100
low_at = {low_at}
refill_step = 30
delivery_days = 3
safety_days = 2
skus = [{{ sku = "{sku}", title = "Black ink", fills = 100 }}]

[sources.http]
ink = "ink"
pages = "pages"
"""
_HUB: Final = """\
[hub]
name = "torture"
data_dir = "data"
listen = "127.0.0.1:0"

[protocols.http]

[communities.office]
members = {members}

[limits]
max_orders_per_7_days = 1000000
min_hours_between_orders = 0

[storage]
snapshot_every = 16
"""
_CRM: Final = """
[crm.{name}]
adapter = "rest"
base_url = "{url}"
internal_hosts = ["127.0.0.1"]
manifest_file = "shop.toml"
client_id = "iot2crm-development"
client_secret = {{ file = "secret" }}
"""


def mandate(owner: str, budget_minor: int) -> dict[str, Any]:
    """Return what an owner who buys supplies of both shops tells the owners' API."""
    return {
        "mandate_id": "supplies",
        "owner_id": owner,
        "levels": {"supply": "autonomous"},
        "budget": {"minor": budget_minor, "currency": "EUR"},
        "budget_period": "year",
        "per_order_limit": {"minor": 10_000, "currency": "EUR"},
        "allowed_payees": list(SELLERS),
        "valid_until": "2999-01-01T00:00:00Z",
    }


def write_catalog(folder: Path, seller: str) -> Path:
    """Write what a seller offers; each sells one article for less than the other."""
    items = [
        CatalogItem(
            sku=sku, title="Black ink", list_price_minor=minor, price_minor=minor, shipping_minor=490, tax_percent=19
        )
        for sku, minor in _PRICES_MINOR[seller].items()
    ]
    path = folder / f"{seller}.catalog.json"
    path.write_bytes(msgspec.json.encode(items))
    return path


def write_hub(folder: Path, urls: Mapping[str, str], *, more: str = "") -> Path:
    """Write profiles, manifest, secret and configuration for a hub whose orders go to these shops.

    ``more`` is added to the configuration as it is. The data directory will be ``data`` in the folder.
    """
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    for name, sku in PROFILES.items():
        text = _PROFILE.format(name=name, sku=sku, subject=SUBJECT, low_at=LOW_AT)
        (profiles / f"{name}.toml").write_text(text, encoding="utf-8")
    shipped = files("crm_adapters.rest").joinpath("manifests/shop.toml").read_text(encoding="utf-8")
    told = re.sub(r"(?m)^settle_s = \S+", f"settle_s = {SETTLE_S}", shipped)
    (folder / "shop.toml").write_text(told, encoding="utf-8")
    secret = folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(_SECRET, encoding="utf-8")
    connections = (_CRM.format(name=name, url=url) for name, url in urls.items())
    config = folder / "hub.toml"
    hub = _HUB.format(members=list(PROFILES))
    config.write_text(hub + "".join(connections) + more, encoding="utf-8")
    return config
