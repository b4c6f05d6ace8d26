"""Import of millions of rows: reading, checking and writing, in seconds.

Usage: python benchmarks/bench_import.py FILE.parquet [--repeats 3]
"""

import argparse
import tempfile
import time
from pathlib import Path

from _record import describe, machine, seconds, table, versions, write_line

from quantray.data.quality.examining import examine
from quantray.data.store import MarketStore
from quantray.data.vendors.importing import read_bars


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    about = machine()
    reading = seconds(lambda: read_bars(arguments.file), repeats=arguments.repeats)
    raw = read_bars(arguments.file)
    checking = seconds(lambda: examine(raw), repeats=arguments.repeats)
    whole = float("inf")
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            MarketStore(folder + "/market").import_bars(arguments.file)
            whole = min(whole, time.perf_counter() - start)
    print(describe(about))
    rows = [("read", reading), ("check and treat", checking), ("import in all", whole)]
    print(table(["work", "seconds"], [[name, f"{taken:.2f}"] for name, taken in rows]))
    content = {"rows": len(raw.frame), "read": reading, "examine": checking, "import": whole}
    write_line("bench_import", {"machine": about, "versions": versions("pandas", "pyarrow", "deltalake"), **content})


if __name__ == "__main__":
    main()
