"""Entry points become specs, and only what is named is imported."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from actors.model.errors import ConfigError
from hub.plugins import CRM_ADAPTERS, PROTOCOLS, SANDBOXES, Plugins, hub_version

BUILT_IN = {"dynamics", "rest", "salesforce"}


def test_the_built_in_adapters_are_found_by_their_entry_points() -> None:
    plugins = Plugins.installed()
    assert {"coap", "http", "opcua"} <= set(plugins.names(PROTOCOLS))
    assert set(plugins.names(CRM_ADAPTERS)) >= BUILT_IN
    assert set(plugins.names(SANDBOXES)) >= BUILT_IN


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(ConfigError, match=r"no CRM adapter is called 'salesfroce'; did you mean \"salesforce\"\? inst"):
        Plugins.installed().crm_adapter("salesfroce")


def _install(folder: Path, distribution: str, target: str) -> None:
    metadata = folder / f"{distribution}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{CRM_ADAPTERS}]\nacme = {target}\n")


def test_a_foreign_adapter_enters_by_the_same_door_and_is_imported_only_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "acme-crm", "acme_crm_for_tests:SPEC")
    (tmp_path / "acme_crm_for_tests.py").write_text(
        "from msgspec import Struct\nfrom actors.ports import CrmSpec\n"
        "SPEC = CrmSpec(name='acme', title='Acme', config_type=Struct, open=print)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plugins = Plugins.installed()
    assert "acme" in plugins.names(CRM_ADAPTERS)
    assert "acme_crm_for_tests" not in sys.modules
    assert plugins.crm_adapter("acme").title == "Acme"


def test_two_distributions_with_one_name_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path / "a", "acme-one", "one:SPEC")
    _install(tmp_path / "b", "acme-two", "two:SPEC")
    monkeypatch.syspath_prepend(tmp_path / "a")
    monkeypatch.syspath_prepend(tmp_path / "b")
    with pytest.raises(ConfigError, match="acme-one, acme-two; keep one"):
        Plugins.installed().crm_adapter("acme")


@pytest.mark.parametrize("target", ["no_such_module_4711:SPEC", "json:no_such_attribute"])
def test_an_adapter_that_cannot_be_imported_says_why(target: str) -> None:
    plugins = Plugins([EntryPoint("acme", target, CRM_ADAPTERS)])
    with pytest.raises(ConfigError, match=r"'acme' \(.*\) cannot be loaded: .*no_such"):
        plugins.crm_adapter("acme")


def test_what_is_no_spec_is_refused() -> None:
    plugins = Plugins([EntryPoint("acme", "json:dumps", CRM_ADAPTERS), EntryPoint("acme", "json:dumps", PROTOCOLS)])
    with pytest.raises(ConfigError, match=r"no actors\.ports\.CrmSpec of that name"):
        plugins.crm_adapter("acme")
    with pytest.raises(ConfigError, match=r"no actors\.ports\.ProtocolSpec of that name"):
        plugins.protocol("acme")


def test_the_version_is_known() -> None:
    assert hub_version()[0].isdigit()
