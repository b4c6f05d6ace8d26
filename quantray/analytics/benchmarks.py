"""What portfolios are measured against when it is none of them: an index, a fund, a file, or a blend of these."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from quantray.arrays import Dates, Float, as_day
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, reason
from quantray.inputs import ordinary_file
from quantray.storage.files import read_file

__all__ = ["Benchmark", "blended", "of_symbol", "read_benchmark", "read_values"]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Levels of something that could have been held."""

    name: str
    dates: Dates
    """(T,) increasing."""
    levels: Float
    """(T,) positive; only their ratios count."""
    total: bool
    """Whether dividends are in it: a total-return and no price series."""
    what: str = "benchmark"
    """What errors call it."""

    @property
    def label(self) -> str:
        """Its name, and what is missing from its returns."""
        return self.name if self.total else f"{self.name} (price return)"

    def returns_on(self, dates: Dates) -> Float:
        """(D - 1,) simple returns from each of (D,) dates to the next.

        Raises
        ------
        InputError
            It has no level on one of them; it names the gap.
        """
        place = np.searchsorted(self.dates, dates)
        found = self.dates[np.minimum(place, len(self.dates) - 1)] == dates
        absent = np.asarray(dates)[~found]
        if len(absent):
            raise InputError(
                f"{self.what} {self.name} covers {self.dates[0]} to {self.dates[-1]} and lacks {len(absent)} of "
                f"{len(dates)} days, first {absent[0]}, last {absent[-1]}; give these, or study other days."
            )
        level = self.levels[place]
        return np.asarray(level[1:] / level[:-1] - 1)


def read_benchmark(
    path: str | Path,
    *,
    holds: Literal["levels", "returns"] = "levels",
    total: bool,
    name: str | None = None,
    scale: float = 1.0,
    what: str = "benchmark",
) -> Benchmark:
    """A benchmark from a CSV whose first column is the date and whose second is the value.

    Parameters
    ----------
    holds : levels, or simple returns from the row before to this one.
    total : whether dividends are in it, which no file says.
    scale : of returns; 0.01 where they are in percent.
    what : it is, for errors.

    Raises
    ------
    DataError
        The file cannot be read, a line has no date or number, or dates do not increase.
    """
    dates, series = read_values(path, what)
    if holds == "returns":
        dates = np.append(dates[0] - np.timedelta64(1, "D"), dates)
        series = np.asarray(np.cumprod(np.append(1.0, 1 + scale * series)))
    if (series <= 0).any():
        raise DataError(f"{what} file {path} reaches {series.min():g}; levels must be positive, returns above -100 %.")
    return Benchmark(name or Path(path).stem, dates, series, total, what)


def read_values(path: str | Path, what: str) -> tuple[Dates, Float]:
    """(T,) increasing dates and finite values of a CSV with one line of titles.

    Raises
    ------
    DataError
        As ``read_benchmark``.
    """
    file = ordinary_file(path, f"{what} file", remedy="name a CSV with a date and a value a line", error=DataError)
    try:
        text = read_file(file).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{what} file {path}: {reason(error)}; give a CSV of dates and values.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{what} file {path} is no text in UTF-8; save it as CSV.") from error
    days, values = [], []
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        if number == 1 or not row:
            continue
        try:
            days.append(as_day(row[0].strip()))
            values.append(float(row[1]))
        except (InputError, IndexError, ValueError) as error:
            raise DataError(f"{what} file {path}, line {number}: {row[:2]} is no date and value.") from error
    dates, series = np.array(days, dtype="datetime64[D]"), np.array(values, dtype=np.float64)
    if len(dates) < 2 or (np.diff(dates) <= np.timedelta64(0, "D")).any() or not np.isfinite(series).all():
        raise DataError(f"{what} file {path} must have two days or more in order of time, each with a number.")
    return dates, series


def of_symbol(panel: Panel, symbol: str, what: str = "benchmark") -> Benchmark:
    """A symbol of a panel, whose closes are adjusted to total returns; days without a close are left out.

    Raises
    ------
    InputError
        The panel has no such symbol, or no close of it.
    """
    if symbol not in panel.assets:
        raise InputError(f"{what} {symbol} is not in the data; import it, or name a symbol that is.")
    close = panel.field("close")[:, int(np.flatnonzero(panel.assets == symbol)[0])]
    known = np.isfinite(close)
    if not known.any():
        raise InputError(f"{what} {symbol} has no close between {panel.dates[0]} and {panel.dates[-1]}.")
    return Benchmark(symbol, panel.dates[known], close[known], total=True, what=what)


def blended(parts: Mapping[str, float], found: Mapping[str, Benchmark], dates: Dates) -> Benchmark:
    """A blend at constant weights, rebalanced on every date; what they leave is cash without interest.

    Parameters
    ----------
    parts : name -> weight.
    found : name -> benchmark.
    dates : (D,) that all parts must cover.

    Raises
    ------
    InputError
        Weights are not finite, or a part has a gap.
    """
    if not parts or not np.isfinite(list(parts.values())).all():
        raise InputError(f"the blend {dict(parts)} needs a finite weight for each part.")
    each = [weight * found[name].returns_on(dates) for name, weight in parts.items()]
    returns = np.sum(each, axis=0)
    label = " + ".join(f"{weight:.0%} {found[name].name}" for name, weight in parts.items())
    levels = np.asarray(np.cumprod(np.append(1.0, 1 + returns)), dtype=np.float64)
    return Benchmark(label, np.asarray(dates), levels, all(found[name].total for name in parts))
