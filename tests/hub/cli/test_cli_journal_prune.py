"""``iot2crm journal prune``: told before, done for a stopped hub, and what it left verifies."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_crm import FakeCrm
from firm import OWNER, PRINTER, PROFILE, granted, registration, told
from journal_rows import commit
from msgspec import json as msgspec_json
from small_hub import small_hub

from actors.dialogue import owner_address, thing_address
from actors.runtime.journal import RecordRow
from hub.cli.root import cli
from hub.storage.connection import held
from hub.storage.sqlite import open_journal
from hub.torture.premises import write_hub


async def lived(folder: Path) -> None:
    """Leave the journal of a printer that ordered once two days ago, and the profile by which it is folded."""
    async with small_hub(folder, FakeCrm(), behind=timedelta(days=2)) as hub:
        assert await hub.acknowledged(thing_address(PRINTER), registration())
        assert await hub.acknowledged(owner_address(OWNER), granted())
        for number, ink in enumerate((60.0, 40.0, 12.0, 11.0)):
            message = told(f"boot:{number}", ink=ink, pages=100 * number)
            assert await hub.acknowledged(thing_address(PRINTER), message, f"boot:{number}")
        # At rest: how much can be pruned depends on how far the order came.
        assert await hub.until(lambda: [order.state for order in hub.orders()] == ["confirmed"])
        assert await hub.until(lambda: not (hub.journal.counts()["tell"] or hub.journal.counts()["outbox"]))
    with open_journal(folder) as journal:
        body = msgspec_json.encode(PROFILE)
        await commit(journal, records=[RecordRow(kind="profile", key="printer@1", owner="", body=body)])


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    await lived(tmp_path / "data")
    return write_hub(tmp_path, {"shop": "http://127.0.0.1:9"})


def said(*arguments: str, config: Path) -> Any:
    done = CliRunner().invoke(cli, ["journal", *arguments, "--json", "-c", str(config)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_pruning_is_told_then_done_and_what_is_left_holds_together(config: Path) -> None:
    before = said("stats", config=config)
    would = said("prune", "--older-than", "1", "--dry-run", config=config)
    assert said("stats", config=config) == before
    assert (would["segments"], would["messages"]) == (1, 6)
    assert said("prune", "--older-than", "1", "--compact", config=config) == would
    after = said("stats", config=config)
    differs = {"turn": 0, "snapshot": 0}
    assert after["rows"] | differs == before["rows"] | differs
    assert (after["rows"]["turn"], after["pruned_messages"], after["free_bytes"]) == (would["kept"], 6, 0)
    assert said("verify", config=config)["problems"] == []


def test_a_hub_that_runs_is_not_pruned_from_outside(config: Path) -> None:
    with held(config.parent / "data"):
        refused = CliRunner().invoke(cli, ["journal", "prune", "--older-than", "1", "-c", str(config)])
    assert refused.exit_code != 0
    assert "another hub runs on this data directory" in str(refused.exception) + refused.output
