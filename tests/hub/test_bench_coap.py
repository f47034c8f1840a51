"""The CoAP benchmarks measure what they say: every server answers, and the figures are ratios of one run."""

from hub.bench.coap import figures


def test_a_quick_look_has_all_figures() -> None:
    found = figures(0.1)
    assert all(value > 0 for value in found.values())
    assert {"coap.post_durable_vs_aiocoap_bare", "coap.front_cpu_vs_minimal"} <= set(found)
