"""What users bring, on real prices: the same digest in this process and on Ray, after a kill too, and in the report.

Usage: python benchmarks/bench_own.py [--folder DIR] [--only KIND ...]

Studies with an allocator, costs, a strategy, a feature and forecasters of a user's own beside quantray's, and with what
skfolio, PyPortfolioOpt, scikit-learn and LightGBM have, on the 100 members of the S&P 500 of 2021 that are traded most,
or 20 where a decision takes a second, from 2016 on. Each runs alone in this process (serial), then on a Ray with two
workers whose driver is killed (SIGKILL) once half of the results are there, and again to the end. Compared are the
digests, and what of the first attempt was found again.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA

from quantray.data.store import MarketStore

FIRST = date(2016, 1, 1)
OWN = '''
import numpy as np
from sklearn.linear_model import HuberRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def frontier(returns):
    """Least variance by PyPortfolioOpt."""
    from pypfopt import EfficientFrontier

    front = EfficientFrontier(None, np.cov(returns, rowvar=False) * 252)
    front.min_volatility()
    return front.weights


def robust(epsilon=1.35):
    """Linear regression that outliers move little."""
    return make_pipeline(StandardScaler(), HuberRegressor(epsilon=epsilon, max_iter=1000))


def calm(returns, power=2.0):
    """Calm names get more."""
    weights = np.nanstd(returns, axis=0) ** -power
    return weights / weights.sum()


def tiered(trades, day, bps=4.0, least=1.0):
    """Basis points and the root of the share of the volume, a least amount for each trade."""
    usual = np.nan_to_num(day.fields["adv"], nan=1e6)
    return np.maximum(np.abs(trades) * 1e-4 * (bps + 50 * np.sqrt(np.abs(trades) / usual)), least)


def dip(panel, days=5):
    """Equal shares of what fell over some days."""
    change = moved(panel, days)
    held = (change < 0) & panel.member
    return held / np.maximum(held.sum(axis=1, keepdims=True), 1)


def moved(panel, days=5):
    close = panel.field("close")
    change = np.full(close.shape, np.nan)
    change[days:] = close[days:] / close[:-days] - 1
    return change
'''
STUDIES: dict[str, dict[str, Any]] = {
    "portfolios": {
        "allocators": [
            {"name": "Calm", "rule": "own_of_bench:calm"},
            {"name": "HRP", "rule": "hrp"},
            {"name": "Equal weight", "rule": "equal_weight"},
        ],
        "benchmark": "Equal weight",
        "folds": {"lookback_days": 252, "test_days": 42},
        "costs": {"model": "own_of_bench:tiered", "parameters": {"bps": 3.0}},
    },
    "rules": {
        "kind": "portfolios",
        "allocators": [
            {"name": "Mean-risk", "rule": "skfolio.optimization:MeanRisk", "parameters": {"l2_coef": 0.01}},
            {"name": "HRP-of-skfolio", "rule": "skfolio.optimization:HierarchicalRiskParity"},
            {"name": "Nested-clusters", "rule": "skfolio.optimization:NestedClustersOptimization"},
            {"name": "Frontier", "rule": "own_of_bench:frontier"},
            {"name": "Shrunk", "rule": "hrp", "estimator": "sklearn.covariance:OAS"},
            {"name": "HRP", "rule": "hrp"},
        ],
        "benchmark": "HRP",
        "min_history": 1.0,
        "folds": {"lookback_days": 252, "test_days": 63},
        "data": {"universe": {"band": [1, 20]}, "end": "2018-06-29"},
    },
    "sweep": {
        "strategies": [
            {"name": "Dip", "rule": "own_of_bench:dip", "ranges": {"days": {"low": 2, "high": 20, "step": 2}}},
            "rsi_14",
        ],
        "regimes": {"method": "volatility"},
        "search": {"method": "grid", "min_days": 100},
        "folds": {"train_days": 504, "test_days": 126},
        "sets_per_unit": 2,
    },
    "forecasts": {
        "models": [{"name": "Ridge", "kind": "ridge"}],
        "features": [{"name": "moved", "feature": "own_of_bench:moved", "lookback": 5}],
        "folds": {"train_days": 400, "valid_days": 60, "test_days": 63, "horizon": 5, "warm_up_days": 260},
    },
    "forecasters": {
        "kind": "forecasts",
        "models": [
            {"name": "Robust", "kind": "own_of_bench:robust"},
            {
                "name": "Forest",
                "kind": "sklearn.ensemble:ExtraTreesRegressor",
                "parameters": {"n_estimators": 20, "min_samples_leaf": 200},
            },
            {"name": "LightGBM", "kind": "lightgbm"},
            {"name": "Boosting", "kind": "sklearn.ensemble:HistGradientBoostingRegressor"},
            {"name": "LSTM", "attention": "none", "width": 8, "layers": 1, "heads": 2, "training": {"epochs": 2}},
        ],
        "seeds": 1,
        "folds": {"train_days": 252, "valid_days": 60, "test_days": 126, "warm_up_days": 260, "most": 2},
    },
}
NAMES = {
    "portfolios": ("Calm",),
    "rules": ("Mean-risk", "HRP-of-skfolio", "Nested-clusters", "Frontier", "Shrunk"),
    "sweep": ("Dip",),
    "forecasts": ("Ridge",),
    "forecasters": ("Robust", "Forest", "LightGBM", "Boosting", "LSTM"),
}
"""Of what is looked for in the report."""


def settings_of(kind: str, folder: Path, runs: Path, cluster: dict[str, Any]) -> Path:
    """The file of a study."""
    data = {"kind": "store", "store": str(folder / "market"), "universe": {"band": [1, 100]}}
    asked = {"kind": kind} | STUDIES[kind]
    content = asked | {"name": kind, "runs": str(runs), "cluster": cluster, "data": data | asked.get("data", {})}
    path = runs.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(content))
    return path


def imported(folder: Path) -> None:
    """The store and the user's module, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own_of_bench.py").write_text(OWN)
    if (folder / "market").exists():
        return
    bars = pd.read_parquet(DATA / "sp500_1999_2021.parquet").dropna(subset=["symbol"])
    bars[bars["date"] >= FIRST].to_parquet(folder / "bars.parquet")
    MarketStore(folder / "market").import_bars(folder / "bars.parquet")


