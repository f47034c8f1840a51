"""Switches that the journal cannot take are kept in a file made in advance: whole after a crash, or not at all."""

from pathlib import Path

from actors.model.ids import OwnerId, ThingId
from hub.storage.reserve import FILE_NAME, SwitchedOff, open_reserve

PRINTER = SwitchedOff(owner_id=OwnerId("firm"), thing_id=ThingId("printer-1"), by="ann")
ALL = SwitchedOff(owner_id=OwnerId("firm"), thing_id=None, by="ann")


async def test_what_was_kept_is_there_for_another_process_without_a_byte_more_of_disk(tmp_path: Path) -> None:
    reserve = open_reserve(tmp_path)
    before = (tmp_path / FILE_NAME).stat().st_blocks
    assert [await reserve.keep(entry) for entry in (PRINTER, ALL)] == [True, True]
    again = open_reserve(tmp_path)  # the former one was not closed, as after a kill
    assert again.held() == (PRINTER, ALL)
    assert (tmp_path / FILE_NAME).stat().st_blocks == before > 0
    again.close()
    reserve.close()


async def test_what_was_forgotten_is_gone_and_its_room_is_free(tmp_path: Path) -> None:
    reserve = open_reserve(tmp_path)
    kept = [await reserve.keep(PRINTER) for _ in range(600)]
    assert (kept.count(True), kept[-1]) == (512, False)
    reserve.forget(PRINTER.owner_id, PRINTER.thing_id)
    assert await reserve.keep(ALL)
    reserve.close()
    assert open_reserve(tmp_path).held() == (ALL,)


async def test_an_entry_that_a_power_cut_tore_is_no_entry(tmp_path: Path) -> None:
    reserve = open_reserve(tmp_path)
    assert await reserve.keep(PRINTER)
    assert await reserve.keep(ALL)
    reserve.close()
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[20] ^= 1
    (tmp_path / FILE_NAME).write_bytes(content)
    assert open_reserve(tmp_path).held() == (ALL,)


async def test_what_is_longer_than_a_sector_is_not_kept(tmp_path: Path) -> None:
    reserve = open_reserve(tmp_path)
    assert not await reserve.keep(SwitchedOff(owner_id=OwnerId("o" * 600), thing_id=None, by="ann"))
    reserve.close()
