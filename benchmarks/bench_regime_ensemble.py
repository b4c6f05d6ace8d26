"""The regime-aware ensemble with and without its adjustments, and without regimes, on S&P 500 members after costs.

Usage: python benchmarks/bench_regime_ensemble.py [--data ../shared/data] [--names 100]

The members most traded in each month, from 2000; survivors only. Five lenses, sectors included, choose among the rules
of the map that ships with the package. Without adjustments size, stops, signals and turnover stay as they are; without
regimes the map's default, or equal shares of all its strategies, are held on all days. Half a spread of 5 bp is paid.
Differences of Sharpe ratios are paired, with block-bootstrap intervals. Nothing was chosen on these data.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.arrays import TRADING_DAYS
from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import NetReturns, net_of_costs
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.universe import RankBand, read_sectors
from quantray.regimes.indicators import five_lenses
from quantray.regimes.lens_settings import LensSettings
from quantray.strategies.ensemble import RegimeAwareEnsemble
from quantray.strategies.regime_map import RegimeMap
from quantray.strategies.rule import StrategyResult

FIRST = 504
"""Days before the ones that count: a year for the lenses, another for strategies' windows."""
COSTS = LinearCosts(half_spread_bps=5.0, commission_bps=0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "../shared/data", help="folder")
    parser.add_argument("--names", type=int, default=100, help="most traded members")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    panel, sectors = read(arguments.data, arguments.names)
    start = time.process_time()
    drift = five_lenses(panel, sectors).labels
    trend = five_lenses(panel, sectors, settings=LensSettings(market_by="trend")).labels
    whole = RegimeAwareEnsemble()
    bare = RegimeAwareEnsemble(whole.regime_map.model_copy(update={"adjustments": {}}))
    constant = bare.regime_map.model_copy(update={"rules": ()})
    names = whole.regime_map.strategies
    shared = RegimeMap(rules=(), default=dict.fromkeys(names, 1 / len(names)))
    ways = {
        "with adjustments": (whole, drift),
        "without adjustments": (bare, drift),
        "with adjustments, by trend": (whole, trend),
        "without adjustments, by trend": (bare, trend),
        "the map's default on all days": (RegimeAwareEnsemble(constant), drift),
        "equal shares on all days": (RegimeAwareEnsemble(shared), drift),
    }
    nets = {name: played(ensemble, panel, labels) for name, (ensemble, labels) in ways.items()}
    spent = time.process_time() - start
    figures = {name: measured(net, nets["equal shares on all days"]) for name, net in nets.items()}
    gain = sharpe_difference(nets["with adjustments"].returns[FIRST:], nets["without adjustments"].returns[FIRST:])
    rows = [[name, *(f"{one[key]:.2f}" for key in one if key != "days")] for name, one in figures.items()]
    print("\n" + table(["held", *(key for key in next(iter(figures.values())) if key != "days")], rows))
    print(f"adjustments add {gain.mean:+.2f} ({gain.interval.low:.2f} to {gain.interval.high:.2f})")
    content = {
        "machine": about,
        "versions": versions(),
        "days": len(panel.dates) - FIRST,
        "names": arguments.names,
        "seed": 0,
        "figures": figures,
        "adjustments_add": [gain.mean, gain.interval.low, gain.interval.high],
        "cpu_seconds": round(spent, 1),
    }
    print(f"\n{write_line('bench_regime_ensemble', content)}")
    return 0


def read(data: Path, names: int) -> tuple[Panel, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        store = MarketStore(Path(folder) / "market")
        store.import_bars(data / "sp500_1999_2021.parquet")
        panel = store.load(RankBand(1, names), "2000-01-01", "2021-12-31")
    return panel, dict(read_sectors(data / "sp500_sectors.csv"))


def played(ensemble: RegimeAwareEnsemble, panel: Panel, labels: dict[str, np.ndarray]) -> NetReturns:
    decided = ensemble.decide(panel, labels)
    return net_of_costs(StrategyResult(decided.weights, decided.overlay_returns), panel, costs=COSTS)


def measured(net: NetReturns, base: NetReturns) -> dict[str, float]:
    own, other = net.returns[FIRST:], base.returns[FIRST:]
    sharpe, gain = sharpe_interval(own), sharpe_difference(own, other)
    wealth = np.cumprod(1 + own)
    return {
        "sharpe": sharpe.mean,
        "low": sharpe.interval.low,
        "high": sharpe.interval.high,
        "over equal shares": gain.mean,
        "its low": gain.interval.low,
        "its high": gain.interval.high,
        "volatility": float(own.std(ddof=1) * np.sqrt(TRADING_DAYS)),
        "drawdown": float((1 - wealth / np.maximum.accumulate(wealth)).max()),
        "turnover": float(net.turnover[FIRST:].sum() / len(own) * TRADING_DAYS),
    }


if __name__ == "__main__":
    sys.exit(main())
