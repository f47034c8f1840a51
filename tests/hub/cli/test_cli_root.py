"""The command line: help for newcomers, errors without tracebacks, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hub.cli.root import COMMANDS, cli
from hub.plugins import hub_version

ROOT = Path(__file__).resolve().parents[3]


def _every_command() -> list[list[str]]:
    found: list[list[str]] = []
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        found.append([name])
        if isinstance(command, click.Group):
            found += [[name, inner] for inner in command.commands]
    return found


@pytest.mark.parametrize("words", _every_command(), ids=" ".join)
def test_every_command_explains_itself(words: list[str]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0
    text = result.output.split("Options:")[0]
    assert len(text.split("\n\n")[1].split()) >= 4


def test_the_root_lists_every_command_with_a_line() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    for name, (_, text) in COMMANDS.items():
        assert f"  {name} " in result.output
        assert text.split()[0] in result.output


def test_help_imports_neither_adapters_nor_the_network() -> None:
    code = (
        "import sys\nfrom hub.cli.root import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'aiohttp', 'asyncua', 'aiocoap', 'apsw', 'numpy', 'sklearn', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, timeout=100)


def test_the_version_is_told() -> None:
    assert hub_version() in CliRunner().invoke(cli, ["--version"]).output


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(cli, ["serve"]).exit_code == 2


def test_the_module_runs_and_a_wrong_configuration_ends_without_a_traceback(tmp_path: Path) -> None:
    for command in ("check", "run"):
        done = subprocess.run(
            [sys.executable, "-m", "hub", command, "-c", "none.toml"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("none.toml cannot be used: 1 problem\n\n1. none.toml\n")
        assert "Traceback" not in done.stderr
