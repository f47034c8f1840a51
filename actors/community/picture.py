"""A picture of my curve among my peers: the health index by cycle, on the band of peers that had as much left. Pure.

No script, no style sheet, no link; a title and a description for those who do not see it; text labels with units.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
from msgspec import Struct

from actors.community.band import Band
from actors.community.lives import OUTCOME_CAP, FloatArray

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 700, 50, 350
"""The plot's edges."""
_TICKS = 6
_MOST_TEXT = 300


class Drawing(Struct, frozen=True, kw_only=True, eq=False):
    """What is drawn: ``curve`` are (cycle, index) points in order; ``estimate`` is what peers say is left."""

    title: str
    sentence: str
    curve: Sequence[tuple[float, float]]
    estimate: float
    band: Band | None
    unit: str = "cycles"


class Scale(Struct, frozen=True, kw_only=True):
    """From cycles and index to the picture's coordinates."""

    first: float
    last: float

    def x(self, cycle: float) -> float:
        """Return how far right a cycle is."""
        return LEFT + (cycle - self.first) / max(self.last - self.first, 1e-9) * (RIGHT - LEFT)

    def y(self, index: float) -> float:
        """Return how far down an index is."""
        return BOTTOM - index / OUTCOME_CAP * (BOTTOM - TOP)


def scale_of(drawing: Drawing) -> Scale:
    """Return the scale: from the first known cycle to where peers' word sees the end."""
    first, now = drawing.curve[0][0], drawing.curve[-1][0]
    return Scale(first=first, last=max(now + drawing.estimate, now + 1.0))


def draw(drawing: Drawing) -> str:
    """Return the picture as an SVG document of a few kilobytes."""
    scale = scale_of(drawing)
    now = drawing.curve[-1][0]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'role="img" aria-labelledby="t d" font-family="sans-serif" font-size="13">'
        ),
        f'<title id="t">{_text(drawing.title)}</title>',
        f'<desc id="d">{_text(drawing.sentence)} {_text(_described(drawing))}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="bold">{_text(drawing.title)}</text>',
        *_axes(drawing, scale),
    ]
    if drawing.band is not None:
        parts += _band(drawing.band, scale, now + drawing.estimate)
    mine = _points([(scale.x(cycle), scale.y(index)) for cycle, index in drawing.curve])
    parts += [
        f'<polyline id="mine" points="{mine}" fill="none" stroke="#b3261e" stroke-width="2.5"/>',
        (
            f'<line id="now" x1="{scale.x(now):.1f}" y1="{TOP}" x2="{scale.x(now):.1f}" y2="{BOTTOM}" stroke="#444" '
            'stroke-dasharray="4 4"/>'
        ),
        f'<text x="{scale.x(now):.1f}" y="{TOP - 6}" text-anchor="middle">now</text>',
        *_legend(drawing),
        "</svg>",
    ]
    return "\n".join(parts)


def _band(band: Band, scale: Scale, end: float) -> list[str]:
    """Return the band and its middle, as far as they lie inside the picture."""
    cycles = end - band.left
    inside = cycles >= scale.first
    if np.count_nonzero(inside) < 2:
        return []
    x = [scale.x(float(cycle)) for cycle in cycles[inside]]
    low, middle, high = (_heights(scale, each[inside]) for each in (band.p10, band.p50, band.p90))
    outline = _points([*zip(x, high, strict=True), *zip(reversed(x), reversed(low), strict=True)])
    return [
        f'<polygon id="band" points="{outline}" fill="#9dc3e6" fill-opacity="0.6"/>',
        (
            f'<polyline id="middle" points="{_points(zip(x, middle, strict=True))}" fill="none" stroke="#1f5f99" '
            'stroke-width="1.5"/>'
        ),
    ]


def _heights(scale: Scale, values: FloatArray) -> list[float]:
    return [scale.y(float(value)) for value in values]


def _axes(drawing: Drawing, scale: Scale) -> list[str]:
    parts = [f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#444"/>']
    for share in np.linspace(0.0, 1.0, _TICKS):
        cycle, index = scale.first + share * (scale.last - scale.first), share * OUTCOME_CAP
        parts.append(f'<text x="{scale.x(cycle):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{cycle:.0f}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{scale.y(index) + 4:.1f}" text-anchor="end">{index:.0f}</text>')
    middle = (TOP + BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 38}" text-anchor="middle">'
        f"age in {_text(drawing.unit)} since new</text>"
    )
    parts.append(
        f'<text x="20" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 20 {middle:.0f})">'
        f"health index in {_text(drawing.unit)} (125: or more)</text>"
    )
    return parts


def _legend(drawing: Drawing) -> list[str]:
    y = HEIGHT - 12
    told = [f'<text x="{LEFT}" y="{y}" fill="#b3261e">this machine</text>']
    if drawing.band is None:
        told.append(f'<text x="{LEFT + 110}" y="{y}">too few owners for a band of peers</text>')
    else:
        said = f"peers with as much left: 10 % to 90 %, middle ({_whose(drawing.band)})"
        told.append(f'<text x="{LEFT + 110}" y="{y}" fill="#1f5f99">{said}</text>')
    return told


def _described(drawing: Drawing) -> str:
    cycle, index = drawing.curve[-1]
    told = f"At {drawing.unit.removesuffix('s')} {cycle:g} the health index is {index:.0f} {drawing.unit}."
    if drawing.band is None:
        return f"{told} Too few owners stand behind a band of peers."
    return f"{told} The band holds 80 % of peers when they had as much left ({_whose(drawing.band)})."


def _whose(band: Band) -> str:
    return f"{band.peers} peers or more of your own fleet" if band.owners == 1 else f"{band.owners} owners or more"


def _points(pairs: "Sequence[tuple[float, float]] | zip[tuple[float, float]]") -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _text(text: str) -> str:
    return escape("".join(letter for letter in text[:_MOST_TEXT] if letter.isprintable()))
