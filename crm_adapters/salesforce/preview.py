"""What placing an order would send, without sending it. Pure."""

from collections.abc import Sequence
from urllib.parse import unquote

from actors.model.orders import PurchaseOrder
from crm_adapters.proving import Preview
from crm_adapters.salesforce import mapping
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import Part, Parties
from crm_adapters.salesforce.soql import query_path, select, text
from crm_adapters.salesforce.wire import request_for


def previews_of(order: PurchaseOrder, config: SalesforceConfig) -> Sequence[Preview]:
    """Return the look-up of the owner's account, and the transaction that makes the order.

    Raises:
        mapping.TotalMismatch: the order's amounts do not add up.
    """
    instance = config.login_url.rstrip("/")
    root = f"/services/data/v{config.api_version}"
    where = (f"{config.fields.account} = {text(order.owner_id)}",)
    query = query_path(select(("Id",), "Account", where, "CreatedDate, Id"))
    path, body = request_for(_parts(order, config), root)
    return (
        Preview(step="account", method="GET", url=unquote(f"{instance}{root}{query}")),
        Preview(step="order", method="POST", url=f"{instance}{root}{path}", body=body),
    )


def _parts(order: PurchaseOrder, config: SalesforceConfig) -> tuple[Part, ...]:
    named = {line.sku: line.references.get("price_book_entry", "") for line in order.lines}
    book = next((line.references["price_book"] for line in order.lines if "price_book" in line.references), "")
    wanted = (*named, *mapping.charge_skus(order, config))
    entries = {sku: named.get(sku) or f"«price book entry of {sku}»" for sku in wanted}
    asset = "«id of the thing's asset»" if config.fields.order_asset else None
    parties = Parties(account_id="«id of the account; it is made where there is none»", asset_id=asset)
    items = mapping.order_items(order, entries, config)
    return mapping.order_parts(order, parties, items, book or "«id of the price book»", config)
