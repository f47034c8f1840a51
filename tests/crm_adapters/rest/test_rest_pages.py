"""Further pages: where they are asked for, and where they must not lead."""

from typing import Any

import pytest

from actors.model.outcomes import Permanent
from crm_adapters.rest.manifest import Pages
from crm_adapters.rest.running import next_page
from crm_adapters.transport import Call

CALL = Call(method="GET", url="https://crm.example/api/orders", writes=False, query=[("q", "x"), ("page", "1")])


def test_a_parameter_takes_the_place_of_the_former_one() -> None:
    following = next_page(Pages(next="n", parameter="page"), CALL, 2)
    assert isinstance(following, Call)
    assert following.query == [("q", "x"), ("page", "2")]


def test_an_argument_goes_into_the_body_and_a_header_into_the_headers() -> None:
    posted = Call(method="POST", url=CALL.url, writes=False, json={"limit": 5, "after": "1"})
    argument = next_page(Pages(next="n", argument="after"), posted, "2")
    header = next_page(Pages(next="n", header="Range"), CALL, "records=10-20")
    assert isinstance(argument, Call)
    assert isinstance(header, Call)
    assert (argument.json, header.headers) == ({"limit": 5, "after": "2"}, {"Range": "records=10-20"})


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://crm.example/api/orders?page=2", "https://crm.example/api/orders?page=2"),
        ("/services/query/01g-2000", "https://crm.example/services/query/01g-2000"),
        ("?page=2", "https://crm.example/api/orders?page=2"),
    ],
)
def test_a_link_on_the_same_host_is_followed(link: str, url: str) -> None:
    following = next_page(Pages(next="n", link=True), CALL, link)
    assert isinstance(following, Call)
    assert (following.url, following.query) == (url, ())


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/",
        "//169.254.169.254/latest",
        "http://crm.example/api",
        "https://crm.example:8443/api",
        "https://me@crm.example/api",
        "file:///etc/passwd",
        "https://[broken/",
    ],
)
def test_a_link_to_another_place_is_refused(link: Any) -> None:
    refused = next_page(Pages(next="n", link=True), CALL, link)
    assert isinstance(refused, Permanent)
    assert refused.code == "foreign_link"
