"""The demonstration: everything on this machine, eight stories, a summary, and a report."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import click
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from hub.clock import SystemClock
from hub.demo.cmapss import Subset, UnreadableData
from hub.demo.engines import Engines, built_in, contribute
from hub.demo.processes import NeverHappened
from hub.demo.programme import play_all, stopped, summary_of
from hub.demo.replay import TELLS, Figures, engines_of, replay, subsets
from hub.demo.report import report_of, write_report
from hub.demo.stage import Cast, Plant, Stage, open_stage
from hub.demo.stories.catalogue import NAMES, stories
from hub.demo.telling import Show, Story, Told
from hub.demo.view import LinesView, LiveView, live, print_figures, print_summary

_FAILED: Final = 1
_INTERRUPTED: Final = 130


class DemoOptions(Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    report: Path | None = None
    keep: bool = False
    data_dir: Path | None = None
    stories: tuple[str, ...] = ()
    swap: bool = False
    plain: bool = False


class _Play(Struct, frozen=True, kw_only=True):
    """What is played."""

    stories: Sequence[Story]
    engines: Engines
    data: Sequence[Subset]


class _Played(Struct, frozen=True, kw_only=True):
    """What came of it; ``broken`` says why a subset could not be replayed to its end."""

    told: Mapping[str, Told]
    data: Mapping[str, Figures]
    broken: Mapping[str, str]
    seconds: float


def run_demo(options: DemoOptions) -> int:
    """Tell the stories and return the exit code: 0 when every one is shown."""
    names = chosen(options.stories)
    console = Console()
    try:
        is_shown = asyncio.run(_run(options, names, console))
    except (NeverHappened, UnreadableData) as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; everything that was started has ended")
        return _INTERRUPTED
    return 0 if is_shown else _FAILED


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the stories to tell; all when none is named.

    Raises:
        click.BadParameter: there is no such story.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise click.BadParameter(f"expected one of {', '.join(NAMES)}, got {unknown[0]!r}", param_hint="--story")
    return tuple(name for name in NAMES if not names or name in names)


async def _run(options: DemoOptions, names: Sequence[str], console: Console) -> bool:
    """Return whether everything was shown."""
    _end_on_sigterm()
    clock = SystemClock()
    data = subsets(options.data_dir) if options.data_dir is not None else []
    engines = engines_of(data[0]) if data else built_in()
    kinds = tuple(engines_of(subset).kind for subset in data) or (engines.kind,)
    play = _Play(stories=stories(engines, names), engines=engines, data=data)
    with tempfile.TemporaryDirectory(prefix="iot2crm-demo-") as folder:
        cast = Cast(folder=Path(folder), kinds=kinds, swap=options.swap, clock=clock, chance=Random())
        async with open_stage(cast) as (stage, plant):
            async with _shown(options, play.stories, console) as show:
                played = await _perform(play, stage, plant, show)
            _conclude(options, played, stage, console)
            if options.keep:
                await _keep(stage, console)
    return not played.broken and all(each.ok for each in played.told.values())


async def _perform(play: _Play, stage: Stage, plant: Plant, show: Show) -> _Played:
    began = stage.clock.monotonic()
    told = await play_all(stage, plant, play.stories, show, prepare=lambda: contribute(stage, play.engines))
    new = play.data[1:] if "replacement" in told else play.data
    for subset in new:
        await contribute(stage, engines_of(subset))
    replayed: dict[str, Figures] = {}
    broken: dict[str, str] = {}
    for subset in play.data:
        try:
            replayed[subset.name] = await replay(stage, plant, subset, show)
        except Exception as error:  # noqa: BLE001 - whatever stops a replay is told, and the report is written
            broken[subset.name] = stopped(error).why
            show.say(TELLS, broken[subset.name])
    return _Played(told=told, data=replayed, broken=broken, seconds=stage.clock.monotonic() - began)


def _conclude(options: DemoOptions, played: _Played, stage: Stage, console: Console) -> None:
    """Write the report and print the summary."""
    more: dict[str, Any] = {"seconds": round(played.seconds, 1), "vendors": stage.vendors}
    if played.data or played.broken:
        more |= {"data": played.data, "broken": played.broken}
    if options.report is not None:
        write_report(options.report, report_of(played.told, **more))
    print_summary(console, played.told)
    if played.data:
        print_figures(console, played.data)
    for name, why in played.broken.items():
        console.print(f"{name}: {why}", style="bold red")
    console.print(f"{summary_of(played.told)} in {played.seconds:.0f} s")


@asynccontextmanager
async def _shown(options: DemoOptions, told: Sequence[Story], console: Console) -> AsyncGenerator[Show]:
    if options.plain or not console.is_terminal:
        yield LinesView(console)
        return
    view = LiveView(told)
    with live(view, console):
        yield view


def _end_on_sigterm() -> None:
    """End as on Ctrl-C: the processes that were started are ended, too."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _keep(stage: Stage, console: Console) -> None:
    """Leave everything running until somebody ends it."""
    folder = stage.cast.folder
    lines = [
        f"The hub: {stage.hub.url}",
        f"  the operator's token: {stage.token_file}",
        f"  configuration: {folder / 'hub.toml'}, logs: {folder}/*.log",
        *(f"  {name} ({sandbox.vendor}): {sandbox.url}/_sandbox/records" for name, sandbox in stage.sandboxes.items()),
        f"  CoAP: coap://127.0.0.1:{stage.addresses.coap_port}, OPC UA: {stage.addresses.plant_url}",
        f'For example: curl -H "Authorization: Bearer $(cat {stage.token_file})" {stage.hub.url}/api/v1/orders',
        f"Everything goes on running until you press Ctrl-C here, or: kill {os.getpid()}",
    ]
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    await asyncio.Event().wait()
