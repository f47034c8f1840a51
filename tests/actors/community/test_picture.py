"""The picture of a machine among its peers: valid XML, bounded, accessible, and its band is peers' quantiles."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from actors.community.band import peers_band
from actors.community.cards import LEVELS, CardMatrix
from actors.community.picture import Drawing, draw, scale_of

SVG = "{http://www.w3.org/2000/svg}"


def matrix(owners: int = 11) -> CardMatrix:
    """Return peers whose index was what they had left, give or take: owner n read n - 5 more than that."""
    peers = CardMatrix()
    for owner in range(owners):
        curve = LEVELS - (owner - owners // 2)
        peers.append(f"c{owner}", f"o{owner}", np.where(curve >= 0, curve, -1.0))
    return peers


def drawing(*, owners: int = 11, title: str = "Drum") -> Drawing:
    band = peers_band(matrix(owners), asker_owner="me", k_owners=5, most_left=100.0)
    curve = [(float(cycle), 100.0 - cycle) for cycle in range(61)]
    return Drawing(title=title, sentence="Half ran 40 more cycles.", curve=curve, estimate=40.0, band=band)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def points(svg: ET.Element, name: str) -> list[tuple[float, float]]:
    (found,) = [each for each in svg.iter() if each.get("id") == name]
    pairs = (pair.split(",") for pair in (found.get("points") or "").split())
    return [(float(x), float(y)) for x, y in pairs]


def test_the_band_is_the_quantiles_of_peers_that_had_as_much_left() -> None:
    band = peers_band(matrix(), asker_owner="me", k_owners=5, most_left=100.0)
    assert band is not None
    place = int(np.flatnonzero(band.left == 50.0)[0])
    expected = np.interp([0.1, 0.5, 0.9], (np.arange(11) + 0.5) / 11, 50.0 + np.arange(-5, 6))
    assert (band.p10[place], band.p50[place], band.p90[place]) == pytest.approx(tuple(expected))
    assert (band.owners, band.peers) == (11, 11)


def test_the_picture_shows_these_quantiles_at_the_right_place() -> None:
    told = drawing()
    svg, scale = parsed(draw(told)), scale_of(told)
    middle = points(svg, "middle")
    at_50_left = min(middle, key=lambda point: abs(point[0] - scale.x(50.0)))  # the end is seen at cycle 100
    assert at_50_left == pytest.approx((scale.x(50.0), scale.y(50.0)), abs=0.2)
    outline = [y for x, y in points(svg, "band") if abs(x - scale.x(50.0)) < 0.2]
    low, high = np.interp([0.1, 0.9], (np.arange(11) + 0.5) / 11, 50.0 + np.arange(-5, 6))
    assert sorted(outline) == pytest.approx([scale.y(high), scale.y(low)], abs=0.2)
    assert points(svg, "mine")[0] == pytest.approx((scale.x(0.0), scale.y(100.0)), abs=0.2)


def test_who_does_not_see_it_is_told_the_same() -> None:
    svg = parsed(draw(drawing()))
    assert (svg.get("role"), svg.get("aria-labelledby")) == ("img", "t d")
    assert svg.find(f"{SVG}title") is not None
    description = svg.find(f"{SVG}desc")
    assert description is not None
    assert "Half ran 40 more cycles." in (description.text or "")
    texts = " ".join(each.text or "" for each in svg.iter(f"{SVG}text"))
    assert "age in cycles since new" in texts
    assert "health index in cycles" in texts


def test_four_owners_make_no_band() -> None:
    told = drawing(owners=4)
    assert told.band is None
    svg = draw(told)
    assert 'id="band"' not in svg
    assert "too few owners for a band of peers" in svg


def test_own_fleet_makes_a_band_that_is_named_so() -> None:
    peers = CardMatrix()
    for place in range(3):
        peers.append(f"c{place}", "me", LEVELS)
    band = peers_band(peers, asker_owner="me", k_owners=5, most_left=60.0)
    assert band is not None
    assert "of your own fleet" in draw(Drawing(title="t", sentence="s", curve=[(1.0, 9.0)], estimate=5.0, band=band))


def test_strange_names_do_no_harm_and_the_picture_stays_small() -> None:
    svg = draw(drawing(title="<script>alert('x')</script>\x00&\u202e" + "x" * 5000))
    assert len(svg) < 20_000
    assert not list(parsed(svg).iter(f"{SVG}script"))
