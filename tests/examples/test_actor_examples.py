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


def test_the_costs_are_measured_for_each_way_to_an_actor(capsys: pytest.CaptureFixture[str]) -> None:
    load("costs.py")["main"](2000, 1000, 1)
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["tell_round_robin", "ask_inline", "ask_concurrently", "tell_async_handlers", "idle"]
