"""``iot2crm check``, ``adapters`` and ``sandbox``: what they print, and their exit codes."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.root import cli
from hub.plugins import Plugins

PROFILE = """
name = "printer"
title = "A printer"
model = "IJ-500"
[properties.ink]
unit = "%"
[slots.black_ink]
level = "ink"
capacity = 100
low_at = 15
refill_step = 30
skus = [{ sku = "INK-1" }]
"""
HUB = """
[hub]
name = "plant"
data_dir = "data"
profiles = ["printer.toml"]
[protocols.http]
[communities.office]
members = ["printer"]
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    (tmp_path / "printer.toml").write_text(PROFILE)
    (tmp_path / "hub.toml").write_text(HUB)
    return tmp_path / "hub.toml"


def test_check_tells_what_would_run_and_writes_nothing(config_file: Path) -> None:
    before = sorted(config_file.parent.iterdir())
    result = CliRunner().invoke(cli, ["check", "-c", str(config_file)])
    assert result.exit_code == 0
    for text in ("is right", "127.0.0.1:8080", "printer: 1 slot", "office: printer", "no CRM is connected"):
        assert text in " ".join(result.output.split())
    assert sorted(config_file.parent.iterdir()) == before


def test_check_prints_json_for_scripts(config_file: Path) -> None:
    told = json.loads(CliRunner().invoke(cli, ["check", "--json", "-c", str(config_file)]).output)
    assert (told["ok"], told["name"], told["protocols"][0]["name"]) == (True, "plant", "http")


def test_check_prints_every_problem_as_json_too(config_file: Path) -> None:
    config_file.write_text(HUB.replace("members", "member") + "[limits]\nmailbox = 0\n")
    result = CliRunner().invoke(cli, ["check", "--json", "-c", str(config_file)])
    problems = json.loads(result.stdout)["problems"]
    assert result.exit_code == 2
    assert [(each["table"], each["key"]) for each in problems] == [
        ("communities.office", "member"),
        ("communities.office", "members"),
        ("limits", "mailbox"),
    ]
    assert all(each["file"] and each["expected"] and each["got"] and each["remedy"] for each in problems)


def test_adapters_lists_kind_name_and_stability() -> None:
    rows = json.loads(CliRunner().invoke(cli, ["adapters", "--json"]).output)
    assert {(row["kind"], row["name"]) for row in rows} >= {("protocol", "http"), ("crm", "rest")}
    assert all(row["title"] and row["stability"] for row in rows)


def test_adapters_shows_a_broken_one_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Plugins([EntryPoint("acme", "no_such_module_4711:SPEC", "iot2crm.crm_adapters")])
    monkeypatch.setattr(Plugins, "installed", classmethod(lambda _cls: broken))
    rows = json.loads(CliRunner().invoke(cli, ["adapters", "--json"]).output)
    assert [row["stability"] for row in rows] == ["broken"]
    assert "no_such_module_4711" in rows[0]["title"]


def test_a_sandbox_that_is_not_installed_is_refused() -> None:
    result = CliRunner().invoke(cli, ["sandbox", "acme"])
    assert (result.exit_code, "salesforce" in result.stderr) == (2, True)


def test_a_credential_without_a_value_is_refused() -> None:
    result = CliRunner().invoke(cli, ["sandbox", "rest", "--credential", "client_id"])
    assert (result.exit_code, "expected NAME=VALUE" in result.stderr) == (2, True)
