"""The demo's report, its figures for replayed engines, and the files it brings along."""

from importlib import resources
from pathlib import Path

import click
import msgspec
import pytest

from hub.config import load
from hub.demo.main import chosen
from hub.demo.programme import stopped
from hub.demo.replay import figures
from hub.demo.report import report_of, write_report
from hub.demo.scenery import (
    BUILT_IN,
    CATALOGS,
    CONNECTIONS,
    Addresses,
    kind_of_subset,
    secrets_of,
    vendors,
    write_config,
)
from hub.demo.stories.catalogue import NAMES
from hub.demo.telling import Check, Evidence, Told

EXAMPLES = Path(__file__).parents[2] / "examples" / "plant" / "profiles"


def told(*, holds: bool) -> Told:
    evidence = Evidence(orders=({"key": "I2C"},), trace=({"step": "reading"},), records=())
    return Told(evidence=evidence, checks=(Check(what="it is so", holds=holds),), why="because")


def test_a_story_is_reported_by_four_keys(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", report_of({"supply": told(holds=True)}, seconds=1.5))
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes())
    story = {"ok": True, "orders": [{"key": "I2C"}], "trace": [{"step": "reading"}], "why": "because"}
    assert report["stories"] == {"supply": story}
    assert report["evidence"]["supply"]["checks"] == {"it is so": True}
    assert report["seconds"] == 1.5


def test_one_thing_that_is_not_so_spoils_a_story() -> None:
    assert not told(holds=False).ok


def test_a_story_without_checks_shows_nothing() -> None:
    assert not Told(evidence=Evidence(orders=(), trace=(), records=()), checks=(), why="").ok


def test_a_story_that_stops_names_every_cause() -> None:
    error = ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])
    assert stopped(error).why == "not shown: ValueError: one; KeyError: 'two'"


def test_a_due_engine_without_an_order_is_missed_and_an_early_order_counts() -> None:
    left = {"due": 30.0, "late": 7.0, "between": 45.0, "fresh": 61.0, "new": 120.0}
    found = figures(left, {"due": 1, "fresh": 1, "between": 1})
    assert (found.engines, found.due_caught, found.early_orders, found.missed) == (5, 0.5, 0.5, ["late"])


def test_shares_of_no_engine_are_not_told() -> None:
    found = figures({"between": 45.0}, {})
    assert (found.due_caught, found.early_orders, found.missed) == (None, None, [])


def test_stories_are_told_in_their_order_whatever_the_command_line_says() -> None:
    assert chosen(()) == NAMES
    assert chosen(("service", "supply")) == ("supply", "service")
    with pytest.raises(click.BadParameter, match="expected one of supply, crash"):
        chosen(("suply",))


@pytest.mark.parametrize("swap", [False, True])
def test_the_written_configuration_is_one_that_the_hub_takes(tmp_path: Path, swap: bool) -> None:
    vendor_of = vendors(swap=swap)
    urls = dict.fromkeys(CONNECTIONS, "http://127.0.0.1:1")
    addresses = Addresses(http_port=2, coap_port=3, plant_url="opc.tcp://127.0.0.1:4/", crm_urls=urls)
    file = write_config(tmp_path, addresses, vendor_of, (BUILT_IN, kind_of_subset("FD001")))
    config = load(file, environ=secrets_of(vendor_of))
    assert {choice.name: choice.spec.name for choice in config.crm} == vendor_of
    assert config.communities["engines_fd001"].members == ("turbofan_fd001",)


def test_the_swap_exchanges_two_vendors_and_nothing_else() -> None:
    plain, swapped = vendors(swap=False), vendors(swap=True)
    assert (plain["maker"], plain["field_service"]) == (swapped["field_service"], swapped["maker"])
    assert plain["webshop"] == swapped["webshop"]


def test_the_web_shop_lists_its_ink_dearer_and_delivers_it_cheaper() -> None:
    shop, other = (
        next(item for item in CATALOGS[name] if item.sku == "INK-XL-BK") for name in ("webshop", "field_service")
    )
    assert shop.list_price_minor > other.list_price_minor
    assert shop.price_minor + shop.shipping_minor < other.price_minor + other.shipping_minor


@pytest.mark.parametrize("name", ["ink_printer", "tank_sensor", "press", "turbofan"])
def test_the_profiles_of_the_demo_are_those_of_the_example(name: str) -> None:
    packaged = (resources.files("hub.demo") / "plant_files" / f"{name}.toml").read_text(encoding="utf-8")
    example = (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")
    assert packaged.replace("urn:iot2crm:demo:plant", "urn:example:plant") == example
