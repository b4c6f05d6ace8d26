"""The service under load, on the loopback: reads, what-ifs, and a replica that is killed meanwhile.

Starts it on a Ray of this machine with a book of 2,000 names, as `quantray serve` does. Some threads of one other
process read for some seconds; then twelve ask for a what-if at once; then a replica is killed while they read.

Usage: python benchmarks/bench_service.py [--seconds 8] [--readers 8] [--names 2000]
"""

import argparse
import multiprocessing
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import numpy as np
import psutil
import pyarrow as pa
from _record import describe, machine, table, versions, write_line

from quantray.daily.book import DOCUMENTS, TABLES, Book
from quantray.research.terms import ClusterSettings
from quantray.serving.auth import KeyRing
from quantray.serving.deployment import served
from quantray.serving.publish import Shelf
from quantray.serving.settings import ServiceSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--names", type=int, default=2000)
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        Shelf.at(str(folder / "books")).publish(book(arguments.names))
        key = KeyRing(folder / "keys").create("bench", ["read", "what-if"]).text
        settings = ServiceSettings(
            books=str(folder / "books"), keys=str(folder / "keys"), port=port, requests_per_minute=1_000_000
        )
        with served(settings, ClusterSettings(kind="local"), replicas=2):
            found = measured(f"http://127.0.0.1:{port}", key, arguments)
    print(describe(about))
    titles = ["route", "requests/s", "p50 ms", "p99 ms", "failed"]
    rows = [
        [route, f"{r['per_second']:.0f}", f"{r['p50']:.1f}", f"{r['p99']:.1f}", str(r["failed"])]
        for route, r in found["reads"].items()
    ]
    print(table(titles, rows))
    print(f"12 what-ifs at once: {found['what_ifs']}; reads meanwhile p99 {found['beside']['p99']:.1f} ms")
    print(f"a replica killed: {found['killed']['failed']} of {found['killed']['requests']} reads failed")
    print(f"two replicas again after {found['recovery']:.1f} s")
    write_line("bench_service", {"machine": about, "versions": versions("ray", "fastapi"), **vars(arguments), **found})


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def book(n: int) -> Book:
    """A book of n names with orders for all of them in eight slices, and a model of 20 factors."""
    draw = np.random.default_rng(0)
    names, day = [f"S{i:05d}" for i in range(n)], date(2024, 3, 28)
    price = draw.uniform(5, 300, n)
    shares = np.floor(0.95e9 / n / price).astype(np.int64)
    parents = {"parent": names, "symbol": names, "shares": shares, "algorithm": ["VWAP"] * n}
    costs = {"expected_cost": price, "expected_cost_bps": np.full(n, 5.0), "risk": price}
    start = datetime(2024, 4, 1, 13, 30, tzinfo=UTC)
    slices = [(i, k) for i in range(n) for k in range(8)]
    cut = np.array([shares[i] // 8 + (shares[i] % 8 if k == 7 else 0) for i, k in slices], dtype=np.int64)
    children = {
        "parent": [names[i] for i, _ in slices],
        "child": [f"{names[i]}-{k}" for i, k in slices],
        "symbol": [names[i] for i, _ in slices],
        "time": [start + timedelta(minutes=48 * k) for _, k in slices],
        "shares": cut,
        "venue": ["NYSE"] * len(slices),
        "algorithm": ["VWAP"] * len(slices),
        "limit": np.full(len(slices), np.nan),
    }
    weight = shares * price / 1e9
    tables = {
        "portfolio": {
            "symbol": names,
            "sector": [f"sector {i % 11}" for i in range(n)],
            "price": price,
            "weight_before": np.zeros(n),
            "weight": weight,
            "shares_before": np.zeros(n, dtype=np.int64),
            "shares": shares,
        },
        "parents": parents | costs,
        "children": children,
        "forecasts": {"symbol": names, "forecast": draw.normal(size=n)},
        "model": {
            "symbol": names,
            "specific_variance": np.full(n, 4e-4),
            "cost": np.full(n, 5e-4),
            "loadings": (draw.normal(size=(n, 20)) * 0.003).tolist(),
            "price": price,
            "adv": 1e8 / price,
            "volatility": np.full(n, 0.02),
            "spread_bps": np.full(n, 10.0),
        },
    }
    made = {name: pa.table(columns, schema=TABLES[name]) for name, columns in tables.items()}
    return Book(day, "bench", 1e9, 1 - float(weight.sum()), made, {name: {} for name in DOCUMENTS})


def measured(address: str, key: str, arguments: argparse.Namespace) -> dict[str, object]:
    """All that is measured."""
    routes = {
        "portfolio, JSON": ("/v1/portfolio", {}),
        "portfolio, Arrow": ("/v1/portfolio", {"Accept": "application/vnd.apache.arrow.stream"}),
        "portfolio, unchanged": ("/v1/portfolio", {"If-None-Match": "*"}),
        "orders of a symbol": ("/v1/schedule?symbol=S00001", {}),
    }
    reads = {
        name: load(address, key, path, headers, arguments.readers, arguments.seconds)
        for name, (path, headers) in routes.items()
    }
    asked: dict[str, int] = {}
    beside = beside_reads(address, key, arguments, lambda: asked.update(what_ifs(address, key)))
    recovery: list[float] = []
    killed = beside_reads(address, key, arguments, lambda: recovery.append(kill_replica()))
    return {"reads": reads, "what_ifs": asked, "beside": beside, "killed": killed, "recovery": recovery[0]}


def beside_reads(address: str, key: str, arguments: argparse.Namespace, work: object) -> dict[str, float]:
    """What reads take while something else is done."""
    doing = threading.Timer(1.0, work)  # type: ignore[arg-type]
    doing.start()
    path = "/v1/schedule?symbol=S00001"
    found = load(address, key, path, {}, arguments.readers, max(arguments.seconds, 12.0))
    doing.join()
    return found


def load(address: str, key: str, path: str, headers: dict[str, str], readers: int, seconds: float) -> dict[str, float]:
    """Reads of several threads of another process for some seconds."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(read_on, (address, key, path, headers, readers, seconds))


def read_on(
    address: str, key: str, path: str, headers: dict[str, str], readers: int, seconds: float
) -> dict[str, float]:
    """Requests per second, quantiles of their times, and how many failed."""
    end = time.monotonic() + seconds

    def reader(_: int) -> list[tuple[float, bool]]:
        taken = []
        signed = headers | {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=signed, timeout=30) as client:
            while time.monotonic() < end:
                begun = time.perf_counter()
                try:
                    good = client.get(path).status_code in (200, 304)
                except httpx.HTTPError:
                    good = False
                taken.append((1000 * (time.perf_counter() - begun), good))
        return taken

    with ThreadPoolExecutor(readers) as threads:
        all_taken = [each for some in threads.map(reader, range(readers)) for each in some]
    times = np.array([taken for taken, good in all_taken if good])
    p50, p99 = np.quantile(times, [0.5, 0.99])
    failed = sum(not good for _, good in all_taken)
    return {
        "per_second": len(times) / seconds,
        "p50": float(p50),
        "p99": float(p99),
        "failed": failed,
        "requests": len(all_taken),
    }


def what_ifs(address: str, key: str) -> dict[str, int]:
    """Status -> how many of twelve at once were answered with it."""
    request = {"alpha": {f"S{i:05d}": 0.001 * (i % 7 - 3) for i in range(1000)}, "max_weight": 0.01}

    def ask(_: int) -> int:
        signed = {"Authorization": f"Bearer {key}"}
        return httpx.post(f"{address}/v1/optimise", json=request, headers=signed, timeout=60).status_code

    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(ask, range(12)))
    return {str(status): statuses.count(status) for status in sorted(set(statuses))}


def kill_replica() -> float:
    """Kill one of two replicas that read; seconds until there are two again."""
    replicas()[0].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    while len(replicas()) < 2:
        time.sleep(0.05)
    return time.monotonic() - begun


def replicas() -> list[psutil.Process]:
    """Those of this program that read."""
    return [p for p in psutil.Process().children(recursive=True) if "ServeReplica:quantray:Books" in _title(p)]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


if __name__ == "__main__":
    main()
