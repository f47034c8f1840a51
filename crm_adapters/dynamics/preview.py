"""What placing an order would send, without sending it. Pure."""

from collections.abc import Sequence

from actors.model.orders import PurchaseOrder, RecordKind
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.mapping import OrderReferences, account_operation, order_references, place_operations
from crm_adapters.dynamics.records import keyed_read, table_of
from crm_adapters.proving import Preview


def previews_of(order: PurchaseOrder, config: DynamicsConfig) -> Sequence[Preview]:
    """Return the requests that go in one $batch: the owner's account, the order's changeset, the reading."""
    before = [account_operation(order.owner_id, config)] if config.create_accounts else []
    references = order_references(order) or _unknown(order)
    changeset = place_operations(order, references, config)
    reading = keyed_read(table_of(RecordKind.ORDER, config), order.key, config)
    return [
        *(_shown("account, unless it is known", each, config) for each in before),
        *(_shown(f"changeset, {number}", each, config) for number, each in enumerate(changeset, start=1)),
        _shown("read back", reading, config),
    ]


def _unknown(order: PurchaseOrder) -> OrderReferences:
    products = {line.line: (f"«product {line.sku}»", f"«unit of {line.sku}»") for line in order.lines}
    return OrderReferences(price_list_id="«price list»", currency_id="«currency»", products=products)


def _shown(step: str, operation: Operation, config: DynamicsConfig) -> Preview:
    body = None if operation.body is None else dict(operation.body)
    headers = dict(operation.headers)
    return Preview(step=step, method=operation.method, url=config.root + operation.path, headers=headers, body=body)
