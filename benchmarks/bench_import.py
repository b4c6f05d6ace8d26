"""Import and check of millions of rows, as commands and step by step, against the floor and another version.

Usage: python benchmarks/bench_import.py FILE.parquet [--repeats 15] [--before FOLDER]

The floor reads the file with pyarrow, sorts it by date (its rows come by symbol), and writes one Delta table by years
with the same compression, in a process of its own. ``--before`` names a folder with another version's ``quantray``,
whose commands run in turn with these. Seconds of processor time (of all threads, the system's included) are what a busy
machine leaves to compare; the peak is the largest resident memory of the process. Medians of the repeats.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _record import describe, machine, table, versions, write_line

FLOOR = """
import sys
import numpy as np, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
from deltalake import WriterProperties, write_deltalake
rows = pq.read_table(sys.argv[1])
days = rows["date"].cast(pa.int32()).to_numpy()
rows = rows.take(np.argsort((days - days.min()).astype(np.uint16), kind="stable"))
rows = rows.append_column("year", pc.year(rows["date"]))
kinds = {"date": pa.date32(), "symbol": pa.string(), "year": pa.int64()}
made = pa.table({name: rows[name].cast(kinds.get(name, pa.float64())) for name in rows.column_names})
write_deltalake(
    sys.argv[2], made, partition_by=["year"], writer_properties=WriterProperties(compression="ZSTD")
)
"""
COMMAND = "from quantray.cli import main; main()"
START = "import quantray.cli, quantray.data.store"


def measured(code: str, *arguments: str, package: Path | None = None) -> dict[str, float]:
    """A program in a process of its own: wall and processor seconds, and its peak in MiB."""
    environment = dict(os.environ) if package is None else os.environ | {"PYTHONPATH": str(package)}
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir()
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed")
    wall = time.perf_counter() - start
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def once(file: Path, package: Path | None) -> dict[str, dict[str, float]]:
    """Start, import and check of one version."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/market"
        return {
            "start": measured(START, package=package),
            "import": measured(COMMAND, "data", "import", str(file), "--store", store, package=package),
            "check": measured(COMMAND, "data", "check", str(file), package=package),
            "report": measured(COMMAND, "data", "check", "--store", store, package=package),
        }


def floor(file: Path) -> dict[str, float]:
    """Reading, sorting and writing once, without a look at what is there."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(FLOOR, str(file), f"{folder}/table")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--before", type=Path, help="folder that holds another version's quantray")
    arguments = parser.parse_args()
    file = arguments.file.resolve()
    about = machine()
    print(describe(about))
    sides: dict[str, Path | None] = {"now": None}
    if arguments.before is not None:
        sides["before"] = arguments.before.resolve()
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(arguments.repeats):
        runs.setdefault("floor", []).append(floor(file))
        for side, package in sides.items():
            for work, found in once(file, package).items():
                runs.setdefault(f"{work}, {side}", []).append(found)
    middle = {
        name: {key: statistics.median(one[key] for one in each) for key in ("wall", "cpu", "peak_mib")}
        for name, each in runs.items()
    }
    rows = [[name, *(f"{found[key]:,.2f}" for key in ("wall", "cpu", "peak_mib"))] for name, found in middle.items()]
    print(table(["work", "seconds", "of the processor", "peak, MiB"], rows))
    content = {"file": file.name, "repeats": arguments.repeats, "median": middle}
    write_line("bench_import", {"machine": about, "versions": versions("pandas", "pyarrow", "deltalake"), **content})


if __name__ == "__main__":
    main()
