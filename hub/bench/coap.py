"""Posts of readings over CoAP: the hub's whole way to the disk against aiocoap's bare handler; its front end alone."""

from typing import Final

from hub.bench.posts import posted

_SECONDS: Final = 2.0


def figures(scale: float) -> dict[str, float]:
    """Return durable posts over aiocoap's bare handler (rate), and the front end over a bare responder (CPU)."""
    seconds = max(0.2, _SECONDS * scale)
    alone = posted("coap", ("front", "minimal"), seconds)
    whole = posted("coap", ("durable", "bare"), seconds)
    durable, bare, front = whole["durable"], whole["bare"], alone["front"]
    return {
        "coap.post_durable_vs_aiocoap_bare": durable.over(bare),
        "coap.front_cpu_vs_minimal": front.cpu_us / alone["minimal"].cpu_us,
        "coap.post_durable_per_s": durable.per_s,
        "coap.front_per_s": front.per_s,
        "coap.front_cpu_us": front.cpu_us,
        "coap.post_durable_cpu_us": durable.cpu_us,
        "coap.aiocoap_bare_cpu_us": bare.cpu_us,
    }
