"""``iot2crm demo``."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Write what happened to this JSON file."
)
@click.option("--keep", is_flag=True, help="Leave everything running at the end and print the addresses.")
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Replay the C-MAPSS engines in this folder instead of the built-in plant.",
)
@click.option("--story", "stories", multiple=True, help="Tell only this story (repeatable).")
@click.option("--swap", is_flag=True, help="Exchange Salesforce and Dynamics: the same orders must come out.")
@click.option("--plain", is_flag=True, help="Print lines instead of the live view.")
def demo(
    *, report: Path | None, keep: bool, data_dir: Path | None, stories: Sequence[str], swap: bool, plain: bool
) -> None:
    """Show the whole way on this machine, in about two minutes.

    Starts a plant (OPC UA), sensors and printers (CoAP, HTTP), three CRM stand-ins and the hub as separate processes on
    loopback, in a temporary folder, and tells eight stories: supply, crash, over_budget, off_switch, outage,
    lost_reply, replacement and service. Fails unless the CRMs' own records and the hub's journal prove every one.
    """
    main: Any = importlib.import_module("hub.demo.main")  # starts no process before it is asked to
    options = main.DemoOptions(
        report=report, keep=keep, data_dir=data_dir, stories=tuple(stories), swap=swap, plain=plain
    )
    raise click.exceptions.Exit(int(main.run_demo(options)))
