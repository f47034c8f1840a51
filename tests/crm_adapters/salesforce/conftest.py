"""What the tests of the Salesforce wire share: an organisation without the web, and shorthand for its API."""

from typing import Any
from urllib.parse import quote

import pytest

from crm_adapters.salesforce.sandbox.api import Api, Request
from crm_adapters.salesforce.sandbox.collections import answer_collection
from crm_adapters.salesforce.sandbox.composite import answer_composite, answer_graphs
from crm_adapters.salesforce.sandbox.errors import Reply
from crm_adapters.salesforce.sandbox.limits import ApiLimits, Usage
from crm_adapters.salesforce.sandbox.organisation import Organisation
from crm_adapters.salesforce.sandbox.seed import seed
from crm_adapters.salesforce.sandbox.store import Store
from crm_adapters.salesforce.soql import select, text
from crm_adapters.sandboxing import SandboxOptions, Tables
from crm_adapters.testing import TickingClock

ROOT = "/services/data/v60.0"


class Desk:
    """Someone who calls the API."""

    def __init__(self) -> None:
        clock = TickingClock()
        organisation = Organisation(Store(clock.now, Tables()))
        seed(organisation, SandboxOptions(clock=clock, accounts=("acme",)))
        self.api = Api(organisation, Usage(ApiLimits(), clock))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.api.answer(Request.to(method, ROOT + path, body=body, headers=headers))

    def composite(self, *parts: dict[str, Any], all_or_none: bool = True) -> list[dict[str, Any]]:
        listed = [{**part, "url": ROOT + part["url"]} for part in parts]
        reply = answer_composite(self.api, {"allOrNone": all_or_none, "compositeRequest": listed})
        assert reply.status == 200, reply
        answers: list[dict[str, Any]] = reply.body["compositeResponse"]
        return answers

    def collection(self, method: str, path: str, body: Any = None) -> Reply:
        """Call one of the resources below ``/composite`` that take many records."""
        return answer_collection(self.api, Request.to(method, f"{ROOT}/composite{path}", body=body))

    def graph(self, *parts: dict[str, Any]) -> dict[str, Any]:
        """Send one graph and return what came of it."""
        listed = [{**part, "url": ROOT + part["url"]} for part in parts]
        reply = self.graphs({"graphs": [{"graphId": "1", "compositeRequest": listed}]})
        assert reply.status == 200, reply
        (answer,) = reply.body["graphs"]
        return dict(answer)

    def graphs(self, body: dict[str, Any]) -> Reply:
        return answer_graphs(self.api, body)

    def rows(self, query: str, **headers: str) -> list[dict[str, Any]]:
        reply = self.call("GET", f"/query?q={quote(query)}", **headers)
        assert reply.status == 200, reply
        rows: list[dict[str, Any]] = reply.body["records"]
        return rows

    def one(self, query: str) -> str:
        return str(self.rows(query)[0]["Id"])

    def account(self) -> str:
        return self.one("SELECT Id FROM Account")

    def book(self, name: str = "Things") -> str:
        return self.one(select(("Id",), "Pricebook2", (f"Name = {text(name)}",)))

    def entry(self, sku: str = "INK-XL-BK", book: str = "Things") -> str:
        where = (f"Product2.StockKeepingUnit = {text(sku)}", f"Pricebook2.Name = {text(book)}")
        return self.one(select(("Id",), "PricebookEntry", where))

    def draft(self, **changes: Any) -> dict[str, Any]:
        body = {"AccountId": self.account(), "Pricebook2Id": self.book(), "EffectiveDate": "2026-11-23"}
        return {**body, "Status": "Draft", "HubKey__c": "K1", **changes}

    def order(self, **changes: Any) -> str:
        reply = self.call("POST", "/sobjects/Order", self.draft(**changes))
        assert reply.status == 201, reply
        return str(reply.body["id"])

    def item(self, order: str, **changes: Any) -> Reply:
        body = {"OrderId": order, "PricebookEntryId": self.entry(), "Quantity": 2, "UnitPrice": 35.9}
        return self.call("POST", "/sobjects/OrderItem", {**body, **changes})

    @staticmethod
    def code(reply: Reply) -> str:
        """Return the code of a refusal in the array form that clients index."""
        assert reply.status >= 400, reply
        (error,) = reply.body
        return str(error["errorCode"])


@pytest.fixture
def desk() -> Desk:
    return Desk()
