"""The HTTP benchmark measures what it says: both servers answer, and the figure is a ratio of one run."""

from hub.bench.http import figures


def test_a_quick_look_has_all_figures() -> None:
    found = figures(0.1)
    assert all(value > 0 for value in found.values())
    ratio = found["http.post_durable_per_s"] / found["http.aiohttp_bare_per_s"]
    assert found["http.post_durable_vs_aiohttp_bare"] == ratio
