"""``iot2crm endpoints``."""

from typing import Final
from urllib.parse import quote

import click

from actors.model.endpoints import Topic
from hub.cli.api import Body, HubAddress, call
from hub.cli.options import hub_options
from hub.cli.tables import Columns, show_entry, show_rows

_COLUMNS: Columns = (
    ("endpoint", "endpoint_id"),
    ("owner", "owner_id"),
    ("url", "url"),
    ("told of", "topics"),
    ("state", "state"),
    ("waiting", "waiting"),
    ("why", "disabled|last_failure"),
)
_PATH: Final = "/api/v1/endpoints"


@click.group()
def endpoints() -> None:
    """Have owners told at addresses of theirs what happens to their things.

    An endpoint hears of needs, orders, recommendations and commands, signed as Standard Webhooks says; see docs/api.md.
    """


@endpoints.command("list")
@hub_options
def list_endpoints(hub: HubAddress, *, as_json: bool) -> None:
    """List endpoints with how each is doing."""
    show_rows(call(hub, "GET", _PATH), _COLUMNS, as_json=as_json, when_empty="No endpoints. Add one: endpoints add URL")


@endpoints.command()
@click.argument("address", metavar="URL")
@click.option("--owner", "owner_id", help="Whose things it is told of; an owner's own token needs none.")
@click.option("--topic", "topics", multiple=True, type=click.Choice([str(each) for each in Topic]), help="Repeatable.")
@hub_options
def add(hub: HubAddress, address: str, *, owner_id: str | None, topics: tuple[str, ...], as_json: bool) -> None:
    """Register URL; the answer holds the secret of its signatures, this once. Without --topic it is told of all."""
    told = {"url": address, **({"owner_id": owner_id} if owner_id else {}), **({"topics": topics} if topics else {})}
    show_entry(call(hub, "POST", _PATH, body=Body.of(told)), as_json=as_json)


@endpoints.command()
@click.argument("endpoint")
@hub_options
def show(hub: HubAddress, endpoint: str, *, as_json: bool) -> None:
    """Show ENDPOINT: what waits, since when and why it fails, why it is disabled."""
    show_entry(call(hub, "GET", _one(endpoint)), as_json=as_json)


@endpoints.command()
@click.argument("endpoint")
@hub_options
def remove(hub: HubAddress, endpoint: str, *, as_json: bool) -> None:
    """Delete ENDPOINT; what waits for it is dropped."""
    show_entry(call(hub, "DELETE", _one(endpoint)), as_json=as_json)


@endpoints.command()
@click.argument("endpoint")
@hub_options
def test(hub: HubAddress, endpoint: str, *, as_json: bool) -> None:
    """Send ENDPOINT a message that tells nothing, now, and say what came of it."""
    show_entry(call(hub, "POST", f"{_one(endpoint)}/test", body=Body.of({})), as_json=as_json)


@endpoints.command()
@click.argument("endpoint")
@hub_options
def enable(hub: HubAddress, endpoint: str, *, as_json: bool) -> None:
    """Try ENDPOINT again, now, and tell it what waits."""
    show_entry(call(hub, "POST", f"{_one(endpoint)}/enable", body=Body.of({})), as_json=as_json)


@endpoints.command()
@click.argument("endpoint")
@hub_options
def secret(hub: HubAddress, endpoint: str, *, as_json: bool) -> None:
    """Make ENDPOINT a new secret, shown this once; for a day the former one signs, too."""
    show_entry(call(hub, "POST", f"{_one(endpoint)}/secret", body=Body.of({})), as_json=as_json)


def _one(endpoint: str) -> str:
    return f"{_PATH}/{quote(endpoint, safe='')}"
