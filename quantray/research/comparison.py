"""Runs side by side: a list of them, and what makes two of them differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantray.analytics.page import Column, Rows, Table
from quantray.errors import InputError
from quantray.research.folder import About, Run, finished, read_metrics, read_run
from quantray.settings import flattened
from quantray.storage.locks import alone

__all__ = ["Comparison", "compare_runs", "listed"]

_ENDS = ("_low", "_high")
_WHERE = ("cluster.", "tracking.", "runs")
_DIGITS = 1e-9
"""Metrics nearer to one another than this share of them count as equal."""


@dataclass(frozen=True)
class Comparison:
    """What two runs differ in."""

    tables: tuple[Table, ...]
    lines: tuple[str, ...]
    """What the digests say, a sentence each."""


def listed(runs: Sequence[Run]) -> Table:
    """A row a run."""
    rows = []
    for run in runs:
        if run.about is None:
            rows.append((run.folder.name, run.kind, "not finished", "–", "run its settings.yaml to continue"))
        else:
            ended = f"{run.about.written:%Y-%m-%d %H:%M}"
            rows.append((run.folder.name, run.kind, ended, run.about.digest[:8], run.about.headline))
    columns = ("run", Column(title="kind", text=True), "ended (UTC)", "digest", Column(title="found", text=True))
    return Table(columns=columns, groups=(Rows(rows=tuple(rows)),))


def compare_runs(first: Path, second: Path) -> Comparison:
    """Settings and metrics that differ between two finished runs of one kind, and what their digests say.

    Raises
    ------
    DataError
        A folder holds no finished run.
    InputError
        The runs are of different kinds, so that nothing can be compared.
    """
    (a, mine), (b, other) = (_read(folder) for folder in (first, second))
    if a.kind != b.kind:
        raise InputError(f"{first} is of kind {a.kind} and {second} of kind {b.kind}: they cannot be compared.")
    settings = _settings(a, b)
    tables = [table for table in (settings, _metrics(mine, other)) if table.groups[0].rows]
    said = _said(finished(a), finished(b), differ=bool(settings.groups[0].rows))
    return Comparison(tuple(tables), said)


def _read(folder: Path) -> tuple[Run, Mapping[str, Any]]:
    with alone(folder):
        run = read_run(folder)
        return run, read_metrics(run)


def _settings(a: Run, b: Run) -> Table:
    flat = [flattened(run.settings) for run in (a, b)]
    names = [name for name in dict.fromkeys([*flat[0], *flat[1]]) if not name.startswith(_WHERE)]
    rows = tuple(
        (name, *(str(one.get(name, "–")) for one in flat))
        for name in names
        if flat[0].get(name, "–") != flat[1].get(name, "–")
    )
    columns = ("setting", Column(title=a.folder.name, text=True), Column(title=b.folder.name, text=True))
    return Table(title="settings that differ", columns=columns, groups=(Rows(rows=rows),))


def _metrics(a: Mapping[str, Any], b: Mapping[str, Any]) -> Table:
    rows = []
    for name in dict.fromkeys([*a, *b]):
        mine, other = a.get(name, {}), b.get(name, {})
        for key in dict.fromkeys([*mine, *other]):
            if not key.endswith(_ENDS) and not _same(mine.get(key), other.get(key)):
                difference = "–"
                if mine.get(key) is not None and other.get(key) is not None:
                    difference = f"{other[key] - mine[key]:+.4g}"
                rows.append((f"{name}: {key.replace('_', ' ')}", _value(mine, key), _value(other, key), difference))
    columns = ("metric", "first", "second", "difference")
    return Table(title="metrics that differ", columns=columns, groups=(Rows(rows=tuple(rows)),))


def _said(a: About, b: About, *, differ: bool) -> tuple[str, ...]:
    if a.digest == b.digest:
        return (f"equal digests {a.digest}: the same numbers to the last bit.",)
    said = [f"digests {a.digest} and {b.digest}: the numbers differ."]
    if not differ and a.data == b.data:
        one, two = a.versions, b.versions
        reasons = []
        if a.numerics != b.numerics:
            reasons.append(
                f"the numerics class ({a.numerics} and {b.numerics}), which moves the last bits unless "
                "numerics is portable"
            )
        if versions := sorted(name for name in {*one, *two} if one.get(name) != two.get(name)):
            reasons.append(f"versions of {', '.join(versions)}")
        said.append(f"What differs is {'; '.join(reasons) or 'quantray itself: the code between two releases'}.")
    return tuple(said)


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= _DIGITS * max(abs(a), abs(b), 1e-12)


def _value(metrics: Mapping[str, float | None], key: str) -> str:
    value, low, high = (metrics.get(f"{key}{end}") for end in ("", *_ENDS))
    if value is None:
        return "–"
    return f"{value:.4g}" + ("" if low is None or high is None else f" ({low:.4g} to {high:.4g})")
