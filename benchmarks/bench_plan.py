"""Plans against runs: what ``quantray plan`` says of studies on real prices, and what their runs took.

Usage: python benchmarks/bench_plan.py [--folder DIR] [--only KIND ...] [--calibrate 8] [--ray]

Each study is planned and then run, each in a fresh process, in this one alone (kind serial) and with one thread, so
that processor time can be compared where other programs run. What a command takes that only reads the settings is in
both. The data are members of the S&P 500 of 2021 from 2014 on, imported once into ``--folder``. Each study leaves a
line of its own, so that they may be measured one at a time with ``--only``. With ``--ray`` each runs on a Ray with two
workers instead; compared is what the largest of them held, and what the leading process put in the object store.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import psutil
import yaml
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA, store_of

FIRST = "2014-01-01"
NEAR = 0.30
"""Within which a plan counts as met."""
NETWORK = {
    "name": "LSTM",
    "attention": "none",
    "width": 16,
    "layers": 1,
    "heads": 2,
    "training": {"epochs": 4, "patience": 4, "steps": 10, "warm_up_days": 20},
}
FOLDS = {"train_days": 200, "valid_days": 30, "test_days": 60, "horizon": 5, "warm_up_days": 260}
ALLOCATORS = [
    {"name": "HRP", "rule": "hrp", "estimator": "ledoit_wolf"},
    {"name": "Min variance", "rule": "minimum_variance", "estimator": "statistical", "max_weight": 0.05},
    {"name": "Equal weight", "rule": "equal_weight"},
]
PORTFOLIOS = {"allocators": ALLOCATORS, "benchmark": "Equal weight", "folds": {"lookback_days": 252, "test_days": 126}}
STUDIES: dict[str, dict[str, Any]] = {
    "portfolios": PORTFOLIOS,
    "capacity": PORTFOLIOS | {"aums": [1e8, 1e9, 1e10], "execution_days": [1, 3]},
    "forecasts": {"models": [NETWORK], "seeds": 2, "folds": FOLDS | {"most": 4}, "band": 150},
    "scale": {"models": [NETWORK], "seeds": 1, "folds": FOLDS | {"most": 2}, "sizes": [50, 100, 200]},
    "sweep": {
        "strategies": ["momentum_10_50", "bollinger_20", "rsi_14", "breakout_20"],
        "regimes": {"method": "volatility"},
        "search": {"trials": 12, "min_days": 100},
        "folds": {"train_days": 504, "test_days": 126},
        "band": 100,
    },
    "combination": {
        "strategies": [{"entry": name, "count": 6} for name in ("momentum_5_20", "bollinger_20", "rsi_14", "pairs")],
        "band": 200,
        "ensemble": False,
    },
}


def settings_of(kind: str, folder: Path, runs: Path, cluster: dict[str, Any]) -> Path:
    """The file of a study."""
    content = dict(STUDIES[kind])
    band = content.pop("band", None)
    data = {"kind": "store", "store": str(folder / "market")}
    if band:
        data["universe"] = {"band": [1, band]}
    content |= {"kind": kind, "name": kind, "data": data, "runs": str(runs), "cluster": cluster}
    path = runs.parent / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def called(*arguments: str) -> tuple[str, float, float]:
    """What a command of quantray prints, its seconds and its processor time."""
    read, write = os.pipe()
    command = [sys.executable, "-m", "quantray.cli", *arguments]
    begun = perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = os.posix_spawn(
        sys.executable,
        command,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_CLOSE, read)],
    )
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return said, perf_counter() - begun, used.ru_utime + used.ru_stime


def measured(kind: str, folder: Path, calibrate: float) -> dict[str, float]:
    """A study, planned and run."""
    with tempfile.TemporaryDirectory() as place:
        path = str(settings_of(kind, folder, Path(place) / "runs", {"kind": "serial"}))
        _, _, reading = called("run", path, "--check")
        print(f"{kind} ...", flush=True)
        said, plan_seconds, plan_cpu = called("plan", path, "--json", "--calibrate", str(calibrate))
        _, seconds, cpu = called("run", path)
        (about,) = (Path(place) / "runs").glob(f"{kind}-*/study.json")
        planned, took = json.loads(said), json.loads(about.read_text())["took"]
    parts = took["parts"].values()
    return {
        "plan_seconds": plan_seconds,
        "plan_cpu": plan_cpu,
        "units_planned": planned["in_one_process"]["units"],
        "units": sum(part["units"] for part in parts),
        "unit_cpu_planned": sum(part["cpu_seconds"] for part in planned["parts"]),
        "unit_cpu": sum(part["cpu_seconds"] for part in parts),
        "cpu_planned": planned["in_one_process"]["cpu_seconds"] + reading,
        "cpu": cpu,
        "seconds_planned": planned["in_one_process"]["seconds"] + reading,
        "seconds": seconds,
        "memory_planned": planned["driver_bytes"],
        "memory": took["driver_peak_bytes"],
        "disk_planned": planned["disk_bytes"],
        "disk": took["results_bytes"] + took["files_bytes"],
    }


def on_ray(kind: str, folder: Path, calibrate: float) -> dict[str, float]:
    """A study, planned and run on two workers: what the largest of them held, and what they were given to share."""
    with tempfile.TemporaryDirectory() as place:
        path = str(settings_of(kind, folder, Path(place) / "runs", {"kind": "local", "cpus": 2}))
        print(f"{kind} on Ray ...", flush=True)
        planned = json.loads(called("plan", path, "--json", "--calibrate", str(calibrate))[0])
        process = subprocess.Popen([sys.executable, "-m", "quantray.cli", "run", path], stdout=subprocess.DEVNULL)
        worker, store = 0, 0
        while process.poll() is None:
            worker = max([worker, *(held_by(pid)["VmRSS"] for pid in workers_of(process.pid))])
            store = max(store, held_by(process.pid)["RssShmem"])
            sleep(0.1)
        if process.returncode:
            raise SystemExit(f"run {path} failed")
        (about,) = (Path(place) / "runs").glob(f"{kind}-*/study.json")
        took = json.loads(about.read_text())["took"]
    return {
        "workers": took["workers"],
        "worker_planned": planned["worker_bytes"],
        "worker": worker,
        "worker_noted": took["worker_peak_bytes"],
        "store_planned": planned["shared_bytes"],
        "store": store,
        "driver_planned": planned["driver_bytes"],
        "driver": took["driver_peak_bytes"],
    }


def workers_of(pid: int) -> list[int]:
    """Ray's workers below a process."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error, IndexError):
            found += [child.pid] if child.cmdline()[0].startswith("ray::") else []
    return found


