"""Peaks of memory, against the panel that the work is about: import, load, walk-forward and HRP on many names.

Usage: python benchmarks/bench_memory.py [--assets 1000 2000 5000] [--days 5000] [--hrp 20000] [--file FILE.parquet]

Each piece of work runs in a process of its own. Its peak is the largest resident memory less what the process held
before it began, and the panel is that of the fields asked for, 8 bytes a cell; of a walk-forward, that of all five
fields of the store. ``--file`` adds the import of a file of
real bars. A walk-forward is a whole study on the store, in this process: two allocators, monthly, with accounts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line

from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.portfolio.hrp_large import hrp_large_weights
from quantray.research.executor import Serial
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

WORKS = ("import", "load", "load close", "walk-forward")


def resident(name: str) -> int:
    """A line of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def simulated(folder: Path, assets: int, days: int) -> None:
    """Bars of a simulated market as a file."""
    bars = simulate_market(assets, days, seed=0).panel.to_long()
    bars[["date", "symbol", "open", "high", "low", "close", "volume"]].to_parquet(folder / "bars.parquet")


def imported(folder: Path) -> int:
    """Import a file; the bytes of the panel that it makes."""
    report = MarketStore(folder / "market").import_bars(folder / "bars.parquet")
    n_days = len(pd.bdate_range(report.first, report.last)) * 252 // 261
    return report.n_assets * n_days * 8 * 5


def loaded(folder: Path, fields: tuple[str, ...] | None) -> int:
    """Load a panel; its bytes."""
    panel = MarketStore(folder / "market").load(fields=fields)
    return sum(values.nbytes for values in panel.fields.values())


def walked(folder: Path) -> int:
    """A study on the store; the bytes of the panel of all five fields."""
    settings = PortfolioSettings.model_validate(
        {
            "kind": "portfolios",
            "name": "memory",
            "data": {"kind": "store", "store": str(folder / "market")},
            "folds": {"kind": "rolling", "lookback_days": 252, "test_days": 126},
            "allocators": [
                {"name": "Inverse volatility", "rule": "inverse_volatility"},
                {"name": "Equal weight", "rule": "equal_weight"},
            ],
            "benchmark": "Equal weight",
            "runs": str(folder / "runs"),
        }
    )
    source = load_portfolios(settings)
    run_portfolios(source, Serial())
    return source.data.panel.field("close").nbytes * 5


def clustered(assets: int) -> int:
    """HRP of many names on 504 days; the bytes of their returns."""
    returns = np.random.default_rng(0).standard_normal((504, assets)) * 0.01
    hrp_large_weights(returns)
    return returns.nbytes


def work(name: str, folder: Path, assets: int, days: int) -> None:
    """One piece of work, reported on the last line."""
    before, start = resident("VmRSS"), time.perf_counter()
    if name == "simulate":
        simulated(folder, assets, days)
        panel = assets * days * 8 * 5
    elif name == "import":
        panel = imported(folder)
    elif name == "walk-forward":
        panel = walked(folder)
    elif name == "hrp":
        panel = clustered(assets)
    else:
        panel = loaded(folder, ("close",) if name == "load close" else None)
    took = time.perf_counter() - start
    print(json.dumps({"peak": resident("VmHWM") - before, "panel": panel, "seconds": round(took, 2)}))


def measured(name: str, folder: Path, assets: int, days: int) -> dict[str, float]:
    """A piece of work in a process of its own."""
    arguments = [sys.executable, __file__, "--work", name, str(folder), str(assets), str(days)]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found | {"ratio": round(found["peak"] / found["panel"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="*", default=[1000, 2000, 5000])
    parser.add_argument("--days", type=int, default=5000)
    parser.add_argument("--hrp", type=int, nargs="*", default=[20000], help="names of HRP")
    parser.add_argument("--file", type=Path, help="bars to import beside the simulated ones")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, folder, assets, days = arguments.work
        work(name, Path(folder), int(assets), int(days))
        return
    about = machine()
    print(describe(about))
    rows = []

    def note(what: str, name: str, folder: Path, assets: int = 0) -> None:
        found = measured(name, folder, assets, arguments.days)
        mib = f"{found['peak'] / 2**20:,.0f}", f"{found['panel'] / 2**20:,.0f}"
        rows.append([f"{name}, {what}", *mib, f"{found['ratio']:.1f}", f"{found['seconds']:.1f}"])
        print("  ".join(rows[-1]), flush=True)
        content = {"machine": about, "versions": versions("numpy", "pandas", "pyarrow"), "work": name, "size": what}
        write_line("bench_memory", content | found)

    for assets in arguments.assets:
        with tempfile.TemporaryDirectory() as folder:
            size = f"{assets:,} x {arguments.days:,}"
            for name in ("simulate", *WORKS):
                note(size, name, Path(folder), assets)
    for assets in arguments.hrp:
        note(f"{assets:,} names", "hrp", Path("."), assets)
    if arguments.file:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "bars.parquet").symlink_to(arguments.file.resolve())
            for name in ("import", "load"):
                note(arguments.file.name, name, Path(folder))
    print(table(["work", "peak, MiB", "panel, MiB", "ratio", "seconds"], rows))


if __name__ == "__main__":
    main()
