"""Many records in one request: graphs, collections, trees and batches of the sandbox."""

from typing import Any

import pytest

NAMES = "SELECT Name FROM Account WHERE Name LIKE 'Many %'"


def account(name: str, reference: str = "a") -> dict[str, Any]:
    return {"method": "POST", "url": "/sobjects/Account", "referenceId": reference, "body": {"Name": name}}


def row(name: str, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Account"}, "Name": name, **fields}


def test_a_graph_names_results_of_its_own_and_succeeds_whole(desk: Any) -> None:
    child = {"method": "POST", "url": "/sobjects/Contact", "referenceId": "c"}
    answer = desk.graph(account("Many 1"), {**child, "body": {"LastName": "L", "AccountId": "@{a.id}"}})
    assert answer["isSuccessful"] is True
    assert desk.rows("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Many 1"


def test_a_graph_that_fails_leaves_nothing_and_says_which_node_it_was(desk: Any) -> None:
    answer = desk.graph(account("Many 1"), {**account("x", "b"), "body": {"Nome": "x"}})
    codes = [part["body"][0]["errorCode"] for part in answer["graphResponse"]["compositeResponse"]]
    assert (answer["isSuccessful"], codes) == (False, ["PROCESSING_HALTED", "INVALID_FIELD"])
    assert desk.rows(NAMES) == []


def test_a_collection_keeps_what_succeeds_unless_all_must(desk: Any) -> None:
    records = [row("Many 1"), row("x", Nome="x")]
    partly = desk.collection("POST", "/sobjects", {"records": records, "allOrNone": False}).body
    wholly = desk.collection("POST", "/sobjects", {"records": records, "allOrNone": True}).body
    assert [one["success"] for one in partly] == [True, False]
    assert [one["errors"][0]["statusCode"] for one in wholly] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_FIELD"]
    assert len(desk.rows(NAMES)) == 1


def test_a_collection_updates_and_deletes_by_id(desk: Any) -> None:
    made = desk.collection("POST", "/sobjects", {"records": [row("Many 1"), row("Many 2")]}).body
    first, second = (one["id"] for one in made)
    changed = desk.collection("PATCH", "/sobjects", {"records": [row("Many 3", Id=first)]}).body
    gone = desk.collection("DELETE", f"/sobjects?ids={second}&allOrNone=true").body
    assert (changed[0]["success"], gone[0]["success"]) == (True, True)
    assert [one["Name"] for one in desk.rows(NAMES)] == ["Many 3"]


def test_a_tree_that_fails_anywhere_leaves_nothing(desk: Any) -> None:
    child = {"attributes": {"type": "Contact", "referenceId": "c"}, "FirstName": "no last name"}
    root = row("Many 1", Contacts={"records": [child]})
    root["attributes"]["referenceId"] = "a"
    reply = desk.collection("POST", "/tree/Account", {"records": [root]})
    assert (reply.status, reply.body["hasErrors"], reply.body["results"][0]["referenceId"]) == (400, True, "c")
    assert desk.rows(NAMES) == []


@pytest.mark.parametrize(("halts", "made"), [(False, 2), (True, 1)])
def test_a_batch_goes_on_after_an_error_unless_told_to_halt(desk: Any, halts: bool, made: int) -> None:
    parts = [
        {"method": "POST", "url": "v60.0/sobjects/Account", "richInput": body}
        for body in ({"Name": "Many 1"}, {"Nome": "x"}, {"Name": "Many 2"})
    ]
    reply = desk.collection("POST", "/batch", {"batchRequests": parts, "haltOnError": halts})
    assert (reply.body["hasErrors"], len(desk.rows(NAMES))) == (True, made)


@pytest.mark.parametrize(
    "body",
    [{"graphs": []}, {"graphs": [{"graphId": "1", "compositeRequest": [{**account("x"), "url": "/query?q=x"}]}]}],
)
def test_what_is_no_graph_is_refused_whole(desk: Any, body: dict[str, Any]) -> None:
    assert desk.graphs(body).status == 400
