import importlib.util

from click.testing import CliRunner

from hub.bench import actors
from hub.cli.bench import bench

KEYS = {
    "actors.tell_rr_vs_bare",
    "actors.tell_rr_vs_task_queue",
    "actors.tell_async_vs_bare",
    "actors.ask_inline_vs_bare",
    "actors.ask_async_vs_task_queue",
    "actors.spawn_vs_task_queue",
}
PYKKA = {"actors.tell_rr_vs_pykka"} if importlib.util.find_spec("pykka") else set()


def test_every_way_to_an_actor_is_measured_against_its_peer() -> None:
    figures = actors.measure_round(0.05)
    assert figures.keys() == KEYS | PYKKA
    assert figures["actors.tell_rr_vs_bare"] < 1, "nothing beats the bare calls"
    assert figures["actors.spawn_vs_task_queue"] > 2, "an actor without a task cannot cost as much as one with"


def test_the_command_prints_a_line_a_figure() -> None:
    ran = CliRunner().invoke(bench, ["actors", "--rounds", "1", "--scale", "0.05"])
    assert ran.exit_code == 0, ran.output
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert {line[0] for line in lines} == KEYS | PYKKA | {"actors.idle_bytes"}
    assert all(float(line[1]) > 0 for line in lines)
