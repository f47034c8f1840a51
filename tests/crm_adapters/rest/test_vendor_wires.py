"""What the vendors' own clients would see of the sandboxes: statuses, error shapes, limits, search, uniqueness."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from crm_adapters.rest.sandbox.vendors import ERPNEXT, HUBSPOT, ODOO, SERVICENOW
from crm_adapters.sandboxing import SandboxOptions, SandboxSpec, listening
from crm_adapters.testing import TickingClock

PAIR = f"iot2crm:{SERVICENOW.credentials['password']}"
HEADERS = {
    "odoo": {"Authorization": f"bearer {ODOO.credentials['api_key']}"},
    "hubspot": {"Authorization": f"Bearer {HUBSPOT.credentials['api_key']}"},
    "servicenow": {"Authorization": f"Basic {b64encode(PAIR.encode()).decode()}"},
    "erpnext": {"Authorization": f"token {ERPNEXT.credentials['username']}:{ERPNEXT.credentials['password']}"},
}
Said = tuple[int, Any, dict[str, str]]


class Client:
    """Asks one sandbox."""

    def __init__(self, session: aiohttp.ClientSession, clock: TickingClock) -> None:
        self._session = session
        self.clock = clock

    async def said(self, method: str, path: str, body: Any = None, **query: str) -> Said:
        async with self._session.request(method, path, json=body, params=query) as reply:
            return reply.status, await reply.json(), dict(reply.headers)


@asynccontextmanager
async def serving(spec: SandboxSpec, **headers: str) -> AsyncGenerator[Client, None]:
    clock = TickingClock()
    options = SandboxOptions(clock=clock, accounts=("owner-1",))
    async with (
        listening(spec, options) as base_url,
        aiohttp.ClientSession(base_url, headers=HEADERS[spec.name] | headers) as session,
    ):
        yield Client(session, clock)


@pytest.mark.parametrize(
    ("spec", "path", "where"),
    [
        (ODOO, "/json/2/sale.order/search", "name"),
        (HUBSPOT, "/crm/v3/objects/orders/search", "category"),
        (SERVICENOW, "/api/now/table/sc_request", "error"),
        (ERPNEXT, "/api/resource/Issue", "exc_type"),
    ],
)
async def test_nobody_enters_without_credentials(spec: SandboxSpec, path: str, where: str) -> None:
    async with serving(spec, Authorization="Bearer guess") as client:
        status, body, _ = await client.said("POST", path, {})
    assert (status, where in body) == (401, True)


SALE = {"partner_id": 1, "client_order_ref": "K", "order_line": [[0, 0, {"product_id": 1, "product_uom_qty": 2}]]}


@pytest.mark.parametrize(
    ("method", "arguments", "status", "name"),
    [
        ("create", {"vals_list": [{"client_order_ref": "K"}]}, 422, "odoo.exceptions.ValidationError"),
        ("create", {"vals_list": [{**SALE, "colour": 1}]}, 422, "builtins.ValueError"),
        ("create", {"vals_list": [{**SALE, "order_line": [[6, 0, [1]]]}]}, 422, "builtins.ValueError"),
        ("create", {}, 422, "werkzeug.exceptions.UnprocessableEntity"),
        ("action_confirm", {"ids": [99]}, 404, "odoo.exceptions.MissingError"),
        ("explode", {"ids": [1]}, 404, "werkzeug.exceptions.NotFound"),
    ],
)
async def test_odoo_answers_with_the_exception_it_raised(method: str, arguments: Any, status: int, name: str) -> None:
    async with serving(ODOO) as client:
        await client.said("POST", "/json/2/sale.order/create", {"vals_list": [SALE]})
        answered, body, _ = await client.said("POST", f"/json/2/sale.order/{method}", arguments)
    assert (answered, body["name"]) == (status, name)
    assert body["message"]


async def test_odoo_writes_one2many_commands_and_shows_links_with_names() -> None:
    async with serving(ODOO) as client:
        assert (await client.said("POST", "/json/2/sale.order/create", {"vals_list": [SALE, SALE]}))[1] == [1, 2]
        assert (await client.said("POST", "/json/2/sale.order/action_confirm", {"ids": [2]}))[1] is True
        fields = ["name", "partner_id", "state", "order_line", "note"]
        domain = ["|", ["state", "=", "sale"], ["id", ">", 7]]
        sent = {"domain": domain, "fields": fields}
        _, (row,), _ = await client.said("POST", "/json/2/sale.order/search_read", sent)
    assert row == {
        "id": 2,
        "name": "S0000002",
        "partner_id": [1, "owner-1"],
        "state": "sale",
        "order_line": [2],
        "note": False,
    }


async def test_hubspot_refuses_a_second_unique_value_and_names_the_first() -> None:
    async with serving(HUBSPOT) as client:
        order = {"properties": {"hub_key": "K"}}
        status, created, _ = await client.said("POST", "/crm/v3/objects/orders", order)
        again = await client.said("POST", "/crm/v3/objects/orders", order)
    assert (status, again[0], again[1]["category"]) == (201, 409, "CONFLICT")
    assert again[1]["message"].endswith(f"Existing ID: {created['id']}")


async def test_hubspots_search_is_seconds_behind_and_reading_by_key_is_not() -> None:
    search = {"filterGroups": [{"filters": [{"propertyName": "hub_key", "operator": "EQ", "value": "K"}]}]}
    async with serving(HUBSPOT) as client:
        await client.said("POST", "/crm/v3/objects/orders", {"properties": {"hub_key": "K"}})
        read = await client.said("GET", "/crm/v3/objects/orders/K", idProperty="hub_key")
        early = await client.said("POST", "/crm/v3/objects/orders/search", search)
        client.clock.advance(6)
        late = await client.said("POST", "/crm/v3/objects/orders/search", search)
    assert (read[0], early[1]["total"], late[1]["total"]) == (200, 0, 1)


async def test_hubspot_tells_what_of_a_batch_failed() -> None:
    good = {"idProperty": "hub_line_key", "id": "K-1", "properties": {"quantity": "2"}}
    bad = {"idProperty": "hub_line_key", "id": "K-2", "properties": {"colour": "red"}}
    async with serving(HUBSPOT) as client:
        path = "/crm/v3/objects/line_items/batch/upsert"
        status, body, _ = await client.said("POST", path, {"inputs": [good, bad]})
        again = await client.said("POST", path, {"inputs": [good]})
    assert (status, len(body["results"]), body["numErrors"]) == (207, 1, 1)
    assert again[1]["results"][0]["id"] == body["results"][0]["id"]


async def test_hubspot_takes_texts_only_and_so_many_requests_in_ten_seconds() -> None:
    async with serving(HUBSPOT) as client:
        body = {"properties": {"hs_total_price": 12}}
        assert (await client.said("POST", "/crm/v3/objects/orders", body))[1]["category"] == "VALIDATION_ERROR"
        for _ in range(189):
            await client.said("GET", "/crm/v3/objects/orders/1")
        status, said, headers = await client.said("GET", "/crm/v3/objects/orders/1")
        client.clock.advance(10)
        after = await client.said("GET", "/crm/v3/objects/orders/1")
    assert (status, said["policyName"], headers["Retry-After"]) == (429, "TEN_SECONDLY_ROLLING", "10")
    assert after[0] == 404


async def test_servicenow_pages_with_links_and_counts_in_headers() -> None:
    async with serving(SERVICENOW) as client:
        for number in range(3):
            await client.said("POST", "/api/now/table/wm_order", {"short_description": str(number)})
        query = {"sysparm_query": "short_descriptionIN0,2^ORDERBYDESCnumber", "sysparm_limit": "1"}
        _, body, headers = await client.said("GET", "/api/now/table/wm_order", **query)
    assert [row["short_description"] for row in body["result"]] == ["2"]
    assert headers["X-Total-Count"] == "2"
    assert headers["Link"].endswith('sysparm_offset=1>;rel="next"')


async def test_servicenow_passes_over_unknown_fields_and_says_where_a_record_is() -> None:
    async with serving(SERVICENOW) as client:
        sent = {"short_description": "x", "colour": "red"}
        status, body, headers = await client.said("POST", "/api/now/v2/table/wm_order", sent)
        empty = await client.said("POST", "/api/now/table/wm_order", {})
        nobody = await client.said("GET", "/api/now/table/wm_order/abc")
    assert (status, "colour" in body["result"], body["result"]["company"]) == (201, False, "")
    assert headers["Location"].endswith(f"/api/now/v2/table/wm_order/{body['result']['sys_id']}")
    assert (empty[0], nobody[0], nobody[1]["error"]["message"]) == (403, 404, "No Record found")


ORDER = {"name": "K", "customer": "owner-1", "company": "S", "delivery_date": "2026-12-01"}
ITEMS = [{"item_code": "FILTER-7", "qty": 2, "rate": 3.5}]


@pytest.mark.parametrize(
    ("change", "status", "exception"),
    [
        ({"items": []}, 417, "MandatoryError"),
        ({"customer": "nobody"}, 417, "LinkValidationError"),
        ({"docstatus": 2}, 417, "ValidationError"),
        ({}, 409, "DuplicateEntryError"),
    ],
)
async def test_frappe_names_its_exceptions(change: Any, status: int, exception: str) -> None:
    async with serving(ERPNEXT) as client:
        whole = {**ORDER, "items": ITEMS}
        await client.said("POST", "/api/resource/Sales Order", {**whole, "name": "K" if not change else "other"})
        answered, body, _ = await client.said("POST", "/api/resource/Sales Order", {**whole, **change})
    assert (answered, body["exc_type"]) == (status, exception)


async def test_frappe_submits_then_cancels_and_changes_no_submitted_document() -> None:
    path = "/api/resource/Sales Order/K"
    async with serving(ERPNEXT) as client:
        _, made, _ = await client.said("POST", "/api/resource/Sales Order", {**ORDER, "items": ITEMS})
        _, submitted, _ = await client.said("PUT", path, {"docstatus": 1})
        refused = await client.said("PUT", path, {"po_no": "x"})
        stale = await client.said("PUT", path, {"docstatus": 2, "modified": made["data"]["modified"]})
        _, cancelled, _ = await client.said("PUT", path, {"docstatus": 2})
    assert (submitted["data"]["status"], submitted["data"]["grand_total"]) == ("To Deliver and Bill", 7.0)
    assert (refused[1]["exc_type"], stale[1]["exc_type"]) == ("UpdateAfterSubmitError", "TimestampMismatchError")
    assert cancelled["data"]["status"] == "Cancelled"
