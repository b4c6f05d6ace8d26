"""Pictures of forecasts of losses: what came against what was forecast, and in which years each method failed."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from quantray.analytics.figures import Picture, styled
from quantray.arrays import Dates, Float
from quantray.errors import InputError
from quantray.risk.forecasting.coverage import Coverage
from quantray.risk.forecasting.var_forecasts import Forecasts

__all__ = ["forecast_bands", "years_map"]

# Told apart by colour-blind readers too.
_BANDS = ("#56B4E9", "#0072B2", "#004466")
_HITS = ("#E69F00", "#D55E00", "#8C2D04")


def forecast_bands(dates: Dates, outcomes: Float, forecasts: Forecasts) -> Picture:
    """Returns as they came, the value-at-risk that was forecast for each day by level, and the days that exceeded it.

    Parameters
    ----------
    dates, outcomes : (D,) of the forecasts.

    Raises
    ------
    InputError
        They do not fit the forecasts, or these have more than three levels.
    """
    if not len(dates) == len(outcomes) == len(forecasts.ranks) or len(forecasts.levels) > len(_BANDS):
        raise InputError(
            f"{len(dates)} dates, {len(outcomes)} outcomes and forecasts of {len(forecasts.ranks)} days at "
            f"{len(forecasts.levels)} levels make no picture; give the same days, and at most {len(_BANDS)} levels."
        )
    days = np.datetime_as_string(np.asarray(dates).astype("datetime64[D]"))
    figure = go.Figure(
        go.Bar(x=days, y=np.round(outcomes, 5), name="return", marker={"color": "#9DB4C8", "line_width": 0})
    )
    counts = []
    for column, level in enumerate(forecasts.levels):
        var = forecasts.var[:, column]
        hits = outcomes < -var
        name, colour = f"forecast at {level:.4g}", {"color": _BANDS[column], "width": 1.2}
        figure.add_scatter(x=days, y=np.round(-var, 5), name=name, mode="lines", line=colour)
        figure.add_scatter(
            x=days[hits],
            y=np.round(outcomes[hits], 5),
            name=f"beyond {level:.4g}",
            mode="markers",
            marker={"color": _HITS[column], "size": 5},
        )
        counts.append(f"{int(hits.sum())} at {level:.4g} ({(1 - level) * int(forecasts.known.sum()):.0f} expected)")
    figure.update_yaxes(tickformat=".0%", title="Of NAV")
    figure.update_layout(bargap=0)
    return Picture(
        styled(figure, 380),
        f"By {forecasts.method}, {int(forecasts.known.sum())} days; beyond the forecast: {', '.join(counts)}.",
    )


def years_map(found: Mapping[str, Mapping[int, Coverage]], *, test: str = "frequency") -> Picture:
    """Hits over those expected, by method and year; bold with a star where a test rejects at 5 %.

    Parameters
    ----------
    found : method -> year -> tests at one level, such as ``coverage_by_year`` makes.
    test : of ``coverage.TESTS``.

    Raises
    ------
    InputError
        Nothing was found.
    """
    years = sorted({year for by_year in found.values() for year in by_year})
    if not years:
        raise InputError("no method has a year of forecasts; give at least one of each.")
    cells = [[by_year.get(year) for year in years] for by_year in found.values()]
    ratios = [[np.nan if cell is None else cell.n_hits / cell.expected for cell in row] for row in cells]
    texts = [["" if cell is None else _marked(cell, test) for cell in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(
            x=[str(year) for year in years],
            y=list(found),
            z=np.round(ratios, 2).tolist(),
            text=texts,
            texttemplate="%{text}",
            textfont={"size": 12},
            zmin=0,
            zmid=1,
            zmax=4,
            colorscale=[[0, "#4393C3"], [0.25, "#F7F7F7"], [0.6, "#F4A582"], [1, "#B2182B"]],
            colorbar={"title": "hits over<br>expected", "thickness": 12},
            xgap=2,
            ygap=2,
            hovertemplate="%{y}, %{x}: %{z} times as many<extra></extra>",
        )
    )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    finished = styled(figure, 130 + 34 * len(found))
    finished.update_layout(margin={"l": 240}, hovermode="closest")
    return Picture(finished, f"Hits of each year; a star where the test of {test} rejects at 5 %.")


def _marked(cell: Coverage, test: str) -> str:
    return f"<b>{cell.n_hits}*</b>" if cell.p_value(test) < 0.05 else f"{cell.n_hits}"
