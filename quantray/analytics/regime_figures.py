"""Pictures of regimes: shaded behind the price, as strips of lenses, and their probabilities."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.figures import Picture, styled
from quantray.arrays import Bool, Dates, Float
from quantray.errors import InputError
from quantray.regimes.path import RegimePath

__all__ = ["lens_strips", "regime_colours", "regimes_over_price"]

# From calm to wild, told apart by colour-blind readers too: blue is good, grey is neither, orange and red are bad.
_SCALES = {
    1: ("#9DB4C8",),
    2: ("#8FB8DE", "#D9573A"),
    3: ("#8FB8DE", "#F2C877", "#D9573A"),
    4: ("#8FB8DE", "#D7DCE0", "#F2B661", "#C8452E"),
}
_KNOWN = {
    "bull": "#8FB8DE",
    "neutral": "#D7DCE0",
    "bear": "#D9573A",
    "broad": "#8FB8DE",
    "concentrated": "#F2B661",
    "normal": "#8FB8DE",
    "stressed": "#D9573A",
    "crisis": "#D9573A",
}
_OTHERS = ("#8FB8DE", "#D7DCE0", "#F2B661", "#C8452E", "#B79FCB", "#8CC2A4", "#C9A27C", "#7A8794")


def regime_colours(names: Sequence[str]) -> dict[str, str]:
    """The colour of each regime, by its name where that has a meaning and else by its place."""
    if set(names) <= set(_KNOWN):
        return {name: _KNOWN[name] for name in names}
    scale = _SCALES.get(len(names), _OTHERS)
    return {name: scale[i % len(scale)] for i, name in enumerate(names)}


def regimes_over_price(dates: Dates, price: Float, path: RegimePath, *, title: str = "Index") -> Picture:
    """The price on a log scale with regimes shaded behind it; below, their probabilities where the path has doubts.

    Parameters
    ----------
    dates, price : (T,) of positive prices; NaN where unknown.
    path : on the same dates.

    Raises
    ------
    InputError
        The path has other dates, or no price is positive.
    """
    _check(dates, price, path)
    known = path.probabilities[path.known]
    doubts = bool(((known > 0) & (known < 1)).any())
    heights = [0.72, 0.28] if doubts else [1.0]
    figure = make_subplots(rows=len(heights), cols=1, shared_xaxes=True, row_heights=heights, vertical_spacing=0.05)
    palette, span = regime_colours(path.names.tolist()), _span(price)
    for name in path.names.tolist():
        inside = path.named == name
        if inside.any():
            figure.add_trace(_band(dates, inside, name, _faded(palette[name]), span), row=1, col=1)
    figure.add_trace(_price(dates, price, title), row=1, col=1)
    if doubts:
        for name, chances in zip(path.names.tolist(), path.probabilities.T, strict=True):
            figure.add_trace(_chances(dates, chances, name, palette[name]), row=2, col=1)
        figure.update_yaxes(tickformat=".0%", title="Probability", range=[0, 1], row=2, col=1)
    _price_axis(figure, price, title)
    figure = styled(figure, 560 if doubts else 420).update_layout(margin={"l": 85}, legend={"traceorder": "normal"})
    lengths = path.spells.lengths
    note = "Each day's regime is what was known at its close; nothing was relabelled afterwards."
    if len(lengths):
        note += f" {len(lengths)} spells, the median one of {np.median(lengths):.0f} days."
    return Picture(figure, note)


def lens_strips(paths: Mapping[str, RegimePath], price: Float, *, title: str = "Index") -> Picture:
    """The price with paths as strips below it, one colour per label.

    Parameters
    ----------
    paths : name of each strip -> path, all on the same dates, such as ``Lenses.paths``.
    price : (T,) positive, on the dates of the paths; NaN where unknown.

    Raises
    ------
    InputError
        There is no path, their dates differ, or the price has another length or is nowhere positive.
    """
    if not paths:
        raise InputError("no paths to draw; give at least one.")
    dates = next(iter(paths.values())).dates
    for path in paths.values():
        _check(dates, price, path)
    figure = make_subplots(
        rows=1 + len(paths),
        cols=1,
        shared_xaxes=True,
        row_heights=[0.5, *[0.1] * len(paths)],
        vertical_spacing=0.02,
    )
    figure.add_trace(_price(dates, price, title), row=1, col=1)
    for row, (strip, path) in enumerate(paths.items(), 2):
        palette = regime_colours(path.names.tolist())
        for name in path.names.tolist():
            inside = path.named == name
            if inside.any():
                figure.add_trace(_band(dates, inside, name, palette[name], (0.0, 1.0)), row=row, col=1)
        label = strip[:1].upper() + strip[1:]
        figure.update_yaxes(range=[0, 1], tickvals=[0.5], ticktext=[label], showgrid=False, row=row, col=1)
        _key(figure, path, palette, row)
    _price_axis(figure, price, title)
    note = "Views of the same market, each known at the close of the day; white where history is too short."
    figure = styled(figure, 320 + 84 * len(paths))
    figure.update_layout(showlegend=False, margin={"l": 85, "r": 130, "t": 20})
    return Picture(figure, note)


def _check(dates: Dates, price: Float, path: RegimePath) -> None:
    if not np.array_equal(dates, path.dates) or np.shape(price) != np.shape(dates):
        raise InputError(
            f"{len(dates)} dates, {len(price)} prices and a path of {len(path.dates)} rows must be of the same days."
        )
    if not (np.nan_to_num(price) > 0).any() or (np.nan_to_num(price, nan=1.0) <= 0).any():
        raise InputError("a log scale needs prices, all of them positive; leave unknown ones NaN.")


def _band(dates: Dates, inside: Bool, name: str, colour: str, span: tuple[float, float]) -> go.Scatter:
    """All spells of one regime as a single filled outline; one shape per spell would make a page slow."""
    x: list[str | None] = []
    y: list[float | None] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    texts = _texts(dates)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        # A spell ends where the next one starts, or the strips would have gaps.
        left, right = texts[start], texts[min(stop, len(texts) - 1)]
        x += [left, left, right, right, None]
        y += [span[0], span[1], span[1], span[0], None]
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=colour,
        hoverinfo="skip",
    )


def _chances(dates: Dates, chances: Float, name: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=_texts(dates),
        y=np.round(chances, 3),
        name=name,
        showlegend=False,
        stackgroup="probabilities",
        line={"width": 0, "shape": "hv"},
        fillcolor=colour,
        hovertemplate="%{y:.0%}",
    )


def _price(dates: Dates, price: Float, title: str) -> go.Scatter:
    return go.Scatter(
        x=_texts(dates),
        y=np.round(price, 4),
        name=title,
        mode="lines",
        line={"color": "#1F2933", "width": 1.3},
        showlegend=False,
    )


def _price_axis(figure: go.Figure, price: Float, title: str) -> None:
    low, high = _span(price)
    steps = (1, 2, 5) if high > 4 * low else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    ticks = [m * 10.0**e for e in range(-4, 7) for m in steps]
    shown = [tick for tick in ticks if low <= tick <= high]
    figure.update_yaxes(
        type="log",
        title=title,
        range=np.log10([low, high]).tolist(),
        tickvals=shown,
        ticktext=[f"{tick:g}" for tick in shown],
        row=1,
        col=1,
    )


def _faded(colour: str) -> str:
    """A colour light enough to read a line on it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.6)"


def _span(price: Float) -> tuple[float, float]:
    """The lowest and the highest price with a little air."""
    low, high = float(np.nanmin(price)), float(np.nanmax(price))
    air = (high / low) ** 0.04 * 1.001
    return low / air, high * air


def _key(figure: go.Figure, path: RegimePath, palette: dict[str, str], row: int) -> None:
    """The meaning of a strip's colours, written beside it."""
    axis = figure.layout[f"yaxis{row}"]
    words = "<br>".join(f'<span style="color:{palette[name]}">■</span> {name}' for name in path.names.tolist())
    middle = sum(axis.domain) / 2
    figure.add_annotation(
        x=1.01, y=middle, xref="paper", yref="paper", text=words, showarrow=False, xanchor="left", align="left"
    )


def _texts(dates: Dates) -> list[str]:
    return [str(date) for date in dates]
