"""``iot2crm bench``: this machine's figures, and those of the communities on public data sets."""

import importlib
from pathlib import Path
from typing import Any

import click
import msgspec

from actors.model.errors import HubError, Remedy

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class NothingToMeasure(HubError):
    """No data set was named."""

    remedy = Remedy.FIX_CONFIG


_output = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench.json"),
    show_default=True,
    help="Where the figures are written, as flat JSON.",
)
_rounds = click.option(
    "--rounds", default=5, show_default=True, help="Interleaved rounds; medians of the ratios count."
)
_scale = click.option("--scale", default=1.0, show_default=True, help="Less than 1 for a quick look.")


@click.group(invoke_without_command=True)
@_output
@_rounds
@_scale
@click.pass_context
def bench(ctx: click.Context, /, *, output: Path, rounds: int, scale: float) -> None:
    """Measure this machine, or how well communities advise. Without a sub-command: `run`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(run, output=output, rounds=rounds, scale=scale)


@bench.command()
@_output
@_rounds
@_scale
def run(*, output: Path, rounds: int, scale: float) -> None:
    """Measure this machine: durable appends and whole turns, as ratios against their limits in the same run.

    Then what 100,000 things cost: turns on a grown journal, the time to start, and memory. Takes about ten minutes.

    The communities' figures on public data sets have a command of their own: iot2crm bench communities.
    """
    main: Any = importlib.import_module("hub.bench.main")  # heavy: not for --help
    figures: dict[str, float] = main.run(click.echo, rounds=rounds, scale=scale)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    for key, value in figures.items():
        click.echo(f"{key:40} {value:12.3f}")


@bench.command()
@_rounds
@_scale
def actors(*, rounds: int, scale: float) -> None:
    """Measure the actor core alone, against bare Python, tasks with queues, and Pykka where it is installed."""
    figures: dict[str, float] = _module("actors").run(_say, rounds=rounds, scale=scale)
    for key, value in figures.items():
        click.echo(f"{key:40} {value:12.3f}")


@bench.command()
@click.option("--azure", type=_FOLDER, help="Folder with Microsoft's predictive maintenance files.")
@click.option("--carparts", type=_FILE, help="Monthly sales of car parts: month, part1 ..., plain or gzip.")
@click.option("--cmapss", type=_FOLDER, help="Folder with NASA's C-MAPSS files, plain or gzip.")
@click.option("--subset", default="FD001", show_default=True, help="Which subset in that folder.")
@click.option("--cold", is_flag=True, help="With --cmapss: also 20 and 50 peers instead of all.")
@click.option(
    "--liars", is_flag=True, help="With --cmapss: also 20 and 30 percent of lying peers, three ways of lying."
)
@click.option(
    "--seeds",
    multiple=True,
    type=click.IntRange(0),
    help="With --cmapss: a seed, once or more; the worst is printed. Three seeds when left out.",
)
def communities(  # noqa: PLR0913 - one for each option
    *,
    cmapss: Path | None,
    azure: Path | None,
    carparts: Path | None,
    subset: str,
    cold: bool,
    liars: bool,
    seeds: tuple[int, ...],
) -> None:
    """Measure how well peers advise, on public data sets; prints JSON, progress goes to standard error.

    All of these data sets but the car parts are simulated: real failures are harder to foresee.

    On a free machine a C-MAPSS subset takes one to three minutes, --cold one more, --liars five more a seed, --azure
    two, and --carparts seconds; on a busy one several times that.
    """
    figures: dict[str, Any] = {}
    if cmapss is not None:
        figures |= _cmapss(cmapss, subset, cold=cold, liars=liars, seeds=seeds)
    if azure is not None:
        figures |= _module("communities_azure").measure(azure, _say)
    if carparts is not None:
        figures |= _module("communities_carparts").measure(carparts)
    if not figures:
        raise NothingToMeasure("bench communities: --cmapss DIR, --azure DIR or --carparts FILE expected, got none")
    click.echo(msgspec.json.format(msgspec.json.encode(figures)))


@bench.command("azure-replay")
@click.option("--data", required=True, type=_FOLDER, help="Folder with Microsoft's predictive maintenance files.")
@click.option("--machines", default=20, show_default=True, type=click.IntRange(1, 100), help="How many are replayed.")
@click.option("--days", default=153, show_default=True, type=click.IntRange(1, 153), help="Days from 1 August 2015 on.")
@click.option("--day-s", default=0.5, show_default=True, help="Seconds that a day of the machines takes.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to this file.")
def azure_replay(*, data: Path, machines: int, days: int, day_s: float, report: Path | None) -> None:
    """Replay Microsoft's machines (simulated data) over HTTP to a hub of its own, and judge what it orders.

    The hub learns from all machines' events until August, and then orders parts by itself; the orders in the shop's
    sandbox are compared with the failures that came: caught, in time (12 h), false, missed. Prints JSON, then a line of
    text to standard error; takes two to five minutes, and twice that on a busy machine. Real failures are harder to
    foresee than these.
    """
    main: Any = importlib.import_module("hub.demo.machine_replay")  # heavy: not for --help
    options = main.ReplayOptions(machines=machines, until_h=main.REPLAYED_FROM_H + 24.0 * days, day_s=day_s)
    judged: Any = main.replay_machines(data, options, _say)
    told = msgspec.json.format(msgspec.json.encode(judged))
    if report is not None:
        report.write_bytes(told + b"\n")
    click.echo(told)
    _say(main.in_words(judged))


def _module(name: str) -> Any:
    return importlib.import_module(f"hub.bench.{name}")  # heavy: not for --help


def _cmapss(folder: Path, subset: str, *, cold: bool, liars: bool, seeds: tuple[int, ...]) -> dict[str, Any]:
    chosen = {"seeds": seeds} if seeds else {}
    figures: dict[str, Any] = _module("communities").measure(folder, subset, _say, **chosen)
    if cold:
        figures |= _module("communities_robustness").measure_cold(folder, subset, _say, **chosen)
    if liars:
        figures |= _module("communities_robustness").measure_liars(folder, subset, _say, **chosen)
    return figures


def _say(text: str) -> None:
    click.echo(text, err=True)
