"""``iot2crm run``."""

import asyncio
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hub.cli.options import config_option
from hub.config import HubConfig, load
from hub.logs import set_up_logs


@click.command()
@config_option
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least level that is written.",
)
def run(config_file: Path, log_level: str) -> None:
    """Start the hub and serve until SIGTERM or Ctrl-C.

    The first start makes the data directory and in it the owner's token (owner.token), which `iot2crm things`, `orders`
    and `approvals` use. On SIGTERM the hub takes nothing new, finishes what it began and stops. A second hub on the
    same data directory is refused. Exit code 2: the configuration must be mended.
    """
    config = load(config_file)
    set_up_logs(config.log, level=log_level)
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    serve(config)


def serve(config: HubConfig) -> None:
    """Run the hub in this process until it is told to stop."""
    bootstrap: Any = importlib.import_module("hub.bootstrap")  # heavy: not for --help and refused configurations
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(bootstrap.run(config))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where it is installed (extra ``fast``)."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
