"""``iot2crm community``."""

from pathlib import Path
from urllib.parse import quote

import click

from hub.cli import evidence
from hub.cli.api import Body, HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import Columns, show_entry, show_rows

_COLUMNS: Columns = (
    ("community", "community_id"),
    ("subject", "subject"),
    ("topic", "topic"),
    ("model", "model_version"),
    ("given", "given"),
    ("open", "still_open"),
    ("inside", "inside_share"),
    ("chance: failed", "failed_share"),
    ("orders", "orders"),
    ("false", "false_orders"),
    ("failed", "failures"),
    ("missed", "misses"),
    ("outcomes", "outcomes"),
)
_COMMUNITIES: Columns = (
    ("community", "community_id"),
    ("members", "members"),
    ("owners", "owners"),
    ("cards", "cards"),
    ("lives", "lives"),
    ("models", "models"),
    ("training", "training"),
    ("not believed", "trimmed"),
    ("other hubs", "other_hubs"),
    ("this hub", "fingerprint"),
)
_EXCHANGES: Columns = (
    ("hub", "hub"),
    ("at", "at"),
    ("added", "added"),
    ("withdrawn", "withdrawn"),
    ("brought", "brought"),
    ("failure", "failure"),
)
_file = click.Path(path_type=Path, dir_okay=False)


@click.group()
def community() -> None:
    """Look at communities of things: what they know, and what became of their advice; leave; tell other hubs.

    What is shared, who counts and how to leave: docs/communities.md.

    These commands talk to a running hub: with -c FILE to the one on this machine that FILE configures, with --url and
    --token-file to any other.
    """


@community.command("list")
@hub_options
def list_communities(hub: HubAddress, *, as_json: bool) -> None:
    """List the communities with their members and evidence."""
    answer = call(hub, "GET", "/api/v1/communities")
    show_rows(answer, _COMMUNITIES, as_json=as_json, when_empty="No communities. Add a table [communities.NAME].")


@community.command()
@click.argument("name", default="")
@hub_options
def report(hub: HubAddress, name: str, *, as_json: bool) -> None:
    """Show what became of the advice of community NAME, or of all.

    A row for each subject and model version: how much was advised, how often the truth lay inside the interval (by the
    interval's level, over parts that really failed), how many orders were for nothing, how many failures were missed.
    Of parts that may fail within a day: how many of how many did, by the chance that was told.
    Parts that were replaced on advice did not fail: they are censored, and count neither way.
    """
    path = f"/api/v1/advice/report?community={name}" if name else "/api/v1/advice/report"
    show_rows(call(hub, "GET", path), _COLUMNS, as_json=as_json, when_empty="No advice was given yet.")


@community.command()
@click.argument("name")
@click.option("--thing", help="The thing that leaves.")
@click.option("--owner", help="All things of this owner leave.")
@click.option("--forget", is_flag=True, help="What they shared is removed, too.")
@hub_options
def leave(hub: HubAddress, name: str, thing: str | None, owner: str | None, *, forget: bool, as_json: bool) -> None:
    """Take a thing, or all things of an owner, out of the community NAME.

    Nothing is collected from then on; what they shared counts until the next epoch begins. With --forget it is removed
    at once, and models trained on it are trained anew. The answer counts what was removed.
    """
    if (thing is None) == (owner is None):
        raise click.UsageError("name --thing or --owner")
    body = {"thing_id": thing, "owner_id": owner, "forget": forget}
    show_entry(call(hub, "POST", _path(name, "leave"), body=Body.of(body)), as_json=as_json)


@community.command()
@click.argument("name")
@click.argument("ids", nargs=-1, required=True)
@click.option("--not", "undone", is_flag=True, help="Leave them to the word of their peers again.")
@hub_options
def believe(hub: HubAddress, name: str, ids: tuple[str, ...], *, undone: bool, as_json: bool) -> None:
    """Believe contributions to NAME that no peers confirm, by the IDS that `list --json` shows as trimmed."""
    body = {"ids": ids, "believed": not undone}
    show_entry(call(hub, "POST", _path(name, "judgement"), body=Body.of(body)), as_json=as_json)


@community.command("export")
@click.argument("name")
@click.argument("file", type=_file)
@hub_options
def export_evidence(hub: HubAddress, name: str, file: Path, *, as_json: bool) -> None:
    """Write what this hub tells other hubs of the community NAME into FILE: a signed list, and its pieces below it."""
    show_entry(evidence.export(hub, name, file), as_json=as_json)


@community.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@hub_options
def import_evidence(hub: HubAddress, name: str, file: Path, *, as_json: bool) -> None:
    """Take in FILE, another hub's export of the community NAME.

    That hub must be one of `trusted_hubs` in [communities.NAME]. Doing it twice does nothing more; a newer export
    withdraws what is no longer in it. Nothing is taken in before all of the file is there and right; what ended in
    between is done again.
    """
    show_entry(evidence.bring(hub, name, file), as_json=as_json)


@community.command()
@click.argument("name")
@hub_options
def exchange(hub: HubAddress, name: str, *, as_json: bool) -> None:
    """Exchange evidence of the community NAME now with the hubs of `hub.toml`.

    They are the tables [hubs.NAME] with a url; each is asked every `every_h` hours by itself. `list --json` shows how
    the newest exchange with each went.
    """
    done = call(hub, "POST", _path(name, "exchange"))
    show_rows(done, _EXCHANGES, as_json=as_json, when_empty="No hub to ask. Add a table [hubs.NAME] with a url.")
    if any(each["failure"] for each in done):
        raise click.exceptions.Exit(1)


def _path(name: str, what: str) -> str:
    return f"/api/v1/communities/{quote(name, safe='')}/{what}"
