"""The matrix as people read it: a table a system, rows troubles, columns requests, and what the marks mean."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from string import ascii_lowercase
from typing import Final

from msgspec import Struct

from actors.model.orders import OrderState
from hub.fault_matrix.running import Played, end_of

_WRONG: Final = "!"
_DOUBTED: Final = "?"
_NO_CELL: Final = "."
_USUAL: Final = f"{OrderState.CONFIRMED}/confirmed"
_ABOUT: Final = (
    "number: confirmed, after so many tries; ? the answer was in doubt and was looked up; letter: another end, below;",
    "! wrong: standard error says why; . no cell: this cannot happen there, or is what another row shows",
)


class Line(Struct, frozen=True, kw_only=True):
    """One cell as a script reads it."""

    cell: str
    state: str
    code: str
    sentence: str
    attempts: int
    in_doubt: bool
    hits: int
    records: int
    took_s: float
    wrong: Sequence[str]


def line_of(played: Played) -> Line:
    """Return a cell as a script reads it."""
    evidence = played.evidence
    order = evidence.order if evidence else None
    return Line(
        cell=played.cell.name,
        state=order.state if order else "",
        code=order.code if order else "",
        sentence=order.sentence if order else "",
        attempts=order.attempt if order else 0,
        in_doubt=_was_in_doubt(played),
        hits=evidence.hits if evidence else 0,
        records=len(evidence.records) if evidence else 0,
        took_s=round(evidence.took_s, 2) if evidence else 0.0,
        wrong=played.wrong,
    )


def table_of(played: Sequence[Played]) -> Iterator[str]:
    """Yield the lines of all tables, and what their marks mean."""
    letters = _letters(played)
    for system in dict.fromkeys(each.cell.plug.system.name for each in played):
        yield from _table(system, [each for each in played if each.cell.plug.system.name == system], letters)
        yield ""
    yield from _ABOUT
    ends = Counter(end_of(each) for each in played)
    for end, letter in letters.items():
        yield f"  {letter:3}{end}  ({ends[end]})"


def _table(system: str, played: Sequence[Played], letters: Mapping[str, str]) -> Iterator[str]:
    columns = tuple(dict.fromkeys((each.cell.flow.name, each.cell.phase) for each in _by_flow(played)))
    rows = tuple(dict.fromkeys(each.cell.trouble.name for each in played))
    marks = {(each.cell.trouble.name, each.cell.flow.name, each.cell.phase): _mark(each, letters) for each in played}
    widths = [max(len(flow), len(phase)) + 1 for flow, phase in columns]
    margin = max(len(system), *(len(row) for row in rows)) + 1
    yield f"{system:{margin}}" + _joined((flow for flow, _ in columns), widths)
    yield " " * margin + _joined((phase for _, phase in columns), widths)
    for row in rows:
        yield f"{row:{margin}}" + _joined((marks.get((row, *column), _NO_CELL) for column in columns), widths)


def _by_flow(played: Sequence[Played]) -> Iterator[Played]:
    """Yield the cells flow by flow, each flow's phases in their order."""
    flows = played[0].cell.plug.system.flows if played else ()
    phases = list(type(played[0].cell.phase)) if played else []
    names = [flow.name for flow in flows]
    yield from sorted(played, key=lambda each: (names.index(each.cell.flow.name), phases.index(each.cell.phase)))


def _joined(texts: Iterable[str], widths: Sequence[int]) -> str:
    return "".join(f"{text:{width}}" for text, width in zip(texts, widths, strict=True)).rstrip()


def _mark(played: Played, letters: Mapping[str, str]) -> str:
    end = end_of(played)
    order = played.evidence.order if played.evidence else None
    text = str(order.attempt) if order and end == _USUAL else letters.get(end, "")
    return text + (_DOUBTED if _was_in_doubt(played) else "") + (_WRONG if played.wrong else "")


def _was_in_doubt(played: Played) -> bool:
    order = played.evidence.order if played.evidence else None
    return order is not None and any(passage.state is OrderState.UNKNOWN for passage in order.passages)


def _letters(played: Sequence[Played]) -> dict[str, str]:
    """Name every end but the usual one by a letter, then by two."""
    ends = sorted({end_of(each) for each in played} - {_USUAL})
    return dict(zip(ends, _names(), strict=False))


def _names() -> Iterator[str]:
    yield from ascii_lowercase
    for number in count(1):
        yield from (f"{letter}{number}" for letter in ascii_lowercase)
