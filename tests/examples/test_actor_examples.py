import runpy
from pathlib import Path
from typing import Any

import pytest

from actors.testing import CoreTrial

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


async def test_the_tank_outlives_a_crash_and_is_refilled_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await load("refills.py")["main"](tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "on disk, litres left: 70",
        "on disk, litres left: 40",
        "the supplier is asked for the first time",
        "on disk, litres left: 10",
        "told twice, counted once: 10",
        "the supplier is asked once more",
        "after the crash and the refill: Tank(litres=100, is_ordering=False)",
    ]


def test_the_tank_obeys_the_laws_of_a_core() -> None:
    tank = load("refills.py")
    trial = CoreTrial(tank["TankCore"]())
    for message in (tank["Drained"](litres=85), tank["Drained"](litres=5), tank["HowMuch"]()):
        left = trial.turn(message)
    assert left == 10
    assert [effect.relay for effect in trial.effects] == ["supplier"]