def held_by(pid: int) -> Counter[str]:
    """Bytes by kind, as Linux tells them; none of a process that has ended. Of the object store what it touched."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return Counter()
    return Counter({name: 1024 * int(size.split()[0]) for name, size in (x.split(":") for x in lines if "kB" in x)})


def against(found: dict[str, float], what: str, scale: float = 1.0) -> str:
    """Planned and measured, and by how much the plan is above."""
    off = found[f"{what}_planned"] / found[what] - 1
    return f"{found[f'{what}_planned'] / scale:.3g} / {found[what] / scale:.3g} ({off:+.0%})"


def main() -> None:
    """Plan and run the studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "quantray-bench-plan")
    parser.add_argument("--only", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--calibrate", type=float, default=8.0)
    parser.add_argument("--ray", action="store_true", help="run on two workers, and compare their memory")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    store_of(DATA, arguments.folder, FIRST)
    about, rows = machine(), []
    print(f"seed 0, S&P 500 members from {FIRST}; {describe(about)}")
    sizes, counts = ("worker", "store", "driver"), ("workers",)
    if not arguments.ray:
        sizes, counts = ("memory", "disk"), ("units", "unit_cpu", "cpu", "seconds")
    for kind in arguments.only:
        found = (on_ray if arguments.ray else measured)(kind, arguments.folder, arguments.calibrate)
        promised = [what for what in ("units", "cpu", *sizes) if f"{what}_planned" in found]
        missed = [what for what in promised if abs(found[f"{what}_planned"] / found[what] - 1) > NEAR]
        cells = [against(found, w) if f"{w}_planned" in found else f"{found[w]:g}" for w in counts]
        rows.append([kind, *cells, *(against(found, w, 2**20) for w in sizes), ", ".join(missed) or "none"])
        write_line(
            "bench_plan",
            {
                "study": kind,
                "on_ray": arguments.ray,
                "settings": STUDIES[kind],
                "calibrate": arguments.calibrate,
                "missed": missed,
            }
            | {name: round(value, 3) for name, value in found.items()}
            | {"machine": about, "versions": versions("numpy")},
        )
    names = {"unit_cpu": "CPU s of units", "cpu": "CPU s", "seconds": "s"}
    titles = [*(names.get(what, what) for what in counts), *(f"MiB of {what}" for what in sizes)]
    print(table(("study", *titles, "missed"), rows))


if __name__ == "__main__":
    main()
