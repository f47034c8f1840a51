"""The benchmark of orders measures what it says: every order in the CRM, once, whoever sent it."""

from pathlib import Path

import pytest

from crm_adapters.sandboxing.client import administer
from hub.bench import orders
from hub.bench.orders import CRMS, Crm, ordering_hub, sandbox_of


@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.name)
async def test_the_hub_of_the_benchmark_places_each_order_once(crm: Crm, tmp_path: Path) -> None:
    async with sandbox_of(crm, tmp_path) as url, ordering_hub(tmp_path / "hub", crm, url) as hub:
        keys = await hub.prepare(3)
        async with administer(url) as admin:
            assert await admin.records() == []
            await hub.place(keys)
            assert sorted(record.key for record in await admin.records()) == sorted(keys)


def test_a_quick_look_gives_every_figure() -> None:
    figures = orders.measure(lambda _: None, orders=5, rounds=1)
    each = {f"crm.cpu_per_order_vs_bare_client_{crm.name}" for crm in CRMS}
    assert figures.keys() == each | {"crm.cpu_per_order_vs_bare_client", "crm.cpu_per_order_ms"}
    assert all(value > 0 for value in figures.values())
