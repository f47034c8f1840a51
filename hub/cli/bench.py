"""``iot2crm bench``."""

import importlib
from pathlib import Path
from typing import Any

import click
import msgspec


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench.json"),
    show_default=True,
    help="Where the figures are written, as flat JSON.",
)
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds; the median of each ratio counts.")
@click.option("--scale", default=1.0, show_default=True, help="Less than 1 for a quick look.")
def bench(*, output: Path, rounds: int, scale: float) -> None:
    """Measure this machine: durable appends and whole turns, as ratios against their limits in the same run."""
    main: Any = importlib.import_module("hub.bench.main")  # heavy: not for --help
    figures: dict[str, float] = main.run(click.echo, rounds=rounds, scale=scale)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    for key, value in figures.items():
        click.echo(f"{key:40} {value:12.3f}")
