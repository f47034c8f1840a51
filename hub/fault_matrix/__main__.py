"""``python -m hub.fault_matrix``: whatever a CRM does wrong, one need ends as one order, with a reason."""

import asyncio
import os
import re
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

import click
import msgspec

from hub.fault_matrix.cell import Cell
from hub.fault_matrix.running import PARALLEL, Played, all_cells, figures_of, play_all
from hub.fault_matrix.sharing import play_shared
from hub.fault_matrix.table import line_of, table_of
from hub.logs import set_up_logs
from hub.torture.progress import Progress

_PROCESSES = min(2, os.cpu_count() or 1)


@click.command()
@click.option("--only", multiple=True, metavar="REGEX", help="Play cells whose TROUBLE/CRM/REQUEST/PHASE matches.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Play so many of them, drawn by the seed.")
@click.option("--seed", type=int, help="Seed of chance and of the sample; else a fresh one, which is printed.")
@click.option("--parallel", type=click.IntRange(1), default=PARALLEL, show_default=True, help="Cells at a time, each.")
@click.option("--processes", type=click.IntRange(1), default=_PROCESSES, show_default=True, help="Processes to share.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON a cell instead of the tables.")
@click.option("--list", "lists", is_flag=True, help="Print the names of the cells and play none.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep journals of broken cells here.")
def main(  # noqa: PLR0913 -- click hands over one argument an option
    *,
    only: tuple[str, ...],
    sample: int | None,
    seed: int | None,
    parallel: int,
    processes: int,
    as_json: bool,
    lists: bool,
    folder: Path | None,
) -> None:
    """Let every CRM do everything wrong at every moment of an order, and judge what comes of it by the CRM's records.

    A cell is a trouble, a CRM, the request that it hits, and whether that is the first try, a second one, or the
    look-up after a lost answer. In each a hub (engine, journal, desk, adapter) meets one need at the CRM's sandbox. It
    must end in a named state with a reason code, with no record lost and none doubled. The last line holds the figures
    as JSON. Exit code 1: something is wrong; standard error says what.
    """
    chosen = secrets.randbits(32) if seed is None else seed
    cells = _chosen(only, sample, chosen)
    if lists:
        click.echo("\n".join(cell.name for cell in cells))
        return
    set_up_logs(level="error")
    click.echo(f"seed {chosen}, {len(cells):,} cells", err=True)
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="fault-matrix-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        told = _teller(len(cells))
        shared = min(processes, len(cells))
        if shared > 1:
            played = play_shared(cells, place, chosen, told, processes=shared, parallel=parallel)
        else:
            played = asyncio.run(play_all(cells, place, chosen, told, parallel=parallel))
    figures = figures_of(played, monotonic() - began, chosen)
    for line in (msgspec.json.encode(line_of(each)).decode() for each in played) if as_json else table_of(played):
        click.echo(line)
    click.echo(msgspec.json.encode(figures).decode())
    sys.exit(0 if figures.ok else 1)


def _chosen(only: tuple[str, ...], sample: int | None, seed: int) -> list[Cell]:
    try:
        wanted = [re.compile(text) for text in only]
    except re.error as error:
        raise click.BadParameter(f"expected a regular expression: {error}", param_hint="--only") from error
    cells = [cell for cell in all_cells() if not wanted or any(each.search(cell.name) for each in wanted)]
    if not cells:
        raise click.BadParameter("no cell has such a name; --list prints them", param_hint="--only")
    if sample is None or sample >= len(cells):
        return cells
    return [cells[number] for number in sorted(Random(seed).sample(range(len(cells)), sample))]


def _teller(of: int) -> Callable[[Played], None]:
    progress, done = Progress(shows=True), Counter[str]()

    def told(played: Played) -> None:
        done.update(cells=1, wrong=1 if played.wrong else 0)
        for wrong in played.wrong:
            click.echo(f"wrong: {played.cell.name}: {wrong}", err=True)
        progress.step("cells", done["cells"], of, {"wrong": done["wrong"]})

    return told


if __name__ == "__main__":
    main()
