import runpy
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "actors"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


async def test_the_vending_machine_counts_recovers_and_says_what_went_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await load("vending.py")["main"]()
    lines = [line for line in capsys.readouterr().out.splitlines() if "actor_failed" not in line]
    assert lines[:4] == [
        "water left: 7",
        "crisps after the restart: 10",
        "not handled: [('/machine/crisps', 'failed')]",
        "asked for nonsense: KeyError('chewing gum')",
    ]
    assert "/machine/water is gone: stopped" in lines
