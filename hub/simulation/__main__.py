"""``python -m hub.simulation``: run universes, and say what was broken in them."""

import sys

import click
import msgspec

from hub.simulation.planted import PLANTED
from hub.simulation.running import simulate_many
from hub.simulation.universe import simulate

_MOST_SHOWN = 5


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="How many universes.")
@click.option("--first", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--shards", type=click.IntRange(1, 64), default=1, show_default=True, help="Shards of each hub.")
@click.option("--planted", is_flag=True, help="Hunt every planted fault until a seed catches it.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one for each core unless told.")
@click.option("--story", type=int, help="Run this one seed and print all that happens in it.")
@click.option("--fault", type=click.Choice(sorted(PLANTED)), help="With --story: plant this fault.")
def main(  # noqa: PLR0913 - one for each option
    seeds: int, first: int, shards: int, *, planted: bool, jobs: int | None, story: int | None, fault: str | None
) -> None:
    """Run the whole inside in virtual time under seeded faults, and prove that every promise is kept.

    The last line is a JSON object with the figures. Exit code 1: a promise was broken, a seed ran otherwise when it
    was repeated, or a planted fault was not caught; standard error says which.
    """
    if story is not None:
        _tell(story, fault, shards)
        return
    figures, failed = simulate_many(seeds, first=first, hunted=PLANTED if planted else (), jobs=jobs, shards=shards)
    for report in failed:
        for wrong in report.wrong[:_MOST_SHOWN]:
            click.echo(f"seed {report.seed}: {wrong}", err=True)
    for name, seed in figures.planted.items():
        click.echo(f"planted {name}: " + ("not caught" if seed is None else f"caught by seed {seed}"), err=True)
    click.echo(msgspec.json.encode(figures).decode())
    sys.exit(0 if figures.ok else 1)


def _tell(seed: int, fault: str | None, shards: int) -> None:
    report = simulate(seed, PLANTED[fault] if fault else None, shards=shards, keep=True)
    for line in report.lines:
        click.echo(line)
    for wrong in report.wrong:
        click.echo(f"wrong: {wrong}", err=True)
    shown = msgspec.structs.replace(report, lines=())
    click.echo(msgspec.json.encode(shown).decode())
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
