"""Pictures of a few kilobytes that need no script: lines, bars, waterfalls and fans as shapes that a page draws in SVG.

Reports for readers are made of these: plotly.js weighs megabytes, and prints as the screen showed it.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from quantray.arrays import Dates, Float

__all__ = ["Drawing", "Shape", "bars", "fan", "lines", "waterfall"]

_WIDTH, _LEFT, _RIGHT, _TOP = 880, 62, 14, 12
_UP, _DOWN, _TOTAL, _INK, _LINE = "#0072B2", "#D55E00", "#555555", "#1d2733", "#e3e8ee"
_LABEL = 46
"""Room of a date under the lines."""
_LONGEST, _GAP = 38, 14
"""Letters of a name beside a bar, and the room between them."""
_MOST_POINTS = 600
"""Of a line: a printed page shows no more."""


class Shape(BaseModel):
    """A rectangle, a path or a text; colours are the house's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["rect", "path", "text"]
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    points: tuple[tuple[float, float], ...] = ()
    """Of a path."""
    closed: bool = False
    """Whether a path is an area without an outline."""
    colour: str = Field(_INK, pattern="^#[0-9A-Fa-f]{6}$")
    opacity: float = 1.0
    thickness: float = 1.5
    dashed: bool = False
    text: str = ""
    anchor: Literal["start", "middle", "end"] = "start"

    @property
    def path(self) -> str:
        """As SVG writes it."""
        return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in self.points) + ("Z" if self.closed else "")


