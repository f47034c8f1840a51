"""``iot2crm approvals``."""

from urllib.parse import quote

import click

from hub.cli.api import Body, HubAddress, call, call_pages
from hub.cli.options import hub_options
from hub.cli.tables import Columns, all_rows, show_entry, show_rows

_COLUMNS: Columns = (
    ("order", "key"),
    ("thing", "thing_id"),
    ("for", "subject"),
    ("total", "total"),
    ("CRM", "connection"),
    ("until", "expires_at|approve_before"),
    ("why", "sentence|reason"),
)


@click.group()
def approvals() -> None:
    """Decide on orders that wait for a person."""


@approvals.command("list")
@hub_options
def list_approvals(hub: HubAddress, *, as_json: bool) -> None:
    """List the orders that wait for a decision."""
    show_rows(
        all_rows(call_pages(hub, "/api/v1/approvals")), _COLUMNS, as_json=as_json, when_empty="Nothing waits for you."
    )


@approvals.command()
@click.argument("key")
@hub_options
def approve(hub: HubAddress, key: str, *, as_json: bool) -> None:
    """Approve the order KEY; mandate, budget and price are checked again before it leaves."""
    show_entry(call(hub, "POST", _path(key, "approve"), body=Body.of({})), as_json=as_json)


@approvals.command()
@click.argument("key")
@click.option("--reason", default="", help="Why; the thing's record keeps it.")
@hub_options
def reject(hub: HubAddress, key: str, *, reason: str, as_json: bool) -> None:
    """Reject the order KEY; nothing is ordered for this need."""
    body = Body.of({"reason": reason} if reason else {})
    show_entry(call(hub, "POST", _path(key, "reject"), body=body), as_json=as_json)


def _path(key: str, verb: str) -> str:
    return f"/api/v1/orders/{quote(key, safe='')}/{verb}"
