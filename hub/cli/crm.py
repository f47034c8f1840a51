"""``iot2crm crm``: setting up a connection."""

import asyncio
import json
from datetime import UTC
from pathlib import Path
from random import SystemRandom

import click
import msgspec

from actors.model.errors import ConfigError
from actors.model.ids import CorrelationId, MandateId, OrderKey, OwnerId, ThingId
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import OrderLine, PurchaseOrder
from actors.ports import CrmAdapter
from crm_adapters.proving import Preview, Proof, ShowsRequests, offer_query_of, prove_ordering_once
from hub.cli.connections import with_connection
from hub.cli.crm_setup import check, prepare, request_text
from hub.cli.options import config_option, json_option
from hub.cli.reconciling import findings, reconcile
from hub.clock import SystemClock
from hub.config import load

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

_owner = click.option("--owner", required=True, help="Owner id that the CRM knows as a customer.")
_sku = click.option("--sku", required=True, help="An article that the CRM sells.")
_quantity = click.option("--quantity", type=click.IntRange(1), default=1, show_default=True, help="How many of it.")
_currency = click.option("--currency", default="EUR", show_default=True, help="Currency of the offer.")


@click.group()
def crm() -> None:
    """Set up a connection to a CRM before things order through it, and compare its records with the orders later.

    check says what the CRM lacks, prepare makes it or prints it, dry-run shows the requests of an order, prove orders
    twice and expects one; reconcile compares records with orders, findings lists what differs.
    """


crm.add_command(check)
crm.add_command(prepare)
crm.add_command(reconcile)
crm.add_command(findings)


@crm.command()
@click.argument("name")
@_owner
@_sku
@_quantity
@_currency
@config_option
@json_option
def prove(name: str, owner: str, sku: str, quantity: int, currency: str, config_file: Path, *, as_json: bool) -> None:  # noqa: PLR0913 -- click hands over one argument an option
    """Order twice from the connection NAME, and expect one order.

    Places a test order for one article twice under one key, looks it up, and cancels it where the CRM can. Says which
    record is left for a person to remove. Exit code 0: proven. Exit code 1: not; no order should go there unseen.
    """
    config = load(config_file)

    async def run(adapter: CrmAdapter) -> Proof:
        order = await _test_order(
            adapter, OwnerId(owner), OfferQuery(skus=(sku,), quantity=quantity, currency=currency)
        )
        return await prove_ordering_once(adapter, order)

    proof = asyncio.run(with_connection(config, name, run))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(proof), indent=2))
    else:
        click.echo(("proven: " if proof.holds else "not proven: ") + proof.said)
        for record in proof.left:
            click.echo(f"  remove the test order {record} from the CRM")
    if not proof.holds:
        raise click.exceptions.Exit(1)


@crm.command("dry-run")
@click.argument("name")
@_owner
@_sku
@_quantity
@_currency
@config_option
@json_option
def dry_run(name: str, owner: str, sku: str, quantity: int, currency: str, config_file: Path, *, as_json: bool) -> None:  # noqa: PLR0913 -- as above
    """Show the requests that an order over the connection NAME would send; nothing is ordered.

    The article's price is asked for; credentials are not shown, and what an earlier answer would fill in stands in «».
    """
    config = load(config_file)

    async def run(adapter: CrmAdapter) -> list[Preview]:
        if not isinstance(adapter, ShowsRequests):
            said = "this adapter cannot show its requests; salesforce, dynamics and rest can"
            raise ConfigError(f"[crm.{name}]: {said}")
        order = await _test_order(
            adapter, OwnerId(owner), OfferQuery(skus=(sku,), quantity=quantity, currency=currency)
        )
        return list(adapter.previews(order))

    shown = asyncio.run(with_connection(config, name, run))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(shown), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(request_text(preview) for preview in shown))


async def _test_order(adapter: CrmAdapter, owner: OwnerId, query: OfferQuery) -> PurchaseOrder:
    offers = await offer_query_of(adapter, query)
    return _order(offers.offers[0], owner, OrderKey("I2CPROOF" + "".join(SystemRandom().choices(_LETTERS, k=20))))


def _order(offer: Offer, owner: OwnerId, key: OrderKey) -> PurchaseOrder:
    line = OrderLine(
        line=1,
        sku=offer.sku,
        title=offer.title,
        quantity=offer.quantity,
        unit_price=offer.unit_price,
        references=offer.references,
    )
    return PurchaseOrder(
        key=key,
        fingerprint="0" * 16,
        correlation_id=CorrelationId("proof"),
        mandate_id=MandateId("proof"),
        owner_id=owner,
        thing_id=ThingId("test-thing"),
        thing_serial="",
        lines=(line,),
        total=offer.landed,
        shipping=offer.shipping,
        discount=offer.goods + offer.shipping + offer.tax - offer.landed,
        tax=offer.tax,
        reason="a test of the connection; please ignore it",
        ordered_at=SystemClock().now().astimezone(UTC),
        is_test=True,
    )
