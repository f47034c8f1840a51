"""Link format (RFC 6690): what devices write is read, what is written is read again, filters select."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.errors import MalformedPayload
from protocols.coap.links import Link, filtered, format_links, parse_links, parse_query

SENSORS = (
    b'</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c outdoor";if="sensor",'
    b'</sensors/light>;rt="light-lux";if="sensor";obs,<http://www.example.com/sensors/t123>;anchor="/sensors/temp"'
    b';rel="describedby"'
)


def test_the_links_of_the_specification_are_read() -> None:
    links = parse_links(SENSORS)
    assert [link.target for link in links[:3]] == ["/sensors", "/sensors/temp", "/sensors/light"]
    assert links[0].attributes == (("ct", "40"), ("title", "Sensor Index"))
    assert links[1].values("rt") == ("temperature-c", "outdoor")
    assert ("obs", "") in links[2].attributes


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        (["rt=outdoor"], ["/sensors/temp"]),
        (["rt=light*"], ["/sensors/light"]),
        (["if=sensor"], ["/sensors/temp", "/sensors/light"]),
        (["if=sensor", "rt=light-lux"], ["/sensors/light"]),
        (["href=/sensors*"], ["/sensors", "/sensors/temp", "/sensors/light"]),
        (["title=Sensor Index"], ["/sensors"]),
        (["rt=none"], []),
        (["rt"], []),
    ],
)
def test_filters_select(query: list[str], targets: list[str]) -> None:
    assert [link.target for link in filtered(parse_links(SENSORS), parse_query(query))] == targets


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"x", "character 0: expected '<'"),
        (b"<a", "expected '>', got the end"),
        (b"<a>;", "name of an attribute"),
        (b'<a>;t="x', "closing quotation mark"),
        (b"<a><b>", "character 3: expected ','"),
        (b"\xff", "UTF-8"),
        (b"<>," * 1001 + b"<>", "up to 1000"),
        (b"<a>" + b";a=1" * 33, "up to 32 attributes"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: bytes, why: str) -> None:
    with pytest.raises(MalformedPayload, match=why):
        parse_links(body)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
LINKS = st.builds(
    lambda target, attributes: Link(target, tuple(attributes)),
    st.from_regex(r"\A/[a-z0-9/]{0,20}\Z"),
    st.lists(st.tuples(st.from_regex(r"\A[a-z]{1,8}\Z"), TEXTS), max_size=5),
)


@given(st.lists(LINKS, max_size=8))
def test_links_are_read_as_they_were_written(links: list[Link]) -> None:
    assert list(parse_links(format_links(links))) == links
