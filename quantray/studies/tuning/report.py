"""The report of a search of settings: the winner, what it is worth where no trial looked, and every trial."""

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from quantray.analytics.figures import PALETTE, Picture, styled
from quantray.analytics.page import Cell, Column, Page, Rows, Section, Table, chart, concluded, ranged, signed
from quantray.studies.tuning.record import TuningRecord, TuningTrial

__all__ = ["TuningReportInput", "tuning_page", "verdict"]

_SHOWN = 12
"""Trials that the terminal shows at most; all are in the report."""
_ENDED, _STOPPED, _BEST = PALETTE[0], "#9AA5B1", PALETTE[1]


@dataclass(frozen=True, eq=False)
class TuningReportInput:
    """All that the report shows."""

    title: str
    meta: str
    confidence: str
    """Of intervals, in words."""
    record: TuningRecord


def verdict(record: TuningRecord) -> str:
    """Whether tuning helped on dates that no trial saw, in one sentence."""
    found = record.held_out
    if found is None:
        return f"{record.subject} has not been measured on dates held out."
    word = concluded(
        found.difference,
        helped="Tuning helped",
        hurt="Tuning hurt",
        unsure="There is no evidence that tuning helped",
        maximise=record.maximise,
    )
    return (
        f"{word}: on the dates held out {record.subject} has {_of(record, found.winner.mean)} with the best settings "
        f"and {_of(record, found.base.mean)} with its own (difference {signed(found.difference, '+.4f')})."
    )


def tuning_page(content: TuningReportInput) -> Page:
    """The report."""
    record = content.record
    pictures = [chart("Settings", _scatter(record)), chart("Rounds", _curves(record))]
    if len(record.best.values) > 1:
        pictures.insert(1, chart("Settings together", _parallel(record)))
    daily = ", daily IC of the mean of the study's seeds," if "IC" in record.measure else ""
    winner = Section(
        title="The winner",
        note=f"{record.measure[:1].upper()}{record.measure[1:]}; on the dates held out{daily} once, with "
        f"block-bootstrap intervals of {content.confidence}.",
        parts=(Table(columns=("", record.measure, "Interval"), groups=(Rows(rows=_figures(record)),)),),
    )
    columns = ("Trial", record.measure, "Rounds", Column(title="Ran", text=True))
    names = tuple(Column(title=name, text=True) for name in record.best.values)
    rows = tuple(_row(record, number, trial) for number, trial in _ranked(record))
    trials = Section(
        title="Trials",
        note="The best first. Trial 1 has the study's own settings where they lie in the space.",
        parts=(Table(columns=(*columns, *names), groups=(Rows(rows=rows),), dense=True),),
    )
    return Page(
        title=content.title,
        meta=content.meta,
        headline=verdict(record),
        warnings=tuple(_warnings(record)),
        sections=(winner, *pictures, trials),
        summary=Table(
            title=f"{content.title}: {record.measure} of {record.subject}, {len(record.trials)} trials",
            columns=("trial", "objective", "rounds", Column(title="ran", text=True), *names),
            groups=(Rows(rows=rows[:_SHOWN]),),
        ),
    )


def _warnings(record: TuningRecord) -> list[str]:
    best, bias = record.best, "too high" if record.maximise else "too low"
    text = (
        f"The {record.measure} of {best.objective:.4f} is that of the best of {len(record.trials)} trials, chosen on "
        f"the very days it is measured on, so it is {bias}."
    )
    if math.isfinite(record.expected_best):
        better = (best.objective > record.expected_best) == record.maximise
        text += (
            f" If settings made no difference, the best of as many would be expected at {record.expected_best:.4f}: "
            f"the winner is {'better than' if better else 'no better than'} that."
        )
    return [
        text,
        f"The settings were chosen with data up to {record.seen_through}: of studies with them, only results on later "
        "dates are out of sample.",
    ]


def _figures(record: TuningRecord) -> tuple[tuple[str, str, str], ...]:
    """The table of the winner against the study's own settings."""
    rows = [("Best of the trials, where it was chosen", f"{record.best.objective:.4f}", "–")]
    if math.isfinite(record.expected_best):
        rows.append((f"Expected of the best of {len(record.trials)} by luck", f"{record.expected_best:.4f}", "–"))
    if record.held_out is not None:
        held = record.held_out
        for name, found in (("Winner", held.winner), ("Own settings", held.base), ("Difference", held.difference)):
            rows.append((f"{name}, held out", f"{found.mean:.4f}", ranged(found, ".4f")))
    return tuple(rows)


def _ranked(record: TuningRecord) -> list[tuple[int, TuningTrial]]:
    """Trials with their numbers, the winner first, then those that ended, were stopped, and failed."""
    sign = -1 if record.maximise else 1

    def place(pair: tuple[int, TuningTrial]) -> tuple[bool, bool, float]:
        trial = pair[1]
        return bool(trial.note), not trial.finished, 0.0 if trial.note else sign * trial.objective

    return sorted(enumerate(record.trials, 1), key=place)


def _row(record: TuningRecord, number: int, trial: TuningTrial) -> tuple[str | Cell, ...]:
    best = trial is record.best
    return (
        Cell(text=str(number), best=best),
        Cell(text="–" if trial.note else f"{trial.objective:.4f}", best=best),
        str(len(trial.curve)),
        "best" if best else trial.note or ("to the end" if trial.finished else "stopped early"),
        *(_short(value) for value in trial.values.values()),
    )


