"""The demonstration: everything on this machine, eight stories, a summary, and a report."""

import asyncio
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

from hub.clock import SystemClock
from hub.demo.engines import built_in, contribute
from hub.demo.programme import play_all, summary_of
from hub.demo.report import report_of, write_report
from hub.demo.stage import Cast, Stage, open_stage
from hub.demo.stories.catalogue import NAMES, stories
from hub.demo.telling import Show, Story, Told
from hub.demo.view import LinesView, LiveView, live, print_summary

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


def run_demo(options: DemoOptions) -> int:
    """Tell the stories and return the exit code: 0 when every one is shown."""
    names = chosen(options.stories)
    console = Console()
    try:
        told = asyncio.run(_run(options, names, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; everything that was started has ended")
        return _INTERRUPTED
    return 0 if all(each.ok for each in told.values()) else _FAILED


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the stories to tell; all when none is named.

    Raises:
        click.BadParameter: there is no such story.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise click.BadParameter(f"expected one of {', '.join(NAMES)}, got {unknown[0]!r}", param_hint="--story")
    return tuple(names) or NAMES


async def _run(options: DemoOptions, names: Sequence[str], console: Console) -> Mapping[str, Told]:
    _end_on_sigterm()
    clock = SystemClock()
    began = clock.monotonic()
    engines = built_in()
    told_stories = stories(engines, names)
    with tempfile.TemporaryDirectory(prefix="iot2crm-demo-") as folder:
        cast = Cast(folder=Path(folder), kinds=(engines.kind,), swap=options.swap, clock=clock, chance=Random())
        async with open_stage(cast) as (stage, plant):
            async with _shown(options, told_stories, console) as show:
                told = await play_all(stage, plant, told_stories, show, prepare=lambda: contribute(stage, engines))
            more: dict[str, Any] = {"seconds": round(clock.monotonic() - began, 1), "vendors": stage.vendors}
            if options.report is not None:
                write_report(options.report, report_of(told, **more))
            print_summary(console, told)
            console.print(f"{summary_of(told)} in {more['seconds']:.0f} s")
            if options.keep:
                await _keep(stage, console)
    return told


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
    console.print(f"\nEverything goes on running. The hub: {stage.hub.url}")
    console.print(f"  its owner's token: {stage.token_file}")
    console.print(f"  its configuration: {stage.cast.folder / 'hub.toml'}")
    for name, sandbox in stage.sandboxes.items():
        console.print(f"  {name} ({sandbox.vendor}): {sandbox.url}/_sandbox/records")
    console.print(f"  CoAP: coap://127.0.0.1:{stage.addresses.coap_port}   OPC UA: {stage.addresses.plant_url}")
    console.print(
        f'  for example: curl -H "Authorization: Bearer $(cat {stage.token_file})" {stage.hub.url}/api/v1/orders'
    )
    console.print("Ctrl-C stops all of it.", style="bold")
    await asyncio.Event().wait()
