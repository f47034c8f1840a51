"""What people see: a live view on a terminal, lines elsewhere, and a summary at the end."""

from collections import deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hub.demo.clients import Row
from hub.demo.replay import Figures
from hub.demo.telling import Show, Story, Told

_SAYINGS: Final = 5
_FRAME: Final = 2
_WIDEST_STEP: Final = len("awaiting_approval")
_WIDEST_STORY: Final = len("over_budget")
_SAID: Final = _SAYINGS + _FRAME
_LEAST_ROOM: Final = 12
_COLOURS: Final[Mapping[str, str]] = {
    "reading": "cyan",
    "need": "yellow",
    "advice": "magenta",
    "offers": "blue",
    "choice": "blue",
    "mandate": "green",
    "approval": "green",
    "approved": "green",
    "confirmed": "bold green",
    "blocked": "bold red",
    "unknown": "red",
    "reconciling": "red",
    "waiting": "yellow",
}


class _Phase(StrEnum):
    WAITING = "waits"
    PLAYING = "plays"
    SHOWN = "ok"
    FAILED = "not ok"


_MARKS: Final[Mapping[_Phase, tuple[str, str]]] = {
    _Phase.WAITING: ("·", "dim"),
    _Phase.PLAYING: ("▶", "bold cyan"),
    _Phase.SHOWN: ("✔", "bold green"),
    _Phase.FAILED: ("✘", "bold red"),
}


class LinesView(Show):
    """One line for everything that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, story: str) -> None:
        """A story begins."""
        self._line(story, "begins")

    def say(self, story: str, sentence: str) -> None:
        """Tell one thing."""
        self._line(story, sentence)

    def step(self, story: str, note: Row) -> None:
        """Tell one more link of the chain."""
        self._line(story, f"{note['step']}: {note['sentence']}")

    def end(self, story: str, told: Told) -> None:
        """A story is over."""
        self._line(story, f"{'OK' if told.ok else 'NOT OK'}: {told.why}")

    def _line(self, story: str, text: str) -> None:
        self._console.print(Text(f"[{story}] {text}"), soft_wrap=True)


class LiveView(Show):
    """The stories at the left, and at the right the chain that grew last."""

    def __init__(self, stories: Sequence[Story]) -> None:
        self._titles = {story.name: story.title for story in stories}
        self._phases = dict.fromkeys(self._titles, _Phase.WAITING)
        self._chains: dict[str, list[Row]] = {}
        self._sayings: deque[tuple[str, str]] = deque(maxlen=_SAYINGS)
        self._shown = ""

    def begin(self, story: str) -> None:
        """A story begins."""
        self._phases[story] = _Phase.PLAYING
        self._sayings.append((story, "begins"))

    def say(self, story: str, sentence: str) -> None:
        """Tell one thing."""
        self._sayings.append((story, sentence))

    def step(self, story: str, note: Row) -> None:
        """Tell one more link of the chain."""
        self._chains.setdefault(story, []).append(note)
        self._shown = story

    def end(self, story: str, told: Told) -> None:
        """A story is over."""
        self._phases[story] = _Phase.SHOWN if told.ok else _Phase.FAILED
        self._sayings.append((story, told.why))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fill the terminal: stories at the left, the chains that grow at the right, sentences below."""
        room = max(_LEAST_ROOM, console.size.height - _SAID - 1)
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=2)
        grid.add_column(ratio=6)
        grid.add_row(self._stories(room), self._chains_within(room))
        yield grid
        yield self._told()

    def _stories(self, room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for name, phase in self._phases.items():
            mark, style = _MARKS[phase]
            links = len(self._chains.get(name, ()))
            table.add_row(Text(mark, style), Text(name, style), Text(f"{links} links" if links else "", "dim"))
        return Panel(table, title="stories", border_style="cyan", height=room)

    def _chains_within(self, room: int) -> RenderableType:
        """Show the chains of the stories that are played now; between stories the one that grew last."""
        playing = [name for name, phase in self._phases.items() if phase is _Phase.PLAYING and name in self._chains]
        shown = playing or [self._shown]
        each = room // len(shown)
        return Group(*(self._chain(name, each) for name in shown))

    def _chain(self, name: str, room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, min_width=_WIDEST_STEP)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for note in self._chains.get(name, [])[-(room - _FRAME) :]:
            step = str(note["step"])
            table.add_row(Text(step, _COLOURS.get(step, "white")), Text(str(note["sentence"])))
        title = f"{name}: {self._titles.get(name, '')}" if name else "the chain of a need"
        return Panel(table, title=title, title_align="left", border_style="magenta", height=room)

    def _told(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, min_width=_WIDEST_STORY)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for story, sentence in self._sayings:
            table.add_row(Text(story, "bold cyan"), Text(sentence))
        return Panel(table, border_style="dim", height=_SAID)


def live(view: LiveView, console: Console) -> Live:
    """Return the running display of a view; use it as a context."""
    return Live(view, console=console, refresh_per_second=8, transient=True)


def print_summary(console: Console, told: Mapping[str, Told]) -> None:
    """Print every story with its end and why."""
    table = Table(title="What was shown", show_lines=True)
    table.add_column("story", style="bold", no_wrap=True)
    table.add_column("ok", no_wrap=True)
    table.add_column("why")
    for name, each in told.items():
        table.add_row(name, Text("yes", "green") if each.ok else Text("no", "bold red"), Text(each.why))
    console.print(table)


def print_figures(console: Console, data: Mapping[str, Figures]) -> None:
    """Print how the engines of each subset fared."""
    table = Table(title="Engines replayed (simulated data: real failures are harder to foresee)")
    for column in ("subset", "engines", "due", "of these caught", "far from failure", "of these ordered for", "missed"):
        table.add_column(column)
    for name, found in data.items():
        table.add_row(
            name,
            str(found.engines),
            str(found.due),
            _percent(found.due_caught),
            str(found.far),
            _percent(found.early_orders),
            ", ".join(found.missed) or "none",
        )
    console.print(table)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
