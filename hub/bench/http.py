"""Posts of readings over HTTP: the hub's whole way to the disk against a bare handler of aiohttp."""

from typing import Final

from hub.bench.posts import posted

_SECONDS: Final = 2.0


def figures(scale: float) -> dict[str, float]:
    """Return durable posts over a bare aiohttp handler (rate)."""
    found = posted("http", ("durable", "bare"), max(0.2, _SECONDS * scale))
    durable, bare = found["durable"], found["bare"]
    return {
        "http.post_durable_vs_aiohttp_bare": durable.over(bare),
        "http.post_durable_per_s": durable.per_s,
        "http.aiohttp_bare_per_s": bare.per_s,
        "http.post_durable_cpu_us": durable.cpu_us,
        "http.aiohttp_bare_cpu_us": bare.cpu_us,
    }
