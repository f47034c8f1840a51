"""``iot2crm mandates``."""

from pathlib import Path
from urllib.parse import quote

import click

from hub.cli.api import Body, HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import Columns, show_entry, show_rows

_COLUMNS: Columns = (
    ("mandate", "mandate_id"),
    ("owner", "owner_id"),
    ("may", "levels"),
    ("budget", "budget"),
    ("each", "budget_period"),
    ("used", "used_minor"),
    ("payees", "allowed_payees"),
    ("until", "valid_until"),
    ("revoked", "revoked_at"),
)


@click.group()
def mandates() -> None:
    """Say what things may buy, and take it back.

    Without a mandate nothing is bought. It names the kinds of needs with a level each, a budget a period, a limit an
    order, the CRM connections that may be paid, and when it ends; see examples/plant/mandates.
    """


@mandates.command("list")
@hub_options
def list_mandates(hub: HubAddress, *, as_json: bool) -> None:
    """List mandates with what is used of their budgets, in minor units (cents)."""
    answer = call(hub, "GET", "/api/v1/mandates")
    show_rows(answer, _COLUMNS, as_json=as_json, when_empty="No mandates: nothing is bought. Grant one.")


@mandates.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@hub_options
def grant(hub: HubAddress, file: Path, *, as_json: bool) -> None:
    """Grant the mandate in FILE (JSON), or replace the one of the same id.

    Orders that were blocked are tried again.
    """
    show_entry(call(hub, "POST", "/api/v1/mandates", body=Body(content=file.read_bytes())), as_json=as_json)


@mandates.command()
@click.argument("mandate")
@hub_options
def revoke(hub: HubAddress, mandate: str, *, as_json: bool) -> None:
    """Revoke MANDATE: from the answer on nothing is ordered under it."""
    show_entry(
        call(hub, "POST", f"/api/v1/mandates/{quote(mandate, safe='')}/revoke", body=Body.of({})), as_json=as_json
    )
