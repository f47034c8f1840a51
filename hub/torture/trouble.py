"""What the shops do wrong while the hub is tortured: a plan of faults, drawn anew all the time."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from crm_adapters.sandboxing import Fault, FaultAction
from crm_adapters.sandboxing.client import SandboxAdmin

_ORDERS: Final = "/api/v1/orders/"
_PLACING: Final = f"^PUT {_ORDERS}"
_LOOKING: Final = f"^GET {_ORDERS}"
_ANYTHING: Final = "^(GET|PUT|POST) "
_REARM_S: Final = 0.1
_LONGEST_WAIT_S: Final = 0.4
_OUTAGES: Final = 0.01

_KINDS: Final = (
    (3, _PLACING, FaultAction.DROP_BEFORE),
    (4, _PLACING, FaultAction.DROP_AFTER),
    (3, _PLACING, FaultAction.STATUS),
    (4, _PLACING, FaultAction.STATUS_AFTER),
    (3, _PLACING, FaultAction.GARBAGE_AFTER),
    (3, _PLACING, FaultAction.HANG_BEFORE),
    (4, _PLACING, FaultAction.HANG_AFTER),
    (4, _PLACING, FaultAction.LATE_COMMIT),
    (3, _PLACING, FaultAction.SLOW),
    (1, _LOOKING, FaultAction.DROP_BEFORE),
    (1, _LOOKING, FaultAction.STATUS),
    (2, _LOOKING, FaultAction.SLOW),
    (1, _ANYTHING, FaultAction.SLOW),
)
"""(weight, what it hits, what happens)"""


def draw(chance: Random) -> Fault:
    """Return one fault. Refusals for too many requests are answers of their own kind, so 429 is one of the statuses."""
    ((_, match, action),) = chance.choices(_KINDS, weights=[weight for weight, _, _ in _KINDS])
    status = chance.choice((500, 502, 503, 429)) if action is FaultAction.STATUS else chance.choice((500, 502, 504))
    return Fault(
        match=match,
        action=action,
        skip=chance.randint(0, 3),
        delay_s=chance.uniform(0.01, _LONGEST_WAIT_S),
        status=status,
        headers={"Retry-After": "0.2"} if status == 429 else {},
    )


async def make_trouble(shops: Sequence[SandboxAdmin], chance: Random, ended: asyncio.Event) -> None:
    """Give every shop new faults all the time, and now and then an outage, until ``ended``."""
    while not ended.is_set():
        for shop in shops:
            await shop.plan(*(draw(chance) for _ in range(chance.randint(0, 4))))
            await shop.outage(down=chance.random() < _OUTAGES)
        await asyncio.sleep(_REARM_S)


async def end_trouble(shops: Sequence[SandboxAdmin]) -> None:
    """Let the shops do everything right from now on."""
    for shop in shops:
        await shop.plan()
        await shop.outage(down=False)
