"""``/composite``: references, all or nothing, and what the halted parts say."""

from typing import Any

from crm_adapters.salesforce.sandbox.composite import answer_composite

Desk = Any
"""The fixture's type lives in conftest, which tests do not import."""


def part(reference: str, method: str, url: str, body: Any = None) -> dict[str, Any]:
    return {"referenceId": reference, "method": method, "url": url, "body": body}


def whole_order(desk: Desk, *, quantity: float = 2) -> list[dict[str, Any]]:
    item = {"OrderId": "@{o.id}", "PricebookEntryId": desk.entry(), "Quantity": quantity}
    return [
        part("o", "POST", "/sobjects/Order", desk.draft()),
        part("i", "POST", "/sobjects/OrderItem/", item),
        part("a", "PATCH", "/sobjects/Order/@{o.id}", {"Status": "Activated"}),
        part("r", "GET", "/sobjects/Order/@{o.id}?fields=Status,TotalAmount,HubKey__c"),
    ]


def test_an_order_is_made_priced_activated_and_read_in_one_request(desk: Desk) -> None:
    made, _, activated, read = desk.composite(*whole_order(desk))
    assert (made["httpStatusCode"], activated["httpStatusCode"], activated["body"]) == (201, 204, None)
    assert made["httpHeaders"]["Location"].endswith(made["body"]["id"])
    assert (read["body"]["Status"], read["body"]["TotalAmount"]) == ("Activated", 71.8)


def test_one_failure_takes_everything_back(desk: Desk) -> None:
    answers = desk.composite(*whole_order(desk, quantity=-1))
    assert [answer["httpStatusCode"] for answer in answers] == [400, 400, 400, 400]
    codes = [answer["body"][0]["errorCode"] for answer in answers]
    assert codes == ["PROCESSING_HALTED", "FIELD_INTEGRITY_EXCEPTION", "PROCESSING_HALTED", "PROCESSING_HALTED"]
    assert desk.rows("SELECT Id FROM Order") == []
    assert desk.order(HubKey__c="K1")


def test_without_all_or_none_what_succeeded_stays(desk: Desk) -> None:
    answers = desk.composite(*whole_order(desk, quantity=-1), all_or_none=False)
    assert [answer["httpStatusCode"] for answer in answers] == [201, 400, 400, 200]
    assert len(desk.rows("SELECT Id FROM Order WHERE HubKey__c = 'k1'")) == 1


def test_a_reference_to_nothing_halts_its_part(desk: Desk) -> None:
    (answer,) = desk.composite(part("x", "GET", "/sobjects/Order/@{nobody.id}"), all_or_none=False)
    assert answer["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_references_reach_into_query_results(desk: Desk) -> None:
    find = part("find", "GET", "/query?q=SELECT+Id+FROM+Account")
    order = part("o", "POST", "/sobjects/Order", desk.draft(AccountId="@{find.records[0].Id}"))
    assert [answer["httpStatusCode"] for answer in desk.composite(find, order)] == [200, 201]


def test_the_whole_is_refused_when_it_is_too_large_or_badly_named(desk: Desk) -> None:
    too_many = [part(f"r{n}", "GET", "/services/data/v60.0/limits") for n in range(26)]
    for parts in (too_many, [part("a-b", "GET", "/x")], [part("a", "GET", "/x")] * 2, []):
        assert answer_composite(desk.api, {"compositeRequest": parts}).status == 400
