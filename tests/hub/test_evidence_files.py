"""Files of evidence as the command line writes and brings them: in pieces, each checked, and a cut-off one refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from exports import hub_that_trusts
from pieces import bring, piece, told_by
from served_hub import Client

from actors.model.secrets import Secret
from hub.cli import evidence
from hub.cli.api import HubAddress


def at(hub: Client) -> HubAddress:
    return HubAddress(url=hub.url, token=Secret(hub.token))


async def brought(hub: Client, file: Path) -> Any:
    return await asyncio.to_thread(evidence.bring, at(hub), "office", file)


@asynccontextmanager
async def a_file_and_a_hub(folder: Path) -> AsyncIterator[tuple[Path, Client]]:
    """Export what seventy owners told a hub, in three pieces, and serve another that trusts it."""
    async with hub_that_trusts(folder / "there") as there:
        await bring(there, [piece(f"t{n}", 1000.0) for n in range(70)])
        await told_by(there, 70)
        told = await asyncio.to_thread(evidence.export, at(there), "office", folder / "file")
        trusted = there.hub.federation.fingerprint
        assert told == {"file": str(folder / "file"), "hub": trusted, "cards": 70, "pieces": 3}
    async with hub_that_trusts(folder / "here", trusted) as here:
        yield folder / "file", here


async def test_a_file_is_brought_in_pieces_and_twice_is_once(tmp_path: Path) -> None:
    async with a_file_and_a_hub(tmp_path) as (file, here):
        assert len(file.read_bytes().splitlines()) == 4
        assert [(await brought(here, file))["added"] for _ in range(2)] == [70, 0]


async def test_a_file_that_was_cut_off_or_changed_names_the_line_and_the_next_step(tmp_path: Path) -> None:
    async with a_file_and_a_hub(tmp_path) as (file, here):
        whole = file.read_bytes()
        for broken, line, got in (
            (b"\n".join(whole.split(b"\n")[:3]), 4, "the file's end"),
            (whole.replace(b"1000.0", b"9000.0", 1), 2, " bytes of "),
        ):
            file.write_bytes(broken)
            with pytest.raises(evidence.NoEvidence) as refused:
                await brought(here, file)
            assert f"line {line}: expected piece {line - 1} of 3" in str(refused.value)
            assert f"got {got}" in str(refused.value) or got in str(refused.value)
            assert "Next: get the file again from the hub" in str(refused.value)
        assert not here.hub.compute.peers.evidence.books()


async def test_what_is_no_export_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no list")
    with pytest.raises(evidence.NoEvidence, match="line 1: expected a signed list"):
        await asyncio.to_thread(
            evidence.bring, HubAddress(url="http://127.0.0.1:1", token=None), "x", tmp_path / "file"
        )
