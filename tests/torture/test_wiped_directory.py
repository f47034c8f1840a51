"""A hub whose data directory is gone, and shops that still know what its former self ordered."""

from pathlib import Path
from typing import Any

from real_hub import RealHub, real_hub

from actors.model.ids import InstallationId, OwnerId, ThingId, order_key
from crm_adapters.sandboxing import SandboxRecord
from hub.torture.evidence import JournalFile
from hub.torture.judge import judge_money, judge_orders
from hub.torture.premises import OWNER, SUBJECT


async def _order_once_each(hub: RealHub) -> set[tuple[str, str]]:
    await hub.begin()
    for thing in hub.tokens:
        await hub.report(thing, 1, 9.0)
    orders = await hub.orders_in("confirmed", len(hub.tokens))
    return {(order["connection"], order["record"]["record_id"]) for order in orders}


async def test_a_wiped_hub_orders_anew_and_counts_no_strangers_record(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        former = await _order_once_each(hub)
        await hub.place.hub.stop()
        hub.wipe()
        anew = await _order_once_each(hub)
        await hub.place.hub.stop()
        figures, _ = judge_orders(hub.place.evidence(), records := await hub.place.records())
        assert not former & anew
        assert (figures.needs, figures.records, figures.lost, figures.unlike) == (2, 4, 0, 0)
        assert figures.foreign == len(former)
        assert len({record.fingerprint for known in records.values() for record in known}) == 4


async def _plant(hub: RealHub, key: str) -> None:
    order: dict[str, Any] = {
        "customer": OWNER,
        "machine": {"id": "printer-0"},
        "lines": [{"sku": "INK-XL-BK", "quantity": 1}],
        "currency": "EUR",
        "fingerprint": "of somebody else",
    }
    headers = {"X-Api-Key": "not-a-key-shop", "If-None-Match": "*"}
    url = f"{hub.place.shop_urls['shop']}/api/v1/orders/{key}"
    async with hub.session.put(url, json=order, headers=headers) as reply:
        assert reply.status == 201, await reply.text()


def _key_of_first_need(hub: RealHub) -> str:
    journal = JournalFile(hub.place.journal)
    installation = InstallationId(journal.setting("installation"))
    journal.close()
    return order_key(installation, OwnerId(OWNER), ThingId("printer-0"), SUBJECT, 1, 0)


async def test_a_record_under_our_key_with_another_fingerprint_goes_to_a_person(tmp_path: Path) -> None:
    async with real_hub(tmp_path) as hub:
        await hub.begin(things=1)
        key = _key_of_first_need(hub)
        await _plant(hub, key)
        await hub.report("printer-0", 1, 9.0)
        (order,) = await hub.orders_in("dead_letter", 1)
        assert (order["key"], order["code"], order["record"]) == (key, "foreign_record", None)
        assert [waiting["key"] for waiting in await hub.get("/api/v1/approvals")] == [key]
        await hub.place.hub.stop()
        known: list[SandboxRecord] = (await hub.place.records())["shop"]
        assert [record.fingerprint for record in known] == ["of somebody else"]
        assert judge_money(hub.place.evidence())[0].error_minor == 0
