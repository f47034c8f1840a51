"""The root of the command line: which commands there are, and how errors reach a person."""

import importlib
from collections.abc import Mapping
from typing import IO, Any, Final

import click

from actors.model.errors import HubError, Remedy
from hub.plugins import hub_version

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": ("hub.cli.demo:demo", "Show the whole way on this machine, with simulated things and CRMs."),
    "run": ("hub.cli.run:run", "Start the hub and serve until SIGTERM or Ctrl-C."),
    "check": ("hub.cli.check:check", "Validate a configuration without connecting to anything."),
    "sandbox": ("hub.cli.sandbox:sandbox", "Run a local stand-in for a CRM."),
    "adapters": ("hub.cli.adapters:adapters", "List the protocols and CRMs that are installed."),
    "health": ("hub.cli.health:health", "Ask a running hub how it is."),
    "things": ("hub.cli.things:things", "List, import, switch off and retire things."),
    "orders": ("hub.cli.orders:orders", "Follow orders and read why they were made."),
    "mandates": ("hub.cli.mandates:mandates", "Say what things may buy, and take it back."),
    "approvals": ("hub.cli.approvals:approvals", "Decide on orders that wait for a person."),
    "endpoints": (
        "hub.cli.endpoints:endpoints",
        "Have owners told at their own addresses what happens to their things.",
    ),
    "community": ("hub.cli.community:community", "See what communities know, and what became of their advice."),
    "crm": (
        "hub.cli.crm:crm",
        "Set up a connection: what its CRM lacks, that it orders once; compare its records with orders.",
    ),
    "opcua": ("hub.cli.opcua:opcua", "Get along with OPC UA servers: certificates, trust, what they have."),
    "journal": ("hub.cli.journal:journal", "Back up, check and restore what the hub has stored."),
    "bench": ("hub.cli.bench:bench", "Measure this machine, as ratios against limits of the same run."),
}
"""Name -> (where it is, one line of help), in the order that a newcomer meets them."""

FAILED: Final = 1
WRONG_CONFIG: Final = 2


class Refused(click.ClickException):
    """An error that a person can do something about, shown without a traceback."""

    exit_code = FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the text as it is: it names place and remedy itself."""
        click.echo(self.message, file=file, err=file is None)


class ConfigurationRefused(Refused):
    """A configuration that must be mended first."""

    exit_code = WRONG_CONFIG


class LazyGroup(click.Group):
    """A group that imports a command when it is called, so that ``--help`` and scripts start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our own errors become text and exit code (2: the configuration must be mended)."""
        try:
            return super().invoke(ctx)
        except HubError as error:
            kind = ConfigurationRefused if error.remedy is Remedy.FIX_CONFIG else Refused
            raise kind(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hub_version(), prog_name="iot2crm")
def cli() -> None:
    """Things that look after their owners.

    A hub in which machines, sensors and appliances notice what they need, ask a community of peers, find the best offer
    and order it in a CRM, inside rules that their owner set.

    New here? Run `iot2crm demo`. Then read the configuration in examples/plant, check it with
    `iot2crm check -c examples/plant/hub.toml`, and start it with `iot2crm run -c examples/plant/hub.toml`.
    """
