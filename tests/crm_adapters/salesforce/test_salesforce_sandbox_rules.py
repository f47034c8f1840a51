"""Rules of the organisation that an order runs into."""

from typing import Any

import pytest

from crm_adapters.salesforce.sandbox.api import Request

Desk = Any
"""The fixture's type lives in conftest, which tests do not import."""


def test_an_order_is_not_created_as_activated(desk: Desk) -> None:
    assert desk.code(desk.call("POST", "/sobjects/Order", desk.draft(Status="Activated"))) == "FAILED_ACTIVATION"


def test_an_order_without_products_is_not_activated(desk: Desk) -> None:
    refused = desk.call("PATCH", f"/sobjects/Order/{desk.order()}", {"Status": "Activated"})
    assert desk.code(refused) == "FAILED_ACTIVATION"


def test_a_draft_with_products_is_activated_and_totals_them(desk: Desk) -> None:
    order = desk.order()
    assert desk.item(order).status == 201
    assert desk.call("PATCH", f"/sobjects/Order/{order}", {"Status": "Activated"}).status == 204
    shown = desk.call("GET", f"/sobjects/Order/{order}?fields=StatusCode,TotalAmount").body
    assert (shown["StatusCode"], shown["TotalAmount"]) == ("Activated", 71.8)


def test_an_activated_order_keeps_its_products_and_is_not_deleted(desk: Desk) -> None:
    order = desk.order()
    desk.item(order)
    desk.call("PATCH", f"/sobjects/Order/{order}", {"Status": "Activated"})
    assert desk.code(desk.item(order)) == "FIELD_INTEGRITY_EXCEPTION"
    assert desk.code(desk.call("DELETE", f"/sobjects/Order/{order}")) == "DELETE_FAILED"


def test_a_delivered_order_is_not_cancelled(desk: Desk) -> None:
    order = desk.order()
    desk.item(order)
    desk.call("PATCH", f"/sobjects/Order/{order}", {"Status": "Delivered"})
    refused = desk.call("PATCH", f"/sobjects/Order/{order}", {"Status": "Cancelled"})
    assert desk.code(refused) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def test_a_product_comes_from_the_price_book_of_its_order(desk: Desk) -> None:
    refused = desk.item(desk.order(), PricebookEntryId=desk.entry(book="Standard Price Book"))
    assert desk.code(refused) == "FIELD_INTEGRITY_EXCEPTION"
    assert desk.code(desk.item(desk.order(HubKey__c="K2", Pricebook2Id=None))) == "FIELD_INTEGRITY_EXCEPTION"


def test_a_price_needs_a_standard_price_first(desk: Desk) -> None:
    product = desk.call("POST", "/sobjects/Product2", {"Name": "New"}).body["id"]
    entry = {"Product2Id": product, "Pricebook2Id": desk.book(), "UnitPrice": 1.0}
    assert desk.code(desk.call("POST", "/sobjects/PricebookEntry", entry)) == "STANDARD_PRICE_NOT_DEFINED"
    standard = {**entry, "Pricebook2Id": desk.book("Standard Price Book")}
    assert desk.call("POST", "/sobjects/PricebookEntry", standard).status == 201
    assert desk.call("POST", "/sobjects/PricebookEntry", entry).status == 201


def test_a_key_in_use_names_the_record_that_has_it_whatever_its_case(desk: Desk) -> None:
    first = desk.order(HubKey__c="Key-A")
    refused = desk.call("POST", "/sobjects/Order", desk.draft(HubKey__c="KEY-a"))
    assert desk.code(refused) == "DUPLICATE_VALUE"
    assert first[:15] in refused.body[0]["message"]
    assert "HubKey__c" in refused.body[0]["message"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AccountId": None}, "REQUIRED_FIELD_MISSING"),
        ({"Status": "Lost"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"PoNumber": "x" * 300}, "STRING_TOO_LONG"),
        ({"Colour__c": "red"}, "INVALID_FIELD"),
        ({"TotalAmount": 1.0}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"EffectiveDate": "tomorrow"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ({"AccountId": "801Hu0000000009IAA"}, "MALFORMED_ID"),
        ({"AccountId": "001Hu0000000009IAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_what_an_order_may_not_hold(desk: Desk, changes: dict[str, Any], expected: str) -> None:
    assert desk.code(desk.call("POST", "/sobjects/Order", desk.draft(**changes))) == expected
    assert desk.rows("SELECT Id FROM Order") == []


def test_an_upsert_creates_then_changes_the_same_record(desk: Desk) -> None:
    body = desk.draft()
    del body["HubKey__c"]
    first = desk.call("PATCH", "/sobjects/Order/HubKey__c/a%2Fb%20c", body)
    second = desk.call("PATCH", "/sobjects/Order/HubKey__c/A%2FB%20C/", {"PoNumber": "7"})
    assert (first.status, first.body["created"]) == (201, True)
    assert (second.status, second.body["created"], second.body["id"]) == (200, False, first.body["id"])
    assert desk.call("GET", "/sobjects/Order/HubKey__c/a%2Fb%20c").body["PoNumber"] == "7"


def test_an_upsert_does_not_repeat_the_key_and_needs_an_external_id(desk: Desk) -> None:
    assert desk.code(desk.call("PATCH", "/sobjects/Order/HubKey__c/K1", desk.draft())) == "INVALID_FIELD"
    assert desk.code(desk.call("PATCH", "/sobjects/Order/PoNumber/K1", {})) == "NOT_FOUND"
    assert desk.code(desk.call("PATCH", "/sobjects/Order/HubKey__c/K1?updateOnly=true", {})) == "NOT_FOUND"


def test_an_external_id_that_is_not_unique_answers_300_with_addresses(desk: Desk) -> None:
    ids = [desk.call("POST", "/sobjects/Account", {"Name": n, "LegacyNumber__c": "1"}).body["id"] for n in "ab"]
    reply = desk.call("GET", "/sobjects/Account/LegacyNumber__c/1")
    assert reply.status == 300
    assert [url.rsplit("/", 1)[1] for url in reply.body] == ids


def test_a_parent_can_be_named_by_its_external_id(desk: Desk) -> None:
    account = desk.call("POST", "/sobjects/Account", {"Name": "B", "HubKey__c": "B-1"}).body["id"]
    body = desk.draft(Account={"HubKey__c": "B-1"})
    del body["AccountId"]
    order = desk.call("POST", "/sobjects/Order", body).body["id"]
    assert desk.call("GET", f"/sobjects/Order/{order}").body["AccountId"] == account


def test_a_deleted_record_is_gone_and_says_so(desk: Desk) -> None:
    order = desk.order()
    assert desk.call("DELETE", f"/sobjects/Order/{order[:15]}").status == 204
    assert desk.code(desk.call("GET", f"/sobjects/Order/{order}")) == "ENTITY_IS_DELETED"
    assert desk.order() != order


def test_any_version_from_50_answers_and_older_ones_do_not(desk: Desk) -> None:
    api = desk.api
    for version, status in (("v50.0", 200), ("v99.0", 200), ("v49.0", 404), ("66", 404)):
        assert _versioned(api, version) == status


def _versioned(api: Any, version: str) -> int:
    return int(api.answer(Request.to("GET", f"/services/data/{version}/limits/")).status)