def started(path: Path, folder: Path) -> subprocess.Popen[bytes]:
    """A study under way, which finds the user's module."""
    command = [sys.executable, "-m", "quantray.cli", "run", str(path)]
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def finished(process: subprocess.Popen[bytes], runs: Path) -> dict[str, Any]:
    """What a study says of itself."""
    if process.wait():
        raise SystemExit(f"the study in {runs} ended with {process.returncode}")
    (about,) = runs.glob("*/study.json")
    found: dict[str, Any] = json.loads(about.read_text())
    return found


def results(runs: Path) -> int:
    """How many units are done."""
    return len(list(runs.glob("results/??/*.parquet")))


def killed(process: subprocess.Popen[bytes], runs: Path, at: int) -> int:
    """How many units were done when the driver was killed."""
    while results(runs) < at and process.poll() is None:
        time.sleep(0.05)
    # Its Ray notices, and ends.
    process.send_signal(signal.SIGKILL)
    process.wait()
    return results(runs)


def measured(kind: str, folder: Path) -> dict[str, Any]:
    """A study, run alone, and on Ray with a kill half way."""
    with tempfile.TemporaryDirectory(prefix="quantray-own-") as place:
        alone, on_ray = Path(place) / "alone", Path(place) / "ray"
        print(f"{kind} ...", flush=True)
        begun = time.perf_counter()
        serial = finished(started(settings_of(kind, folder, alone, {"kind": "serial"}), folder), alone)
        seconds, units = time.perf_counter() - begun, results(alone)
        path = settings_of(kind, folder, on_ray, {"kind": "local", "cpus": 2})
        kept = killed(started(path, folder), on_ray, max(1, units // 2))
        ray = finished(started(path, folder), on_ray)
        (report,) = on_ray.glob("*/report.html")
        page = report.read_text()
        return {
            "kind": kind,
            "units": units,
            "kept": kept,
            "reused": ray["reused"],
            "equal": ray["digest"] == serial["digest"],
            "in_report": all(name in page for name in NAMES[kind]),
            "digest": serial["digest"][:12],
            "serial_seconds": round(seconds, 1),
        }


def main() -> None:
    """Run the studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "quantray-bench-own")
    parser.add_argument("--only", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    imported(arguments.folder)
    rows = []
    for kind in arguments.only:
        found = measured(kind, arguments.folder)
        write_line("bench_own", {"machine": about, "versions": versions("ray", "scikit-learn", "skfolio"), **found})
        rows.append([kind, *(str(found[name]) for name in list(found)[1:])])
    print(table(["study", "units", "done at the kill", "reused", "equal", "in report", "digest", "s alone"], rows))


if __name__ == "__main__":
    main()
