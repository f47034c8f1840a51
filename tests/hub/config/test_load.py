"""What a right configuration becomes."""

from pathlib import Path

import pytest

from hub.config import ConfigRefused, load, load_hub_table
from hub.logs import LogFormat
from hub.plugins import Plugins

BAD = Path(__file__).parent / "bad"
RIGHT = f"""
[hub]
name = "plant"
data_dir = "data"
listen = "[::1]:0"
profiles = ["{BAD}/profiles/printer.toml"]
log = "json"

[protocols.wire.endpoints.plant]
url = "opc.tcp://127.0.0.1:4840"
password = {{ env = "PASSWORD" }}

[crm.sales]
adapter = "shop"
base_url = "http://127.0.0.1:1"
timeout_s = 2
manifest = "manifests/shop.toml"
auth = {{ type = "key", key = {{ file = "key" }} }}

[communities.printers]
members = ["printer"]
"""


@pytest.fixture
def right(tmp_path: Path) -> Path:
    (tmp_path / "hub.toml").write_text(RIGHT)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/shop.toml").touch()
    (tmp_path / "key").write_text("canary-key\n")
    (tmp_path / "key").chmod(0o600)
    return tmp_path / "hub.toml"


def test_a_right_configuration_is_decoded_to_the_last_option(right: Path, plugins: Plugins) -> None:
    config = load(right, environ={"PASSWORD": "canary-password"}, plugins=plugins)
    assert (config.name, config.data_dir, config.log) == ("plant", right.parent / "data", LogFormat.JSON)
    assert (config.listen.host, config.listen.port, str(config.listen)) == ("::1", 0, "[::1]:0")
    assert config.profiles["printer"].slots["ink_cartridge"].skus[0].fills == 100
    assert config.protocols[0].config.endpoints["plant"].password.reveal() == "canary-password"  # type: ignore[attr-defined]
    shop = config.crm[0]
    assert (shop.name, shop.spec.name, shop.config.timeout_s) == ("sales", "shop", 2.0)  # type: ignore[attr-defined]
    assert shop.config.manifest == right.parent / "manifests/shop.toml"  # type: ignore[attr-defined]
    assert shop.config.auth.key.reveal() == "canary-key"  # type: ignore[attr-defined]
    assert config.communities["printers"].k_owners == 5
    assert config.warnings == ()


def test_a_loaded_configuration_prints_no_secret(right: Path, plugins: Plugins) -> None:
    config = load(right, environ={"PASSWORD": "canary-password"}, plugins=plugins)
    assert "canary" not in repr(config)


def test_defaults_hold_where_nothing_is_written(right: Path, plugins: Plugins) -> None:
    config = load(right, environ={"PASSWORD": "x"}, plugins=plugins)
    assert (config.limits.max_orders_per_7_days, config.storage.snapshot_every) == (3, 48)


def test_an_open_secret_file_an_open_address_and_no_crm_are_warned_of(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o644)
    text = RIGHT.replace("[::1]:0", "0.0.0.0:80").replace('{ env = "PASSWORD" }', '{ file = "key" }')
    (tmp_path / "hub.toml").write_text(text[: text.index("[crm.sales]")])
    warnings = load(tmp_path / "hub.toml", environ={}, plugins=plugins).warnings
    assert [text.split(": ")[0].split(", ", 1)[1] for text in warnings] == [
        "[hub], listen",
        "[protocols.wire.endpoints.plant], password",
        "[crm]",
    ]
    assert "chmod 600" in warnings[1]


def test_a_secret_file_that_others_can_write_is_refused(right: Path, plugins: Plugins) -> None:
    (right.parent / "key").chmod(0o622)
    with pytest.raises(ConfigRefused, match=r"got: +mode 0622\n +remedy: +run: chmod 600"):
        load(right, environ={"PASSWORD": "x"}, plugins=plugins)


def test_a_missing_file_is_named(tmp_path: Path, plugins: Plugins) -> None:
    with pytest.raises(ConfigRefused, match=r"none\.toml\n +expected: a file\n +got: +no such file"):
        load(tmp_path / "none.toml", plugins=plugins)


def test_a_client_reads_the_hub_table_though_the_rest_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[hub]\nname = "x"\ndata_dir = "d"\n[crm.a]\nadapter = "nobody"\n')
    hub = load_hub_table(tmp_path / "hub.toml")
    assert (hub.listen, hub.data_dir) == ("127.0.0.1:8080", tmp_path / "d")