class Drawing(BaseModel):
    """Shapes on a canvas that scales with the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["drawing"] = "drawing"
    label: str
    """What it shows, for who cannot see it."""
    width: float = _WIDTH
    height: float
    shapes: tuple[Shape, ...]


def lines(dates: Dates, series: Sequence[tuple[str, Float]], *, label: str, form: str = "{:g}") -> Drawing:
    """Series through time, the second and further ones dashed, with a legend; long ones keep highs and lows."""
    height, plot = 260.0, _plot(260.0)
    values = np.concatenate([each for _, each in series])
    axis = _Axis(float(np.nanmin(values)), float(np.nanmax(values)), plot)
    shapes = axis.shapes(form) + _years(dates, plot)
    across = np.linspace(_LEFT, _WIDTH - _RIGHT, max(len(dates), 2))
    for i, (name, each) in enumerate(series):
        points = tuple((float(across[t]), axis.at(float(each[t]))) for t in _telling(each))
        colour = (_UP, _DOWN, "#009E73", "#CC79A7")[i % 4]
        shapes.append(Shape(kind="path", points=points, colour=colour, dashed=i > 0))
        shapes.append(_text(_LEFT + 10 + 200 * i, _TOP + 6, name, colour=colour))
    return Drawing(label=label, height=height, shapes=tuple(shapes))


def bars(names: Sequence[str], values: Sequence[float], *, label: str, form: str = "{:+.1%}") -> Drawing:
    """Horizontal bars from zero, one a line, losses in the other colour."""
    return _bars(names, [(0.0, value) for value in values], values, [None] * len(names), label, form)


def waterfall(
    names: Sequence[str],
    values: Sequence[float],
    *,
    total: tuple[str, float],
    label: str,
    start: tuple[str, float] | None = None,
    form: str = "{:+.2%}",
) -> Drawing:
    """Parts that lead from a start (by default zero) to a total, one a line."""
    spans: list[tuple[float, float]] = []
    shown, texts, colours = [], [], []
    at = 0.0
    if start is not None:
        spans, shown, texts, colours, at = [(0.0, start[1])], [start[1]], [start[0]], [_TOTAL], start[1]
    for name, value in zip(names, values, strict=True):
        spans.append((at, at + value))
        at += value
        shown.append(value)
        texts.append(name)
        colours.append("")
    spans.append((0.0, total[1]))
    all_colours = [colour or None for colour in colours] + [_TOTAL]
    return _bars([*texts, total[0]], spans, [*shown, total[1]], all_colours, label, form)


def fan(days: Sequence[int], quantiles: Float, *, label: str, unit: str = "d") -> Drawing:
    """Bands of a distribution over horizons: (H, 7) quantiles, the median in the middle; time by its square root."""
    height, plot = 260.0, _plot(260.0)
    grid = np.vstack([np.zeros(7), quantiles])
    axis = _Axis(float(grid.min()), float(grid.max()), plot)
    reach = np.sqrt(np.concatenate([[0], np.asarray(days, dtype=np.float64)]))
    across = _LEFT + reach / reach[-1] * (_WIDTH - _RIGHT - _LEFT)
    shapes = axis.shapes("{:+.0%}")
    for low, opacity in ((0, 0.16), (1, 0.22), (2, 0.3)):
        there = [(float(x), axis.at(float(v))) for x, v in zip(across, grid[:, 6 - low], strict=True)]
        back = [(float(x), axis.at(float(v))) for x, v in zip(across, grid[:, low], strict=True)][::-1]
        shapes.append(Shape(kind="path", points=tuple(there + back), closed=True, colour=_UP, opacity=opacity))
    middle = tuple((float(x), axis.at(float(v))) for x, v in zip(across, grid[:, 3], strict=True))
    shapes.append(Shape(kind="path", points=middle, colour=_UP, thickness=2))
    for x, day in zip(across[1:], days, strict=True):
        shapes.append(_text(float(x), height - 6, f"{day} {unit}", anchor="end" if day == days[-1] else "middle"))
    return Drawing(label=label, height=height, shapes=tuple(shapes))


class _Axis:
    """A vertical axis from a low to a high value with round ticks between."""

    def __init__(self, low: float, high: float, plot: tuple[float, float]) -> None:
        room = (high - low or abs(high) or 1.0) * 0.05
        self._low, self._high, self._plot = low - room, high + room, plot

    def at(self, value: float) -> float:
        """The height of a value on the canvas."""
        top, bottom = self._plot
        return bottom - (value - self._low) / (self._high - self._low) * (bottom - top)

    def shapes(self, form: str) -> list[Shape]:
        """Ticks, lines and numbers."""
        out = []
        for tick in _ticks(self._low, self._high):
            y = self.at(tick)
            points = ((float(_LEFT), y), (float(_WIDTH - _RIGHT), y))
            out.append(Shape(kind="path", points=points, colour=_LINE, thickness=1))
            out.append(_text(_LEFT - 8, y + 4, form.format(tick), anchor="end"))
        return out


def _ticks(low: float, high: float) -> list[float]:
    """Some five round numbers between two values."""
    size = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(size))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= size)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _telling(values: Float) -> list[int]:
    """Places of known values; of a long series the first and last, and the lowest and highest of each stretch."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) <= _MOST_POINTS:
        return [int(place) for place in known]
    stretches = np.array_split(known, _MOST_POINTS // 2)
    ends = [int(stretch[pick(values[stretch])]) for stretch in stretches for pick in (np.argmin, np.argmax)]
    return sorted({int(known[0]), *ends, int(known[-1])})


def _plot(height: float) -> tuple[float, float]:
    return _TOP + 14.0, height - 26.0


def _years(dates: Dates, plot: tuple[float, float]) -> list[Shape]:
    """Years, or months of a short record, under the lines."""
    unit = "datetime64[Y]" if len(dates) > 400 else "datetime64[M]"
    of = np.asarray(dates).astype(unit)
    first = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    every = max(1, len(first) // 12)
    across = np.linspace(_LEFT, _WIDTH - _RIGHT, max(len(dates), 2))
    if len(first) > 1 and across[first[1]] - across[first[0]] < _LABEL:
        first = first[1:]
    return [
        _text(float(across[t]), plot[1] + 18, str(of[t])) for t in first[::every].tolist() if across[t] < _WIDTH - 60
    ]


def _bars(
    names: Sequence[str],
    spans: Sequence[tuple[float, float]],
    values: Sequence[float],
    colours: Sequence[str | None],
    label: str,
    form: str,
) -> Drawing:
    ends = [end for span in spans for end in span] + [0.0]
    low, high = min(ends), max(ends)
    # Names take the room that the longest needs, so that bars are seen on a narrow screen, too.
    left, right, step = 14.0 + 7.0 * min(max(map(len, names), default=0), _LONGEST), _WIDTH - 80.0, 22.0
    scale = (right - left - _GAP) / (high - low or 1.0)
    shapes = []
    for i, (name, (a, b), value, colour) in enumerate(zip(names, spans, values, colours, strict=True)):
        y = _TOP + i * step
        x, width = left + _GAP + (min(a, b) - low) * scale, max(abs(b - a) * scale, 0.8)
        shade = colour or (_UP if value >= 0 else _DOWN)
        shapes.append(_text(left, y + 14, name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…", anchor="end"))
        shapes.append(Shape(kind="rect", x=x, y=y + 3, width=width, height=step - 7, colour=shade))
        shapes.append(_text(x + width + 6, y + 14, form.format(value)))
    zero = left + _GAP + (0 - low) * scale
    height = _TOP + len(names) * step + 8
    shapes.append(Shape(kind="path", points=((zero, float(_TOP)), (zero, height - 6)), colour="#b6bfca", thickness=1))
    return Drawing(label=label, height=height, shapes=tuple(shapes))


def _text(x: float, y: float, text: str, *, colour: str = "#5b6878", anchor: str = "start") -> Shape:
    return Shape.model_validate({"kind": "text", "x": x, "y": y, "text": text, "colour": colour, "anchor": anchor})
