"""Change tracking of the sandbox: delta links, as a synchronising client follows them."""

from datetime import timedelta
from typing import Any

import pytest

TRACKED = "odata.track-changes"


def track(crm: Any, address: str = "accounts?$select=name", **headers: str) -> dict[str, Any]:
    said = crm("GET", address, prefer=headers.get("prefer", TRACKED))
    assert said.status == 200, said
    body: dict[str, Any] = said.body
    return body


def names(body: dict[str, Any]) -> list[str]:
    return [row["name"] for row in body["value"] if "reason" not in row]


def account(crm: Any, name: str) -> str:
    said = crm("POST", "accounts?$select=accountid", {"name": name}, prefer="return=representation")
    return str(said.body["accountid"])


def test_a_delta_link_tells_what_was_made_and_changed_since_it_was_given(crm: Any) -> None:
    guid = account(crm, "A")
    link = track(crm)["@odata.deltaLink"]
    assert names(track(crm, link)) == []
    account(crm, "B")
    crm("PATCH", f"accounts({guid})", {"name": "A2"})
    later = track(crm, link)
    assert names(later) == ["B", "A2"]
    assert names(track(crm, later["@odata.deltaLink"])) == []


def test_a_delta_link_tells_what_is_gone(crm: Any) -> None:
    guid = account(crm, "A")
    link = track(crm)["@odata.deltaLink"]
    crm("DELETE", f"accounts({guid})")
    (gone,) = track(crm, link)["value"]
    assert (gone["id"], gone["reason"]) == (guid, "deleted")
    assert gone["@odata.context"].endswith("#accounts/$deletedEntity")


def test_what_changes_while_a_tracked_query_is_paged_is_told_by_its_delta_link(crm: Any) -> None:
    for name in ("A", "B", "C"):
        account(crm, name)
    small = f"{TRACKED},odata.maxpagesize=2"
    page = track(crm, prefer=small)
    account(crm, "D")
    while "@odata.nextLink" in page:
        page = track(crm, page["@odata.nextLink"], prefer=small)
    assert "D" in names(track(crm, page["@odata.deltaLink"]))


@pytest.mark.parametrize("option", ["$filter=name eq 'A'", "$orderby=name", "$top=3"])
def test_a_tracked_query_takes_neither_filter_nor_order(crm: Any, option: str) -> None:
    assert crm("GET", f"accounts?{option}", prefer=TRACKED).status == 400


def test_a_delta_link_expires_after_seven_days(crm: Any) -> None:
    link = track(crm)["@odata.deltaLink"]
    crm.clock.advance(timedelta(days=8).total_seconds())
    assert crm("GET", link).code == "0x80044352"


def test_a_token_that_was_never_given_is_refused(crm: Any) -> None:
    assert crm("GET", "accounts?$deltatoken=x").status == 400


@pytest.mark.parametrize("query", ["sql=SELECT name FROM account", "fetchXml=<fetch/>"])
def test_queries_that_are_left_out_are_refused_and_not_ignored(crm: Any, query: str) -> None:
    assert crm("GET", f"accounts?{query}").status == 501
