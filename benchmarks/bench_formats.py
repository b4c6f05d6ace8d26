"""One true history in every vendor's format, read back: which assumption was taken, and how often rightly.

Usage: python benchmarks/bench_formats.py [--histories 500] [--quick]
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line
from _vendors import WRITERS, History, Writer, random_history

from quantray.data.adjustment import total_return
from quantray.data.panel import Panel
from quantray.data.quality.examining import examine
from quantray.data.quality.findings import QualityReport
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError

OUTCOMES = ("right", "told", "refused", "wrong")
"""Total returns equal to 1e-4; other, and the report says that they may be; refused with both readings; none of it."""


@dataclass(frozen=True)
class Tried:
    """What came of one file."""

    outcome: str
    assumption: str
    """What the prices were taken to account for."""
    error: float
    """Largest error of a symbol's log total return."""


def attempt(writer: Writer, histories: list[History], folder: Path) -> Tried:
    """Write histories as one vendor would, read them back and compare total returns."""
    path = writer.write(folder, histories)
    try:
        bars, report = examine(read_bars(path))
    except DataError as error:
        if "ambiguous_adjustment" not in str(error):
            raise
        return Tried("refused", "refused", np.nan)
    panel = total_return(Panel.from_long(bars.drop(columns=["ticker"], errors="ignore")))
    errors = []
    for number, history in enumerate(histories):
        close = panel.field("close")[:, _column(panel, history, number)]
        close = close[~np.isnan(close)]
        errors.append(abs(np.log(close[-1] / close[0]) - np.log(np.prod(history.gross[1:]))))
    worst = max(errors)
    outcome = "right" if worst < 1e-4 else "told" if _says_so(report, writer) else "wrong"
    return Tried(outcome, report.adjustment.prices, worst)


def _column(panel: Panel, history: History, number: int) -> int:
    names = panel.assets.tolist()
    known = (history.symbol, f"{history.symbol}.US", history.symbol.lower(), str(10001 + number))
    return next(names.index(name) for name in known if name in names)


def _says_so(report: QualityReport, writer: Writer) -> bool:
    """Whether the report says that returns may leave out events, or that nothing checked what a format states."""
    told = report.adjustment
    missing = any("nothing tells of dividends" in text for text in told.evidence) and writer.tells != "all"
    return bool(missing or told.doubts or told.unverified)


def confusion(n_histories: int, writers: Sequence[Writer] = WRITERS, seed: int = 0) -> dict[str, Counter[str]]:
    """Counts of outcomes for each writer over random histories; several in a file where the format takes them."""
    counts: dict[str, Counter[str]] = {}
    for writer in writers:
        found: Counter[str] = Counter()
        number = 0
        while number < n_histories:
            size = min(1 + number % 3 if writer.several else 1, n_histories - number)
            several = [random_history(seed + number + k, symbol=f"S{k}X") for k in range(size)]
            with tempfile.TemporaryDirectory() as folder:
                tried = attempt(writer, several, Path(folder))
            found[tried.outcome] += size
            found[f"taken as {tried.assumption}"] += size
            number += size
        counts[writer.name] = found
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="40 histories")
    arguments = parser.parse_args()
    n = 40 if arguments.quick else arguments.histories
    about, start = machine(), time.perf_counter()
    counts = confusion(n)
    taken = time.perf_counter() - start
    print(describe(about))
    rows = []
    for name, found in counts.items():
        assumed = ", ".join(f"{key[9:]} {value}" for key, value in found.items() if key.startswith("taken as"))
        rows.append([name, *(str(found[outcome]) for outcome in OUTCOMES), assumed])
    print(table(["format", *OUTCOMES, "prices taken as"], rows))
    print(f"{n} histories in each of {len(WRITERS)} formats, {taken:.0f} s")
    outcomes = {name: {outcome: found[outcome] for outcome in OUTCOMES} for name, found in counts.items()}
    content = {"histories": n, "seed": 0, "seconds": round(taken, 1), "outcomes": outcomes}
    write_line("bench_formats", {"machine": about, "versions": versions("pandas", "pyarrow"), **content})


if __name__ == "__main__":
    main()
