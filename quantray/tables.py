"""What finished runs hold, as tables on a terminal or in a log."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["console", "print_forecasts", "print_run", "print_scale", "print_sweep", "print_tuning"]

_SHOWN = 12
"""Trials of a search that the table shows at most; all are in its report."""


def console() -> Console:
    """For standard output; logs and pipes get a width that keeps tables whole."""
    # Made on each use: tests and job drivers replace the standard streams after import.
    return Console(width=None if sys.stdout.isatty() else 140, soft_wrap=False)


def print_run(folder: Path) -> None:
    """Print a finished run: the table of its portfolios and where its report is."""
    about = _read(folder / "study.json")
    shown = {
        "return": ("annual_return", ".2%"),
        "volatility": ("annual_volatility", ".2%"),
        "Sharpe": ("sharpe", ".2f"),
        "±": ("sharpe_error", ".2f"),
        "max drawdown": ("max_drawdown", ".1%"),
        "turnover": ("annual_turnover", ".0%"),
        "cost": ("annual_cost", ".2%"),
        "eff. names": ("mean_effective_names", ",.0f"),
    }
    table = _table(f"{about['name']}: {about['first']} to {about['last']}, after costs", "portfolio", list(shown))
    for name, values in _read(folder / "metrics.json").items():
        table.add_row(name, *(_number(values[key], form) for key, form in shown.values()))
    out = console()
    out.print(table)
    _print_work(out, about, "units")
    _print_report(out, folder)


def print_forecasts(folder: Path) -> None:
    """Print a finished study of forecasters: the table of models, and where its forecasts and its report are."""
    about = _read(folder / "study.json")
    title = f"{about['name']}: {about['first']} to {about['last']}, {about['confidence']} intervals"
    table = _table(title, "forecast", ("IC", "from", "to", "rank IC", "epochs"))
    for name, values in _read(folder / "metrics.json").items():
        skill = (_number(values[key], ".4f") for key in ("ic", "ic_low", "ic_high", "rank_ic"))
        table.add_row(name, *skill, _number(values["epochs"], ".1f"))
    out = console()
    out.print(table)
    _print_work(out, about, "units", "fits")
    _print(out, f"forecasts: {_read(folder / 'forecasts.json')['store']}")
    _print_report(out, folder)


def print_scale(folder: Path) -> None:
    """Print what universes of several sizes cost and brought, and where the report is."""
    sizes = _read(folder / "scale.json")
    columns = [f"{size['size']:,} names" for size in sizes]
    table = _table("information coefficient; seconds and memory of one epoch alone in a process", "forecast", columns)
    for name in sizes[0]["ic"]:
        table.add_row(name, *(_size(size, name) for size in sizes))
    out = console()
    out.print(table)
    _print_report(out, folder)


def print_sweep(folder: Path) -> None:
    """Print what a sweep by regime found out of sample, and where its report is."""
    import pyarrow.parquet as pq  # noqa: PLC0415  (a second to import, and for two of the tables only)

    about = _read(folder / "sweep.json")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in pq.read_table(folder / "outcomes.parquet").to_pylist():
        if row["regime"] == "all days":
            found.setdefault(row["strategy"], {})[row["measure"]] = row
    table = _table(
        f"{about['name']}: {about['first']} to {about['last']}, after costs, {about['confidence']} intervals",
        "strategy",
        ("Sharpe by regime", "on all days", "defaults", "by regime less all days", "from", "to", "overfitting"),
    )
    for strategy, measures in found.items():
        sharpe = [measures.get(f"sharpe, {policy}", {}) for policy in ("conditional", "unconditional", "default")]
        gain, searched = measures.get("over unconditional", {}), next(iter(measures.values()))
        values = [*(one.get("value") for one in sharpe), *(gain.get(key) for key in ("value", "low", "high"))]
        table.add_row(strategy, *(_number(v, ".2f") for v in values), _number(searched["overfitting"], ".0%"))
    played = [n.removesuffix(", default") for n in pq.read_schema(folder / "streams.parquet").names if ", default" in n]
    idle = [name for name in played if name not in found and not name.endswith("turnover")]
    out = console()
    out.print(table)
    if idle:
        _print(out, f"held nothing out of sample: {', '.join(idle)}")
    _print(out, about["verdict"])
    _print_work(out, about, "results")
    _print_report(out, folder)


def print_tuning(folder: Path) -> None:
    """Print the best trials of a search, the winner on the dates held out, and where settings and report are."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    about = _read(folder / "tuning.json")
    trials = pq.read_table(folder / "trials.parquet").to_pylist()
    settings = [name for name in trials[0] if name.startswith("setting ")]
    table = _table(
        f"{about['name']}: {about['measure']} of {about['subject']}, {len(trials)} trials",
        "trial",
        ("objective", "rounds", "", *(name.removeprefix("setting ") for name in settings)),
    )
    best = float(about["best"]["objective"])
    # The winner first, then those that were measured as far as it was.
    trials.sort(
        key=lambda t: (not t["best"], t["objective"] is None, not t["finished"], abs((t["objective"] or 0) - best))
    )
    for trial in trials[:_SHOWN]:
        ended = "best" if trial["best"] else trial["note"] or ("" if trial["finished"] else "stopped early")
        values = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (trial[name] for name in settings)]
        row = (str(trial["number"]), _number(trial["objective"], ".4f"), str(trial["rounds"]), ended, *values)
        table.add_row(*map(escape, row))
    out = console()
    out.print(table)
    _print(out, about["verdict"])
    _print(out, f"settings: {folder / 'best.yaml'}")
    _print_report(out, folder)


def _print(out: Console, text: str) -> None:
    """Plain text; a path broken over two lines could be neither clicked nor copied."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _table(title: str, first: str, others: Sequence[str]) -> Table:
    """A table whose first column is of names and whose others are of numbers."""
    table = Table(title=title)
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _size(size: Mapping[str, Any], name: str) -> str:
    """What a forecast of one size was worth and, of a network, what an epoch took."""
    skill, cost = _number(size["ic"][name]["mean"], ".3f"), size["costs"].get(name)
    return skill if cost is None else f"{skill}; {cost['seconds']:.1f} s, {cost['training_bytes'] / 1e9:.2f} GB"


def _print_work(out: Console, about: Mapping[str, Any], counted: str, called: str | None = None) -> None:
    _print(
        out,
        f"{about[f'{counted}_computed']} {called or counted} computed, {about[f'{counted}_reused']} reused, "
        f"{about['seconds']:.1f} s; digest {about['digest']}",
    )


def _print_report(out: Console, folder: Path) -> None:
    _print(out, f"report: {folder / 'report.html'}")
