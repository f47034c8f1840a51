"""``iot2crm orders``."""

from urllib.parse import quote, urlencode

import click

from hub.cli.api import HubAddress, call, call_pages
from hub.cli.options import hub_options
from hub.cli.tables import (
    Columns,
    all_rows,
    as_map,
    is_empty,
    pick,
    rows_of,
    show_entry,
    show_json,
    show_rows,
    text_of,
)

_COLUMNS: Columns = (
    ("order", "key"),
    ("state", "state"),
    ("thing", "thing_id"),
    ("for", "subject"),
    ("total", "total"),
    ("CRM", "connection"),
    ("record", "record.number|record.record_id|record_id"),
    ("why", "sentence|reason"),
)
_TIME, _WHAT = "at", "step|kind|event|name"


@click.group()
def orders() -> None:
    """Follow orders and service requests, and read why they were made."""


@orders.command("list")
@click.option("--state", help="Only those in this state, such as confirmed or dead_letter.")
@click.option("--thing", "thing_id", help="Only those of this thing.")
@hub_options
def list_orders(hub: HubAddress, *, state: str | None, thing_id: str | None, as_json: bool) -> None:
    """List orders, newest first."""
    query = {name: value for name, value in (("state", state), ("thing_id", thing_id)) if value is not None}
    path = "/api/v1/orders" + (f"?{urlencode(query)}" if query else "")
    show_rows(all_rows(call_pages(hub, path)), _COLUMNS, as_json=as_json, when_empty="No orders.")


@orders.command()
@click.argument("key")
@hub_options
def show(hub: HubAddress, key: str, *, as_json: bool) -> None:
    """Show the order KEY: its state, reason and next step."""
    show_entry(call(hub, "GET", _path(key)), as_json=as_json)


@orders.command()
@click.argument("key")
@hub_options
def trace(hub: HubAddress, key: str, *, as_json: bool) -> None:
    """Tell how the order KEY came about.

    From the reading that started it, over the peers' advice, the offers and the mandate's check, to the CRM's record.
    """
    answer = call(hub, "GET", f"{_path(key)}/trace")
    if as_json:
        show_json(answer)
        return
    for step in rows_of(answer):
        click.echo(f"{text_of(pick(step, _TIME))}  {click.style(text_of(pick(step, _WHAT)), bold=True)}")
        _say_more(step)


def _say_more(step: object) -> None:
    for name, value in as_map(step).items():
        if name not in {_TIME, *_WHAT.split("|")} and not is_empty(value):
            click.echo(f"    {name}: {text_of(value)}")


def _path(key: str) -> str:
    return f"/api/v1/orders/{quote(key, safe='')}"
