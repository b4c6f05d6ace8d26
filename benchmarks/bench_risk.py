"""The whole risk report of a book, with and without Monte Carlo, and what Riskfolio-Lib and skfolio share of it.

Usage: python benchmarks/bench_risk.py [--seed 0] [--runs 250] [--skip-peers]

A report has value-at-risk and expected shortfall by seven methods, marginal, component and incremental, the tree of
risks, groups, concentration, liquidity, six scenarios with full revaluation, and eight kinds of limits. Each run has a
book and a market of its own, made outside the clock, so that nothing is remembered from the run before. With Monte
Carlo 10,000 scenarios of Student's t come from the factor model. Targets are for the quietest stretch of 50 runs, for
others may use the machine; all runs are told beside it.

The peers compute historical value-at-risk and expected shortfall of the same portfolio from the same returns, and
contributions to its expected shortfall; quantray's part of that is timed alone, too. Quantiles differ by convention in
the third digit, contributions not at all. Set OMP_NUM_THREADS=1 for one thread. Exit code 1 when a target is missed.
"""

import argparse
import gc
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pandas as pd
from _books import SimulatedBook, simulated_book
from _record import describe, machine, seconds, table, versions, write_line

from quantray.risk.report import ReportSettings, assess
from quantray.risk.reporting.sections import RiskReport
from quantray.risk.tail import component_shortfall, expected_shortfall, historical_var

FACTORS, DAYS = 20, 500
SIZES = (100, 300, 1000, 3000, 10_000)
SCENARIOS = 10_000
STRETCH = 50
MEDIAN_MS, P99_MS, SIMULATED_MS = 5.0, 10.0, 100.0