def _scatter(record: TuningRecord) -> Picture:
    """The objective against each setting."""
    names = list(record.best.values)
    width = min(3, len(names))
    height = math.ceil(len(names) / width)
    figure = make_subplots(
        rows=height, cols=width, shared_yaxes=True, subplot_titles=names, vertical_spacing=0.55 / (height + 1)
    )
    used = [(number, trial) for number, trial in enumerate(record.trials, 1) if not trial.note]
    for place, name in enumerate(names):
        values, numeric = _axis(name, used)
        row, column = divmod(place, width)
        for group, (label, colour, symbol) in _GROUPS.items():
            chosen = [i for i, (_, trial) in enumerate(used) if _group(record, trial) == group]
            trace = go.Scatter(
                x=[values[i] for i in chosen],
                y=[round(used[i][1].objective, 6) for i in chosen],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 13 if group == "best" else 8},
                text=[f"trial {used[i][0]}" for i in chosen],
                hovertemplate="%{text}: %{x}, %{y:.4f}<extra></extra>",
                name=label,
                legendgroup=group,
                showlegend=place == 0,
            )
            figure.add_trace(trace, row=row + 1, col=column + 1)
        positive = [value for value in values if isinstance(value, float | int)]
        if numeric and min(positive) > 0 and max(positive) / min(positive) >= 20:
            figure.update_xaxes(type="log", row=row + 1, col=column + 1)
        elif not numeric:
            figure.update_xaxes(type="category", row=row + 1, col=column + 1)
    for row in range(height):
        figure.update_yaxes(title=record.measure, row=row + 1, col=1)
    shown = styled(figure, 130 + 250 * height)
    shown.update_layout(hovermode="closest", legend={"y": 1 + 0.16 / height}, margin={"l": 80, "t": 90})
    note = f"Each dot is a trial: its {record.measure}, {'higher' if record.maximise else 'lower'} is better. "
    return Picture(shown, note + "Grey ones were stopped early and measured on fewer rounds, so they do not compare.")


_GROUPS = {
    "stopped": ("stopped early", _STOPPED, "circle-open"),
    "ended": ("ran to the end", _ENDED, "circle"),
    "best": ("best", _BEST, "star"),
}


def _group(record: TuningRecord, trial: TuningTrial) -> str:
    return "best" if trial is record.best else "ended" if trial.finished else "stopped"


def _parallel(record: TuningRecord) -> Picture:
    """Every trial that ended as a line through its settings."""
    used = [(number, trial) for number, trial in enumerate(record.trials, 1) if trial.finished and not trial.note]
    dimensions = []
    for name in record.best.values:
        values, numeric = _axis(name, used)
        if numeric:
            dimensions.append({"label": name, "values": values})
            continue
        labels = sorted({str(value) for value in values})
        codes = [labels.index(str(value)) for value in values]
        span = [-0.5, len(labels) - 0.5]
        dimensions.append(
            {"label": name, "values": codes, "tickvals": list(range(len(labels))), "ticktext": labels, "range": span}
        )
    objective = [round(trial.objective, 6) for _, trial in used]
    dimensions.append({"label": record.measure, "values": objective})
    scale = [[0.0, "#D9E2EC"], [1.0, _ENDED]] if record.maximise else [[0.0, _ENDED], [1.0, "#D9E2EC"]]
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line={"color": objective, "colorscale": scale}))
    shown = styled(figure, 380)
    shown.update_layout(margin={"l": 90, "r": 60, "t": 60, "b": 30})
    return Picture(shown, "Trials that ran to their end, the better the darker; drag along an axis to select.")


def _curves(record: TuningRecord) -> Picture:
    """The objective after each round."""
    figure, shown_groups = go.Figure(), set[str]()
    for number, trial in reversed(_ranked(record)):
        if trial.note:
            continue
        group = _group(record, trial)
        label, colour, _ = _GROUPS[group]
        rounds = np.arange(1, len(trial.curve) + 1)
        figure.add_scatter(
            x=rounds,
            y=np.round(trial.curve, 6),
            mode="lines+markers",
            line={"color": colour, "width": 2.6 if group == "best" else 1.3},
            marker={"size": 5},
            name=label,
            legendgroup=group,
            showlegend=group not in shown_groups,
            hovertemplate=f"trial {number}, round %{{x}}: %{{y:.4f}}<extra></extra>",
        )
        shown_groups.add(group)
    figure.update_xaxes(title="Round", dtick=1 if len(record.best.curve) <= 20 else None)
    figure.update_yaxes(title=record.measure)
    finished = styled(figure, 380)
    finished.update_layout(hovermode="closest", margin={"l": 80, "b": 50})
    note = "A round is an epoch of all fits of a network, or one more fold of another forecaster or of a portfolio."
    return Picture(finished, note)


def _axis(name: str, used: list[tuple[int, TuningTrial]]) -> tuple[list[object], bool]:
    """A setting's values in the trials, and whether all are numbers."""
    values = [trial.values[name] for _, trial in used]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values, True
    return [_short(value) for value in values], False


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _of(record: TuningRecord, value: float) -> str:
    word = record.measure.removeprefix("mean validation ")
    return f"{'an' if word == 'IC' else 'a'} {word} of {value:.4f}"
