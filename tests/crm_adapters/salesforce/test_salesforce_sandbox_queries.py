"""The query language of the sandbox, and results page by page."""

from typing import Any
from urllib.parse import quote

import pytest

from crm_adapters.salesforce.soql import select

Desk = Any
"""The fixture's type lives in conftest, which tests do not import."""


@pytest.fixture
def people(desk: Desk) -> Desk:
    for name, email in (("O'Hara", "a@x"), ("back\\slash", "b@x"), ("Zoë", None), ("50%", "c@y")):
        desk.call("POST", "/sobjects/Contact", {"LastName": name, "Email": email, "AccountId": desk.account()})
    return desk


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (r"LastName = 'o\'hara'", ["O'Hara"]),
        (r"LastName = 'back\\slash'", ["back\\slash"]),
        ("Email = null", ["Zoë"]),
        ("Email != null AND NOT Email LIKE '%@x'", ["50%"]),
        ("Email LIKE '_@x' OR LastName LIKE 'zo%'", ["O'Hara", "back\\slash", "Zoë"]),
        ("LastName IN ('Zoë', '50%') AND Account.AccountNumber = 'ACME'", ["Zoë", "50%"]),
        ("(Email = 'a@x' OR Email = 'b@x') AND LastName NOT IN ('O\\'Hara')", ["back\\slash"]),
        ("CreatedDate >= 2026-11-23T08:00:00Z AND CreatedDate < 2027-01-01T00:00:00.000+0000 LIMIT 1", ["O'Hara"]),
        ("Id != null ORDER BY Email DESC NULLS LAST LIMIT 2 OFFSET 1", ["back\\slash", "O'Hara"]),
    ],
)
def test_conditions(people: Desk, where: str, names: list[str]) -> None:
    assert [row["LastName"] for row in people.rows(select(("LastName",), "Contact", (where,)))] == names


def test_numbers_and_parents_are_compared_and_shown(desk: Desk) -> None:
    where = ("UnitPrice > 100", "UnitPrice <= 7400.00", "Pricebook2.IsStandard = false")
    (row,) = desk.rows(select(("Product2.StockKeepingUnit", "UnitPrice"), "PricebookEntry", where))
    assert (row["Product2"]["StockKeepingUnit"], row["UnitPrice"]) == ("ENGINE-MOD-1", 7400.0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT two", "MALFORMED_QUERY"),
        ("SELECT Colour FROM Contact", "INVALID_FIELD"),
        ("SELECT Friend.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Friend", "INVALID_TYPE"),
    ],
)
def test_what_is_no_query(desk: Desk, query: str, expected: str) -> None:
    assert desk.code(desk.call("GET", f"/query/?q={quote(query)}")) == expected


def test_long_results_come_in_pages(desk: Desk) -> None:
    for number in range(450):
        desk.call("POST", "/sobjects/Account", {"Name": f"a{number}"})
    page = desk.call("GET", "/query?q=SELECT+Id+FROM+Account", **{"sforce-query-options": "batchSize=200"})
    sizes = [len(page.body["records"])]
    while not page.body["done"]:
        page = desk.call("GET", page.body["nextRecordsUrl"].removeprefix("/services/data/v60.0"))
        sizes.append(len(page.body["records"]))
    assert sizes == [200, 200, 51]
    assert page.body["totalSize"] == 451
