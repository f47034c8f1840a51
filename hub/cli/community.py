"""``iot2crm community``."""

import click

from hub.cli.api import HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import Columns, show_rows

_COLUMNS: Columns = (
    ("community", "community_id"),
    ("subject", "subject"),
    ("topic", "topic"),
    ("model", "model_version"),
    ("given", "given"),
    ("open", "still_open"),
    ("inside", "inside_share"),
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
)


@click.group()
def community() -> None:
    """Look at communities of things: what they know, and what became of their advice.

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
    Parts that were replaced on advice did not fail: they are censored, and count neither way.
    """
    path = f"/api/v1/advice/report?community={name}" if name else "/api/v1/advice/report"
    show_rows(call(hub, "GET", path), _COLUMNS, as_json=as_json, when_empty="No advice was given yet.")
