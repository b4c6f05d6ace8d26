"""Wide CSV files, a column for each symbol: seconds to read them, by columns, and to refuse what is far too wide.

Usage: python benchmarks/bench_wide.py [--columns 1250 5000 20000] [--days 10]
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

import numpy as np
from _record import describe, machine, seconds, table, versions, write_line

from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, nargs="+", default=[1250, 5000, 20_000])
    parser.add_argument("--days", type=int, default=10)
    arguments = parser.parse_args()
    about, taken = machine(), {}
    with tempfile.TemporaryDirectory() as folder:
        for columns in (*arguments.columns, 1_000_000):
            file = _file(Path(folder), columns, arguments.days if columns < 1_000_000 else 1)
            taken[columns] = seconds(lambda file=file: _read(file), repeats=3)
            file.unlink()
    print(describe(about))
    rows = [[f"{columns:,}", f"{spent:.2f}", f"{1e3 * spent / columns:.3f}"] for columns, spent in taken.items()]
    print(table(["columns", "seconds", "ms a column"], rows))
    content = {"days": arguments.days, "seconds": {str(columns): spent for columns, spent in taken.items()}}
    write_line("bench_wide", {"machine": about, "versions": versions("pandas"), **content})


def _file(folder: Path, columns: int, days: int) -> Path:
    file, dates = folder / "close.csv", np.busday_offset("2024-01-02", np.arange(days), roll="forward")
    with file.open("w", encoding="utf-8") as handle:
        handle.write("date," + ",".join(f"S{i}" for i in range(columns)) + "\n")
        for row, day in enumerate(dates):
            handle.write(f"{day}," + ",".join(f"{10 + (i + row) % 90}.5" for i in range(columns)) + "\n")
    return file


def _read(file: Path) -> None:
    with contextlib.suppress(DataError):
        read_bars(file)


if __name__ == "__main__":
    main()
