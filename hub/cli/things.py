"""``iot2crm things``."""

from pathlib import Path
from urllib.parse import quote

import click

from hub.cli.api import Body, HubAddress, call, call_pages
from hub.cli.importing import Imports, cut
from hub.cli.options import hub_options
from hub.cli.progress import Bar
from hub.cli.tables import Columns, all_rows, show_entry, show_rows

_COLUMNS: Columns = (
    ("thing", "thing_id"),
    ("profile", "profile"),
    ("owner", "owner_id"),
    ("connected by", "connection.protocol|protocol"),
    ("place", "place.name|place.city"),
    ("state", "state|status"),
)
_MEDIA_TYPES = {".csv": "text/csv", ".json": "application/json"}


@click.group()
def things() -> None:
    """List, import, switch off and retire things.

    These commands talk to a running hub: with -c FILE to the one on this machine that FILE configures, with --url and
    --token-file to any other.
    """


@things.command("list")
@hub_options
def list_things(hub: HubAddress, *, as_json: bool) -> None:
    """List the registered things."""
    show_rows(
        all_rows(call_pages(hub, "/api/v1/things")),
        _COLUMNS,
        as_json=as_json,
        when_empty="No things yet. Add some: iot2crm things import FILE",
    )


@things.command()
@click.argument("thing")
@hub_options
def show(hub: HubAddress, thing: str, *, as_json: bool) -> None:
    """Show all that the hub knows of THING."""
    show_entry(call(hub, "GET", _path(thing)), as_json=as_json)


@things.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@hub_options
def import_things(hub: HubAddress, file: Path, *, as_json: bool) -> None:
    """Register the things of FILE (.json or .csv); see examples/plant/things.json.

    Things that sign in by token get one; it is shown this once. Long files are sent in pieces: when the hub ends in the
    middle, what it took is shown, and the rest of FILE can be imported later.
    """
    media_type = _MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise click.BadParameter(f"expected a .json or .csv file, got {file.name}", param_hint="FILE")
    pieces = cut(file.read_bytes(), media_type)
    done = Imports()
    with Bar("things") as bar:
        total = sum(piece.rows for piece in pieces)
        for piece in pieces:
            if not done.send(hub, piece):
                break
            bar.share(done.rows, total)
    if done.failure is None or done.took_some:
        show_entry(done.answer, as_json=as_json)
    if done.failure is not None:
        raise done.failure


@things.command()
@click.argument("thing")
@click.option("--yes", is_flag=True, help="Do not ask.")
@hub_options
def retire(hub: HubAddress, thing: str, *, yes: bool, as_json: bool) -> None:
    """Take THING out of service for good: it is heard no more and orders nothing."""
    if not yes:
        click.confirm(f"Retire {thing} for good?", abort=True)
    show_entry(call(hub, "POST", f"{_path(thing)}/retire", body=Body.of({})), as_json=as_json)


@things.command()
@click.argument("thing")
@hub_options
def off(hub: HubAddress, thing: str, *, as_json: bool) -> None:
    """Switch THING off: it orders nothing more. The answer lists the requests that had left before."""
    show_entry(call(hub, "POST", f"{_path(thing)}/off", body=Body.of({})), as_json=as_json)


@things.command()
@click.argument("thing")
@hub_options
def on(hub: HubAddress, thing: str, *, as_json: bool) -> None:
    """Switch THING on again, inside its mandate."""
    show_entry(call(hub, "POST", f"{_path(thing)}/on", body=Body.of({})), as_json=as_json)


def _path(thing: str) -> str:
    return f"/api/v1/things/{quote(thing, safe='')}"
