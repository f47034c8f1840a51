"""``python -m hub.torture``: kill the hub, start it again, and judge what is left."""

import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import click
import msgspec

from hub.logs import set_up_logs
from hub.torture.proof import Figures, torture
from hub.torture.storm import TortureSettings

_MOST_SHOWN = 20


@click.command()
@click.option("--kills", type=click.IntRange(1), default=20, show_default=True, help="How often the hub is killed.")
@click.option("--seed", type=int, help="Seed of lives, loads and faults; else a fresh one, which is printed.")
@click.option("--things", type=click.IntRange(1), default=20, show_default=True, help="How many printers report.")
@click.option(
    "--history",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Messages journalled before the first kill, by one thing each hundred; a million takes minutes.",
)
@click.option("--start-limit", type=float, metavar="S", help="Fail where the 99th percentile of starts takes longer.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Work here, and keep everything.")
def main(
    *, kills: int, seed: int | None, things: int, history: int, start_limit: float | None, folder: Path | None
) -> None:
    """Kill the hub at random moments under load with faulting CRMs, and prove that nothing is lost or doubled.

    Progress goes to standard error. Ctrl-C ends the kills and judges what was done by then. The last line is a JSON
    object with the figures. Exit code 1: a promise was broken; standard error says which.
    """
    settings = TortureSettings(
        kills=kills,
        seed=secrets.randbits(32) if seed is None else seed,
        things=things,
        history=history,
        start_limit_s=start_limit,
    )
    set_up_logs(level="warning")
    click.echo(f"seed {settings.seed}, {kills} kills, {things} things", err=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(_interruptible(place, settings))
    for wrong in figures.wrong[:_MOST_SHOWN]:
        click.echo(f"wrong: {wrong}", err=True)
    shown = msgspec.structs.replace(figures, wrong=figures.wrong[:_MOST_SHOWN])
    click.echo(msgspec.json.encode(shown).decode())
    sys.exit(0 if figures.ok else 1)


async def _interruptible(place: Path, settings: TortureSettings) -> Figures:
    """Let the first SIGINT or SIGTERM end the kills, and a second one everything."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt() -> None:
        click.echo("stopping: no more kills, judging what was done; again to give up", err=True)
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    return await torture(place, settings, stop)


if __name__ == "__main__":
    main()
