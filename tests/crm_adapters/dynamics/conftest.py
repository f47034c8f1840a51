"""A sandbox's Web API without its socket."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from crm_adapters.dynamics.sandbox.batch import Batch
from crm_adapters.dynamics.sandbox.environment import Environment
from crm_adapters.dynamics.sandbox.seed import seed
from crm_adapters.dynamics.sandbox.webapi import Answer, Operation, WebApi
from crm_adapters.sandboxing import DEFAULT_CATALOG, Tables
from crm_adapters.testing import TickingClock

ROOT = "http://crm.test/api/data/v9.2"


class Said(Struct, frozen=True, kw_only=True):
    """An answer with its JSON decoded."""

    status: int
    headers: Mapping[str, str]
    body: Any
    content: bytes

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


class Console:
    """Speaks to the Web API as a client would."""

    def __init__(self) -> None:
        self.clock = TickingClock()
        self.environment = Environment(Tables(), self.clock)
        self._api = WebApi(self.environment)
        self._batch = Batch(self._api, self.environment)
        seed(self.environment, DEFAULT_CATALOG, ("owner-1",))

    def __call__(self, method: str, address: str, body: Any = None, **headers: str) -> Said:
        """Send one request; header names use underscores."""
        content = b"" if body is None else msgspec.json.encode(body)
        return _said(self._api.perform(_operation(method, address, content, headers)))

    def batch(self, content: str, **headers: str) -> Said:
        """Send a batch with boundary ``b``, written with plain line ends."""
        content_type = {"content_type": 'multipart/mixed; boundary="b"'}
        wire = content.strip().replace("\n", "\r\n").encode() + b"\r\n"
        return _said(self._batch.perform(_operation("POST", "$batch", wire, content_type | headers)))

    def raw_batch(self, content: bytes, content_type: str) -> Said:
        """Send a batch byte for byte."""
        return _said(self._batch.perform(_operation("POST", "$batch", content, {"content_type": content_type})))

    def one(self, table: str, **values: str) -> dict[str, Any]:
        """Return the one row of a table with these values."""
        (row,) = [
            dict(row)
            for row in self.environment.rows(table)
            if all(str(row.get(name)) == value for name, value in values.items())
        ]
        return row

    def order(self, **values: Any) -> str:
        """Create an order on the price list for machines and return its id."""
        machine_list = self.one("pricelevel", name="Things")
        body = {
            "name": "Ink",
            "customerid_account@odata.bind": "/accounts(accountnumber='owner-1')",
            "pricelevelid@odata.bind": f"/pricelevels({machine_list['pricelevelid']})",
            **values,
        }
        said = self("POST", "salesorders?$select=salesorderid", body, prefer="return=representation")
        assert said.status == 201, said
        return str(said.body["salesorderid"])

    def line(self, sku: str = "INK-XL-BK", **values: Any) -> dict[str, Any]:
        """Return the body of an order line for a product."""
        product = self.one("product", productnumber=sku)
        return {
            "productid@odata.bind": f"/products({product['productid']})",
            "uomid@odata.bind": f"/uoms({product['_defaultuomid_value']})",
            "quantity": 2,
            **values,
        }


def _operation(method: str, address: str, content: bytes, headers: Mapping[str, str]) -> Operation:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Operation(method=method, address=address, headers=named, content=content, root=ROOT)


def _said(answer: Answer) -> Said:
    is_json = "json" in answer.headers.get("Content-Type", "")
    body = msgspec.json.decode(answer.content) if is_json else None
    return Said(status=answer.status, headers=answer.headers, body=body, content=answer.content)


@pytest.fixture
def crm() -> Console:
    return Console()
