"""``python -m hub.torture``: kill the hub, start it again, and judge what is left."""

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

import click
import msgspec

from hub.torture.storm import TortureSettings, torture

_MOST_SHOWN = 20


@click.command()
@click.option("--kills", type=click.IntRange(1), default=20, show_default=True, help="How often the hub is killed.")
@click.option("--seed", type=int, help="Seed of lives, loads and faults; else a fresh one, which is printed.")
@click.option("--things", type=click.IntRange(1), default=20, show_default=True, help="How many printers report.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Work here, and keep everything.")
def main(kills: int, seed: int | None, things: int, folder: Path | None) -> None:
    """Kill the hub at random moments under load with faulting CRMs, and prove that nothing is lost or doubled.

    The last line is a JSON object with the figures. Exit code 1: a promise was broken; standard error says which.
    """
    settings = TortureSettings(kills=kills, seed=secrets.randbits(32) if seed is None else seed, things=things)
    click.echo(f"seed {settings.seed}, {kills} kills, {things} things", err=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(torture(place, settings))
    for wrong in figures.wrong[:_MOST_SHOWN]:
        click.echo(f"wrong: {wrong}", err=True)
    shown = msgspec.structs.replace(figures, wrong=figures.wrong[:_MOST_SHOWN])
    click.echo(msgspec.json.encode(shown).decode())
    sys.exit(0 if figures.ok else 1)


if __name__ == "__main__":
    main()
