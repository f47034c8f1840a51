"""``iot2crm adapters``."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from actors.model.errors import ConfigError
from hub.cli.options import json_option
from hub.plugins import CRM_ADAPTERS, PROTOCOLS, Plugins


@click.command()
@json_option
def adapters(*, as_json: bool) -> None:
    """List the protocols and CRMs that are installed.

    An adapter is a folder and one entry point (group iot2crm.protocols or iot2crm.crm_adapters); those of other
    distributions appear here as soon as they are installed.
    """
    rows = [*_rows(PROTOCOLS, "protocol"), *_rows(CRM_ADAPTERS, "crm")]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("kind", "name", "what", "stability", box=None)
    for row in rows:
        table.add_row(row["kind"], row["name"], row["title"], row["stability"])
    Console(highlight=False).print(table)


def _rows(group: str, kind: str) -> Iterator[dict[str, str]]:
    plugins = Plugins.installed()
    load: Callable[[str], Any] = plugins.protocol if group == PROTOCOLS else plugins.crm_adapter
    for name in plugins.names(group):
        try:
            spec = load(name)
        except ConfigError as error:
            yield {"kind": kind, "name": name, "title": str(error), "stability": "broken"}
        else:
            yield {"kind": kind, "name": name, "title": spec.title, "stability": spec.stability}
