"""The benchmarks of posts measure what they say: every server answers, and the figures are ratios of one run."""

from hub.bench import coap, http
from hub.bench.posts import Posted


def test_a_quick_look_at_http_has_all_figures() -> None:
    found = http.figures(0.1)
    assert all(value > 0 for value in found.values())
    assert "http.post_durable_vs_aiohttp_bare" in found


def test_a_quick_look_at_coap_has_all_figures() -> None:
    found = coap.figures(0.1)
    assert all(value > 0 for value in found.values())
    assert {"coap.post_durable_vs_aiocoap_bare", "coap.front_cpu_vs_minimal"} <= set(found)


def test_a_ratio_is_that_of_neighbouring_slices() -> None:
    ours = Posted(slices=(6.0, 60.0, 7.0), cpu_us=1.0)
    peer = Posted(slices=(2.0, 20.0, 1.0), cpu_us=1.0)  # the middle slice met a quiet machine
    assert (ours.over(peer), ours.per_s) == (3.0, 7.0)