class Timing(NamedTuple):
    """Seconds of one report."""

    median: float
    p99: float
    quiet: float
    """Median of the quietest stretch of runs, on a machine that others use, too."""
    quiet_p99: float
    cpu: float
    """Median of the processor's time."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated books")
    parser.add_argument("--runs", type=int, default=250, help="of the report of 1,000 positions")
    parser.add_argument("--skip-peers", action="store_true", help="measure quantray alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    about = machine()
    print(f"Risk report, {FACTORS} factors, {DAYS} days, seed {arguments.seed}")
    print(describe(about))
    sizes = {n: measured(simulated_book(n, FACTORS, DAYS, seed=arguments.seed), arguments.runs) for n in SIZES}
    rows = [
        [f"{n:,}", *(f"{value * 1e3:,.1f}" for value in (*plain, *drawn)), f"{kept * 1e3:,.1f}"]
        for n, (plain, drawn, kept) in sizes.items()
    ]
    each = ["median", "p99", "quietest", "its p99", "CPU"]
    titles = ["positions, ms", *each, *(f"drawn, {name}" for name in each), "JSON, both ways"]
    print(table(titles, rows))
    plain, drawn, _ = sizes[1000]
    missed = targets_missed(plain, drawn)
    peers = {} if arguments.skip_peers else shared(simulated_book(1000, FACTORS, DAYS, seed=arguments.seed))
    for name, (took, error) in peers.items():
        print(f"{name}: {took * 1e3:,.2f} ms, largest relative difference {error:.1e}")
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", *installed()),
        "seed": arguments.seed,
        "factors": FACTORS,
        "days": DAYS,
        "runs": arguments.runs,
        "scenarios": SCENARIOS,
        "report_seconds": {str(n): [round(value, 6) for value in each[0]] for n, each in sizes.items()},
        "simulated_seconds": {str(n): [round(value, 6) for value in each[1]] for n, each in sizes.items()},
        "shared_seconds": {name: round(took, 6) for name, (took, _) in peers.items()},
        "shared_difference": {name: float(f"{error:.3g}") for name, (_, error) in peers.items()},
        "targets": {"median_ms": MEDIAN_MS, "p99_ms": P99_MS, "simulated_ms": SIMULATED_MS},
        "targets_missed": missed,
    }
    print(f"written: {write_line('bench_risk', line).name}")
    print("\n".join(f"MISSED: {text}" for text in missed) or "all targets reached")
    return 1 if missed else 0


def measured(book: SimulatedBook, runs: int) -> tuple[Timing, Timing, float]:
    """A report without and with Monte Carlo; and seconds of JSON both ways."""
    runs = runs if len(book.holdings) == 1000 else STRETCH
    plain = timed(book, ReportSettings(), runs)
    drawn = timed(book, ReportSettings(simulations=SCENARIOS), STRETCH)
    report = assess(book.holdings, book.market, book.model, book.limits)
    kept = seconds(lambda: RiskReport.from_json(report.to_json()), repeats=5)
    return plain, drawn, kept


def timed(book: SimulatedBook, settings: ReportSettings, runs: int) -> Timing:
    trade = {"the first sold": np.where(np.arange(len(book.holdings)) == 0, -book.holdings.quantity, 0.0)}
    wall, cpu = [], []
    gc.collect()
    for run in range(runs + 3):
        # Prices and quantities move from run to run, and the model is fitted anew.
        holdings = replace(book.holdings, quantity=book.holdings.quantity * (1 + 1e-6 * run))
        market = replace(book.market, levels=book.market.levels * (1 + 1e-6 * run))
        model = replace(book.model)
        start, used = time.perf_counter(), time.process_time()
        report = assess(holdings, market, model, book.limits, settings=settings, trades=trade)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
        del report
    quiet = min((wall[start : start + STRETCH] for start in range(3, len(wall) - STRETCH + 1)), key=np.median)
    return Timing(
        float(np.median(wall[3:])),
        float(np.quantile(wall[3:], 0.99)),
        float(np.median(quiet)),
        float(np.quantile(quiet, 0.99)),
        float(np.median(cpu[3:])),
    )


def shared(book: SimulatedBook) -> dict[str, tuple[float, float]]:
    """Seconds, best of several, and the largest relative difference from quantray, of what the peers share."""
    weights = book.holdings.quantity * book.market.levels / book.holdings.nav
    returns = np.array(book.market.changes)

    def quantray() -> list[float]:
        gains = returns @ weights
        return [historical_var(gains, level=0.95), expected_shortfall(gains, level=0.95)]

    def contributions() -> list[float]:
        return component_shortfall(weights, returns, level=0.95).parts.tolist()

    found = {
        "quantray VaR and ES": (seconds(quantray, repeats=50), 0.0),
        "quantray contributions to ES": (seconds(contributions, repeats=20), 0.0),
    }
    for name, works in PEERS.items():
        if not find_spec(name):
            print(f"{name} is not installed and is left out")
            continue
        for what, (work, own) in works(weights, returns).items():
            expected = np.array(quantray() if own == "tail" else contributions())
            error = float(np.abs(np.array(work()) - expected).max() / np.abs(expected).max())
            found[f"{name} {what}"] = (seconds(work), error)
    return found


Works = dict[str, tuple[Callable[[], list[float]], str]]


def riskfolio(weights: np.ndarray, returns: np.ndarray) -> Works:
    from riskfolio.src import RiskFunctions as rk  # noqa: N813, PLC0415

    frame = pd.DataFrame(returns)
    column = pd.DataFrame(weights)

    def tail() -> list[float]:
        gains = returns @ weights
        return [float(rk.VaR_Hist(gains, 0.05)), float(rk.CVaR_Hist(gains, 0.05))]

    def contributions() -> list[float]:
        parts = rk.Risk_Contribution(column, frame, frame.cov(), rm="CVaR", rf=0, alpha=0.05)
        return np.asarray(parts).ravel().tolist()

    return {"VaR and ES": (tail, "tail"), "contributions to ES": (contributions, "contributions")}


def skfolio(weights: np.ndarray, returns: np.ndarray) -> Works:
    from skfolio import Portfolio, RiskMeasure  # noqa: PLC0415

    frame = pd.DataFrame(returns, columns=[f"N{i}" for i in range(len(weights))])

    def tail() -> list[float]:
        portfolio = Portfolio(X=frame, weights=weights)
        return [float(portfolio.value_at_risk), float(portfolio.cvar)]

    def contributions() -> list[float]:
        return Portfolio(X=frame, weights=weights).contribution(measure=RiskMeasure.CVAR).tolist()

    return {"VaR and ES": (tail, "tail"), "contributions to ES": (contributions, "contributions")}


PEERS: dict[str, Callable[[np.ndarray, np.ndarray], Works]] = {"riskfolio": riskfolio, "skfolio": skfolio}


def installed() -> list[str]:
    names = {"riskfolio": "riskfolio-lib", "skfolio": "skfolio"}
    return [name for module, name in names.items() if find_spec(module)]


def targets_missed(plain: Timing, drawn: Timing) -> list[str]:
    missed = []
    for what, value, most in (
        ("the median", plain.quiet, MEDIAN_MS),
        ("the 99th percentile", plain.quiet_p99, P99_MS),
        ("the median with Monte Carlo", drawn.quiet, SIMULATED_MS),
    ):
        if value * 1e3 > most:
            missed.append(f"{what} of 1,000 positions is {value * 1e3:.1f} ms, and at most {most:.0f} are allowed")
    return missed


if __name__ == "__main__":
    sys.exit(main())
