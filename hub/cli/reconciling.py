"""``iot2crm crm reconcile`` and ``iot2crm crm findings``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from hub.cli.api import Body, HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import as_list, as_map, show_json

_LOOK_S: Final = 0.2


@click.command()
@click.argument("name")
@click.option("--all", "is_full", is_flag=True, help="Read all records, not only what changed since last time.")
@click.option("--within", "within_s", type=float, default=600.0, show_default=True, help="Seconds to wait for the end.")
@hub_options
def reconcile(hub: HubAddress, name: str, *, is_full: bool, within_s: float, as_json: bool) -> None:
    """Compare the hub's orders with the records of the CRM connection NAME, both ways.

    A running hub does this by itself once a day. Every order that is placed is looked up in the CRM, and every record
    with a key of ours must belong to an order, with the same content and total. Exit code 1: something differs, or it
    did not finish. What differs stays listed (`iot2crm crm findings`) until it is cleared up.
    """
    told = call(hub, "POST", f"/api/v1/connections/{name}/reconcile", body=Body.of({"full": is_full}))
    number = told["reconciliation"]["number"]
    last = _ended(hub, name, number, within_s)
    found = [each for each in as_list(call(hub, "GET", "/api/v1/findings")) if _is_of(each, name)]
    if as_json:
        show_json({"reconciliation": last, "findings": found})
    else:
        click.echo(_sentence(name, last))
        _tell(found)
    if found or last.get("failure") or not last.get("finished_at"):
        raise click.exceptions.Exit(1)


@click.command()
@hub_options
def findings(hub: HubAddress, *, as_json: bool) -> None:
    """List what differs between orders and CRM records, and what to do about it."""
    found = as_list(call(hub, "GET", "/api/v1/findings"))
    if as_json:
        show_json(found)
    else:
        _tell(found)


def _tell(found: Sequence[object]) -> None:
    for finding in map(as_map, found):
        click.echo(f"{finding['connection']}: {finding['code']}: {finding['sentence']}")
        click.echo(f"  Next: {finding['next_step']}")
    if not found:
        click.echo("Nothing differs.")


def _ended(hub: HubAddress, name: str, number: int, within_s: float) -> Mapping[str, Any]:
    until_s = time.monotonic() + within_s
    while True:
        last: Mapping[str, Any] = call(hub, "GET", f"/api/v1/connections/{name}/reconciliation")
        ended = last.get("number") != number or last.get("finished_at")
        if ended or time.monotonic() > until_s:
            return last
        time.sleep(_LOOK_S)


def _is_of(finding: object, name: str) -> bool:
    return as_map(finding).get("connection") == name


def _sentence(name: str, last: Mapping[str, Any]) -> str:
    if last.get("failure"):
        return f"{name}: could not be compared: {last['failure']}"
    if not last.get("finished_at"):
        return f"{name}: still under way; look again with `iot2crm crm findings`"
    what = "all records" if last.get("is_full") else "records that changed"
    return f"{name}: {last.get('orders', 0)} orders looked up, {last.get('records', 0)} of {what} compared"
