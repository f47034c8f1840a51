"""One journey, from a need to what a person does in the CRM later, over every adapter: only hub.toml differs."""

from pathlib import Path

import pytest
from journeys import CONNECTIONS, journey
from served_hub import MANDATE

from actors.model.outcomes import RecordStatus


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_a_need_becomes_a_confirmed_order_and_people_have_the_last_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journey(name, tmp_path, monkeypatch) as way:
        assert (await way.owner.post("/api/v1/mandates", MANDATE))[0] < 300
        for printer, done in (("printer-1", RecordStatus.FULFILLED), ("printer-2", RecordStatus.CANCELLED)):
            order = await way.order_of(printer, "confirmed")
            record = await way.record_of(order)
            assert (record.owner, record.status) == ("firm", RecordStatus.CONFIRMED)
            assert order["record"]["record_id"] == record.record_id
            assert order["total"]["minor"] == record.total_minor
            await way.crm.advance(record.record_id, done)
            assert (await way.order_in(printer, done))["record"]["status"] == done
