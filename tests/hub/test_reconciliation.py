"""Orders and records are compared both ways; what differs is a person's case until it is cleared up."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from click.testing import CliRunner
from fake_crm import FakeCrm
from firm import eur
from msgspec.structs import replace
from served_hub import MANDATE, Client, served_hub

from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import Changes, CrmRecord, Permanent, RecordStatus, Transient
from hub.cli.root import cli
from hub.clock import SystemClock
from hub.releasing import left_to_do
from hub.storage.copies import back_up, restore
from hub.storage.sqlite import FILE_NAME

STRANGER = CrmRecord(
    record_id="OR-9", kind=RecordKind.ORDER, key=OrderKey("I2CLATE"), fingerprint="f", status=RecordStatus.CONFIRMED
)


class ListingCrm(FakeCrm):
    """A CRM that tells all its records when it is asked from the beginning, and doubles beside them."""

    def __init__(self) -> None:
        super().__init__(changes=True)
        self.beside: list[CrmRecord] = []

    async def changes_since(self, cursor: str) -> Any:
        planned = self._next("changes_since", cursor)
        records = () if cursor else (*self.records.values(), *self.beside)
        return planned or Changes(records=records, cursor="1")


async def ordered(operator: Client, state: str = "confirmed") -> OrderKey:
    await operator.post("/api/v1/mandates", MANDATE)
    await (await operator.registered()).report({"ink": 5.0})
    key: OrderKey = (await operator.order_in(state))["key"]
    return key


async def compared(operator: Client, *, full: bool = True) -> list[tuple[str, str]]:
    """Have everything compared, and return what differs as code and record."""
    status, told = await operator.post("/api/v1/connections/shop/reconcile", {"full": full})
    assert (status, told["result"]) == (202, "started")
    async with asyncio.timeout(30):
        while (last := await operator.get("/api/v1/connections/shop/reconciliation"))[1]["finished_at"] is None:  # noqa: ASYNC110 - asks as people do
            await asyncio.sleep(0.01)
    assert last[1]["failure"] == ""
    _, found = await operator.get("/api/v1/findings")
    return [(finding["code"], finding["record_id"]) for finding in found]


async def test_where_all_is_well_nothing_is_found(tmp_path: Path) -> None:
    async with served_hub(tmp_path, ListingCrm()) as operator:
        await ordered(operator)
        assert await compared(operator) == []
        last = (await operator.get("/api/v1/connections/shop/reconciliation"))[1]
        assert (last["orders"], last["records"], last["findings"], last["by"]) == (1, 1, 0, "operator")


async def test_a_record_that_no_order_knows_is_told_until_a_person_cancels_it(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        crm.records[RecordKind.ORDER, STRANGER.key] = STRANGER
        assert await compared(operator) == [("record_unknown", "OR-9")]
        assert await compared(operator, full=False) == [("record_unknown", "OR-9")]
        crm.set_status(STRANGER.key, RecordStatus.CANCELLED)
        assert await compared(operator, full=False) == []


async def test_a_request_written_after_its_order_was_given_up_is_found(tmp_path: Path) -> None:
    crm = ListingCrm()
    crm.plan("place_order", *[Transient(reason="down")] * 3)
    crm.plan("find_by_key", *[Transient(reason="down")] * 1000)
    async with served_hub(tmp_path, crm) as operator:
        key = await ordered(operator, "approved")
        await operator.post(f"/api/v1/orders/{key}/cancel", {"reason": "not wanted"})
        crm.records[RecordKind.ORDER, key] = replace(STRANGER, key=key, fingerprint=None)
        crm._plans.clear()  # noqa: SLF001 - the kit's own
        assert await compared(operator) == [("record_not_taken", "OR-9")]


async def test_an_order_whose_record_is_gone_is_found_and_closed_when_it_is_back(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        key = await ordered(operator)
        kept = crm.records.pop((RecordKind.ORDER, key))
        assert await compared(operator) == [("record_gone", kept.record_id)]
        crm.records[RecordKind.ORDER, key] = kept
        assert await compared(operator, full=False) == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"record_id": "OR-2"}, "record_double"), ({"record_id": "OR-2", "fingerprint": "x"}, "fingerprint_differs")],
)
async def test_a_second_record_under_an_orders_key_is_found(tmp_path: Path, changed: Any, code: str) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        key = await ordered(operator)
        crm.beside = [replace(crm.records[RecordKind.ORDER, key], **changed)]
        assert await compared(operator) == [(code, "OR-2")]
        assert await compared(operator, full=False) == [(code, "OR-2")]
        crm.beside = []
        assert await compared(operator) == []


async def test_a_higher_total_is_found_and_goes_to_the_owner_as_well(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        key = await ordered(operator)
        record = crm.records[RecordKind.ORDER, key]
        crm.records[RecordKind.ORDER, key] = replace(record, total=eur(9900))
        assert await compared(operator) == [("total_differs", record.record_id)]


async def test_an_owner_sees_what_concerns_their_orders_and_starts_nothing(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        key = await ordered(operator)
        crm.beside = [STRANGER, replace(crm.records[RecordKind.ORDER, key], record_id="OR-2")]
        assert len(await compared(operator)) == 2
        owner = await operator.owner("firm")
        assert [each["code"] for each in (await owner.get("/api/v1/findings"))[1]] == ["record_double"]
        assert (await owner.post("/api/v1/connections/shop/reconcile"))[0] == 403
        assert (await operator.post("/api/v1/connections/none/reconcile"))[0] == 404


async def test_a_crm_that_does_not_tell_its_records_is_said_so_and_nothing_found_before_is_forgotten(
    tmp_path: Path,
) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        crm.beside = [STRANGER]
        assert await compared(operator) == [("record_unknown", "OR-9")]
        crm.plan("changes_since", *[Permanent(code="forbidden", message="no right to read")] * 4)
        await operator.post("/api/v1/connections/shop/reconcile", {"full": True})
        async with asyncio.timeout(30):
            while not (last := (await operator.get("/api/v1/connections/shop/reconciliation"))[1])["failure"]:  # noqa: ASYNC110 - asks as people do
                await asyncio.sleep(0.01)
        assert last["failure"] == "no right to read"
        assert len((await operator.get("/api/v1/findings"))[1]) == 1


async def test_the_command_tells_what_differs_by_its_exit_code(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        await ordered(operator)
        asked = ["crm", "reconcile", "shop", "--url", operator.url]
        asked += ["--token-file", str(tmp_path / "data" / "owner.token")]
        told = await asyncio.to_thread(CliRunner().invoke, cli, asked)
        assert (told.exit_code, "Nothing differs." in told.output) == (0, True), told.output
        crm.beside = [STRANGER]
        told = await asyncio.to_thread(CliRunner().invoke, cli, [*asked, "--all"])
        assert (told.exit_code, "record_unknown" in told.output) == (1, True), told.output


async def test_after_a_restore_it_is_told_what_is_left_before_ordering_goes_on(tmp_path: Path) -> None:
    crm, journal = ListingCrm(), tmp_path / "data" / "journal.db"
    async with served_hub(tmp_path, crm) as operator:
        await ordered(operator)
        back_up(journal, tmp_path / "copy.db", _ignore)
    restore(tmp_path / "copy.db", tmp_path / "data", SystemClock().now(), _ignore, force=True)
    assert [told.partition(":")[0] for told in left_to_do(journal)] == ["shop"]
    async with served_hub(tmp_path, crm) as operator:
        crm.beside = [STRANGER]
        assert await compared(operator) == [("record_unknown", "OR-9")]
    assert ["no order of this hub" in told for told in left_to_do(journal)] == [True]
    async with served_hub(tmp_path, crm) as operator:
        crm.beside = []
        assert await compared(operator) == []
    assert left_to_do(journal) == ()


def _ignore(*_pages: int) -> None:
    """Nobody watches."""


def unexpected(path: Path) -> None:
    """Make a journal as a hub left it that knew no time until which a confirmed order is awaited."""
    file = apsw.Connection(str(path))
    tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE name GLOB 'turn_[0-9]*'")]
    for table in (name for name in tables if not name.endswith("once")):
        query = f"SELECT position, events FROM {table} WHERE address GLOB 'order/*'"  # noqa: S608 - fixed names
        for position, packed in list(file.execute(query)):
            kept = [event for event in msgspec.msgpack.decode(packed) if event["type"] != "DeliveryExpected"]
            row = (msgspec.msgpack.encode(kept), position)
            file.execute(f"UPDATE {table} SET events = ? WHERE position = ?", row)  # noqa: S608 - fixed names
    file.execute("DELETE FROM snapshot WHERE address GLOB 'order/*'")
    file.execute("DELETE FROM reminder WHERE name = 'overdue'")
    shown = "CAST(json_remove(CAST(body AS TEXT), '$.expected_until') AS BLOB)"
    file.execute(f"UPDATE record SET body = {shown} WHERE kind = 'order'")  # noqa: S608 - fixed names
    file.close()


async def test_an_order_that_an_older_hub_confirmed_is_awaited_no_longer_than_others(tmp_path: Path) -> None:
    crm = ListingCrm()
    async with served_hub(tmp_path, crm) as operator:
        path = f"/api/v1/orders/{await ordered(operator)}"
        assert (await operator.get(path))[1]["expected_until"]
    unexpected(tmp_path / "data" / FILE_NAME)
    async with served_hub(tmp_path, crm) as operator:
        assert (await operator.get(path))[1]["expected_until"] is None
        assert await compared(operator) == []
        await operator.quiet()
        assert (await operator.get(path))[1]["expected_until"]
