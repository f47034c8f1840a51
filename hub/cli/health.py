"""``iot2crm health``."""

import click

from hub.cli.api import HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import pick, show_entry


@click.command()
@hub_options
def health(hub: HubAddress, *, as_json: bool) -> None:
    """Ask a running hub how it is. Exit code 0: well. Exit code 1: not well, or no answer."""
    answer = call(hub, "GET", "/healthz")
    show_entry(answer, as_json=as_json)
    if pick(answer, "status") not in {"ok", "up", "pass", "healthy"}:
        raise click.exceptions.Exit(1)
