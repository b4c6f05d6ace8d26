"""A daily rebalance of 2,000 names: seconds of each stage over some days, and the same book however it is cut off.

Each day runs as the command of a user. Then the last day is run again from the state before it, killed (SIGKILL) as
soon as it has told of each stage, and at random instants, and run once more: its book must be that of the whole day.
With ``--kills 0`` days are timed alone.

Usage: python benchmarks/bench_rebalance.py FILE.parquet [--sectors FILE.csv] [--days 5] [--kills 20]
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line

from quantray.data.store import MarketStore
from quantray.serving.publish import Shelf

QUANTRAY = Path(sys.executable).with_name("quantray")
STAGES = (
    *("append", "load", "gate", "positions", "forecast", "optimise", "risk", "regimes", "schedule", "book", "publish"),
)
SETTINGS = """
name: US 2000
data: {{store: market, universe: {{preset: top2000}}{sectors}}}
allocator:
  name: MV
  rule: mean_variance
  estimator: statistical
  n_factors: 20
  max_weight: 0.02
  alpha: {{forecasts: {{control: reversal_gap}}, horizon_days: 5}}
lookback_days: 252
min_volatility: 0.05
accounting: {{initial_nav: 1000000000}}
threads: {threads}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sectors", type=Path)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--years", type=float, default=6.0, help="of history before the days")
    parser.add_argument("--threads", type=int, default=1, help="of a decision")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        days = prepared(folder, arguments)
        rows, whole = undisturbed(folder, days)
        stages, same = 0, 0
        if arguments.kills:
            stages, same = disturbed(folder, days[-1], arguments.kills, random.Random(arguments.seed))
    print(describe(about))
    names = [*STAGES[:-1], "in all"]
    middle = {name: float(np.median([taken.get(name, 0.0) for _, taken in rows])) for name in names}
    shown = [*rows, ("median", middle)]
    print(table(["day", *names], [[day, *(f"{taken.get(n, 0.0):.3f}" for n in names)] for day, taken in shown]))
    print(f"killed as a stage began: {stages}, at a random instant: {arguments.kills}; same book: {same}")
    content = {
        "days": dict(rows),
        "median": middle,
        "threads": arguments.threads,
        "killed": stages + arguments.kills,
        "same": same,
        "names": whole,
    }
    write_line(
        "bench_rebalance", {"machine": about, "seed": arguments.seed, "versions": versions("deltalake"), **content}
    )
    if same != stages + arguments.kills:
        raise SystemExit("a day that was cut off ended in another book")


def prepared(folder: Path, arguments: argparse.Namespace) -> list[Path]:
    """A store up to the days, the settings, and a file for each day."""
    bars = pd.read_parquet(arguments.file)
    bars["date"] = pd.to_datetime(bars["date"])
    last = bars["date"].drop_duplicates().sort_values()
    # The very last day of a file may be cut short.
    days = last.iloc[-arguments.days - 1 : -1]
    early = days.iloc[0] - pd.Timedelta(days=365.25 * arguments.years)
    before = folder / "before.parquet"
    bars[(bars["date"] >= early) & (bars["date"] < days.iloc[0])].to_parquet(before)
    MarketStore(folder / "market").import_bars(before)
    before.unlink()
    sectors = f", sectors: {arguments.sectors.resolve()}" if arguments.sectors else ""
    (folder / "daily.yaml").write_text(SETTINGS.format(sectors=sectors, threads=arguments.threads))
    files = []
    for day in days:
        files.append(folder / f"{day.date()}.parquet")
        bars[bars["date"] == day].to_parquet(files[-1])
    return files


def started(folder: Path, bars: Path) -> subprocess.Popen[str]:
    """The command of a user, in a folder."""
    command = [QUANTRAY, "rebalance", "daily.yaml", "--bars", bars.name]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finished(folder: Path, bars: Path) -> float:
    """Seconds that a day took, program start included."""
    begun = time.monotonic()
    running = started(folder, bars)
    _, told = running.communicate()
    if running.returncode:
        raise SystemExit(f"{bars.name}: {told.strip().splitlines()[-1]}")
    return time.monotonic() - begun


def undisturbed(folder: Path, days: list[Path]) -> tuple[list[tuple[str, dict[str, float]]], int]:
    """Day -> seconds of each stage; and how many names the last looked at. Keeps the state before the last."""
    rows: list[tuple[str, dict[str, float]]] = []
    for bars in days:
        if bars == days[-1]:
            keep(folder)
        taken = finished(folder, bars)
        record = json.loads((folder / "runs" / "daily" / "US 2000" / f"{bars.stem}.json").read_text())
        rows.append((bars.stem, record["seconds"] | {"in all": taken}))
    return rows, record["gate"]["n_names"]


def keep(folder: Path) -> None:
    for name in ("market", "books"):
        shutil.copytree(folder / name, folder / "kept" / name)


def restore(folder: Path) -> None:
    for name in ("market", "books"):
        shutil.rmtree(folder / name)
        shutil.copytree(folder / "kept" / name, folder / name)


def disturbed(folder: Path, bars: Path, kills: int, draw: random.Random) -> tuple[int, int]:
    """How many stages there were to be killed at, and how often the day then ended in the same book."""
    shelf = Shelf.at(str(folder / "books"))
    whole = shelf.latest()
    begun = time.monotonic()
    restore(folder)
    finished(folder, bars)
    length = time.monotonic() - begun
    same = 0
    for cut in [*STAGES, *(draw.uniform(0.3, length) for _ in range(kills))]:
        restore(folder)
        killed(folder, bars, cut)
        finished(folder, bars)
        found = shelf.latest()
        same += found == whole and len(shelf.place.names("books")) == len(shelf.days())
    return len(STAGES), same


def killed(folder: Path, bars: Path, cut: str | float) -> None:
    """Kill a day as it tells of a stage, or after so many seconds."""
    running = started(folder, bars)
    assert running.stderr is not None
    if isinstance(cut, float):
        try:
            running.wait(timeout=cut)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
    else:
        for line in running.stderr:
            if line.startswith(cut):
                running.send_signal(signal.SIGKILL)
                break
    running.stderr.close()
    running.wait()


if __name__ == "__main__":
    main()
