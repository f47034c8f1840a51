"""A CRM connection that is taken out of the configuration: its orders wait with a reason, and go on when it is back."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from fake_crm import FakeCrm
from journal_rows import commit, work
from served_hub import MANDATE, served_hub

from actors.model.outcomes import Transient
from actors.runtime.journal import RecordRow
from hub.gone_crm import gone_connections
from hub.storage.sqlite import SqliteJournal, open_journal


async def test_orders_of_a_missing_connection_wait_with_the_reason_and_go_on_later(tmp_path: Path) -> None:
    down = FakeCrm()
    down.plan("place_order", *[Transient(reason="down")] * 50)
    down.plan("find_by_key", *[Transient(reason="down")] * 50)
    async with served_hub(tmp_path, down) as operator:
        await operator.post("/api/v1/mandates", MANDATE)
        printer = await operator.registered()
        await printer.report({"ink": 5.0})
        await operator.order_in("approved")
    async with served_hub(tmp_path, connection="other") as operator:
        key = (await operator.order_in("approved"))["key"]
        async with asyncio.timeout(30):
            while "no [crm.shop]" not in str((await operator.get(f"/api/v1/orders/{key}"))[1]["waiting"]):  # noqa: ASYNC110 - asks as people do
                await asyncio.sleep(0.01)
    async with served_hub(tmp_path, FakeCrm()) as operator:
        await operator.order_in("confirmed")


class WalksCounted:
    """A journal that counts how often all orders are walked."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.walks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def records(self, kind: str) -> Iterable[RecordRow]:
        self.walks += kind == "order"
        return self._journal.records(kind)


def order(key: str, connection: str, state: str) -> RecordRow:
    body = msgspec.json.encode({"connection": connection, "state": state})
    return RecordRow(kind="order", key=key, owner="firm", body=body)


async def test_orders_are_walked_only_after_a_connection_was_taken_away(tmp_path: Path) -> None:
    with open_journal(tmp_path) as sqlite:
        journal: Any = WalksCounted(sqlite)
        await commit(sqlite, records=[order("1", "shop", "placed"), order("2", "maker", "fulfilled")])
        steps = [({"shop", "maker"}, set()), ({"shop", "maker"}, set()), ({"maker"}, {"shop"}), ({"shop"}, set())]
        for number, (configured, gone) in enumerate(steps):
            assert await gone_connections(journal, configured) == gone
            assert journal.walks == (1, 1, 2, 3)[number]
        assert await gone_connections(journal, {"shop"}) == set()
        assert journal.walks == 3, "nobody names the maker any more: it is forgotten"


async def test_a_journal_of_before_connections_were_kept_is_walked_once(tmp_path: Path) -> None:
    with open_journal(tmp_path) as sqlite:
        await commit(sqlite, records=[order("1", "shop", "placed")], outbox_added=[work(1)])
        assert await gone_connections(sqlite, ()) == {"shop"}
        assert await gone_connections(sqlite, {"shop"}) == set()
