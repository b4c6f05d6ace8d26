"""Do risk forecasts come true? Bias statistics of random and sector portfolios, month by month, for each estimator.

Usage: python benchmarks/bench_factor_bias.py [--data STORE_OR_PARQUET] [--sectors CSV] [--names 1000] [--seed 0]

At each month's end every estimator forecasts the variance of the same portfolios from what was known at that close. The
bias statistic of a portfolio is the standard deviation of its next month's returns over their forecasts: 1 is right,
below 1 the forecasts were too high, above 1 too low. The rolling deviation is the mean distance from 1 of the statistic
over twelve months; it punishes forecasts that are right on average only. For independent normal returns and perfect
forecasts it is 0.16.

Forecasts are of one day's variance times the month's days. Where returns reverse from day to day a month varies less
than that, so the statistic of the month's single days stands beside; Newey-West lags forecast for the longer horizon.

Portfolios are long-only: 200 random ones of 10 to 200 names, and every sector with ten names or more in equal weights;
and sectors against the universe in equal weights, where the market's risk cancels. The data hold survivors only.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.covariance.estimators import ESTIMATORS, ewma_covariance
from quantray.covariance.factor import FactorModel, fundamental_model, statistical_factors
from quantray.covariance.fundamental import FundamentalSettings, factor_history
from quantray.covariance.statistical import StatisticalSettings
from quantray.data.calendar import rebalance_dates
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.universe import RankBand, read_sectors
from quantray.features.returns import simple_returns

LOOKBACK = 504
PRICES = 756
KNOWN = 252
RANDOM = 200
ROLLING = 12
AIM = (0.9, 1.1)

SHARED = Path(__file__).parents[1] / "../shared/data"


@dataclass(frozen=True, eq=False)
class Review:
    """One month: what was known at its start, the portfolios, and what they earned."""

    close: np.ndarray
    volume: np.ndarray
    returns: np.ndarray
    """(LOOKBACK, N)."""
    sectors: list[str | None]
    portfolios: np.ndarray
    """(N, P)."""
    earned: np.ndarray
    """(P,) of the next month, and (D, P) by day."""
    daily: np.ndarray
    kinds: list[str]
    """(P,) name of each portfolio."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "us_equities_2010_2017.parquet"), help="market store or Parquet")
    parser.add_argument("--sectors", default=str(SHARED / "us_equities_sectors.csv"), help="CSV of symbol, sector")
    parser.add_argument("--names", type=int, default=1000, help="most traded names at each review")
    parser.add_argument("--seed", type=int, default=0, help="of the random portfolios")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    panel = load(arguments.data, arguments.names)
    sectors = read_sectors(arguments.sectors)
    months = reviews(panel, sectors, arguments.seed)
    scores: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    spent: dict[str, float] = defaultdict(float)
    kinds: list[str] = []
    first = last = ""
    for date, month in months:
        first, last, kinds = first or str(date), str(date), month.kinds
        for name, variances in forecasts(month, spent):
            deviation = np.sqrt(np.maximum(variances, 1e-12))
            scores[name]["month"].append(month.earned / (deviation * np.sqrt(len(month.daily))))
            scores[name]["day"].append(month.daily / deviation)
    n_months = len(next(iter(scores.values()))["month"])
    print(f"{arguments.names} most traded names, {n_months} months from {first} to {last}; survivors only")
    figures = {name: measures(found, np.array(kinds)) for name, found in scores.items()}
    seconds = {name: spent[name] / n_months for name in figures}
    print(shown(figures, seconds))
    low, high = AIM
    reached = {
        f"{name}, {horizon}": all(low <= figures[name][kind][horizon] <= high for kind in ("random", "sector"))
        for name in figures
        if name.startswith("fundamental")
        for horizon in ("monthly", "daily")
    }
    print(f"mean bias of random and of sector portfolios within {low} to {high}:")
    for name, found in reached.items():
        print(f"  {name}: {'reached' if found else 'MISSED'}")
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "scikit-learn"),
        "data": Path(arguments.data).name,
        "names": arguments.names,
        "months": n_months,
        "span": [first, last],
        "seed": arguments.seed,
        "lookback_days": LOOKBACK,
        "bias": figures,
        "seconds_per_review": {name: round(value, 4) for name, value in seconds.items()},
        "aim": AIM,
        "reached": reached,
    }
    print(f"written: {write_line('bench_factor_bias', line).name}")
    return 0


def load(source: str, names: int) -> Panel:
    """The panel of the names that were ever among the most traded, with point-in-time membership."""
    universe = RankBand(1, names)
    if Path(source).is_file():
        with tempfile.TemporaryDirectory() as folder:
            store = MarketStore(Path(folder) / "store")
            store.import_bars(source)
            return store.load(universe, fields=("close", "volume"))
    return MarketStore(source).load(universe, fields=("close", "volume"))


def reviews(panel: Panel, sectors: dict[str, str], seed: int) -> Iterator[tuple[np.datetime64, Review]]:
    """Every month end with enough history before it and a month after it."""
    close, volume = panel.field("close"), panel.field("volume")
    returns = simple_returns(close)
    rows = np.searchsorted(panel.dates, rebalance_dates(panel.dates, "monthly"))
    rows = rows[rows >= LOOKBACK]
    for number, (start, stop) in enumerate(pairwise(rows)):
        past = returns[start + 1 - LOOKBACK : start + 1]
        chosen = np.flatnonzero(panel.member[start] & ((~np.isnan(past)).sum(axis=0) >= KNOWN))
        chosen = chosen[np.nanstd(past[:, chosen], axis=0) > 1e-6]
        labels = [sectors.get(name) for name in panel.assets[chosen].tolist()]
        weights, kinds = portfolios(labels, np.random.default_rng(np.random.SeedSequence([seed, number])))
        # A name without a price on a day earns nothing on it; weights drift through the month.
        ahead = np.nan_to_num(returns[start + 1 : stop + 1, chosen])
        value = np.cumprod(1 + ahead, axis=0) @ weights + (1 - weights.sum(axis=0))
        daily = np.diff(np.vstack([np.ones(weights.shape[1]), value]), axis=0)
        prices = slice(max(0, start + 1 - PRICES), start + 1)
        yield (
            panel.dates[start],
            Review(
                np.ascontiguousarray(close[prices][:, chosen]),
                np.ascontiguousarray(volume[prices][:, chosen]),
                np.ascontiguousarray(past[:, chosen]),
                labels,
                weights,
                value[-1] - 1,
                daily,
                kinds,
            ),
        )


def portfolios(labels: list[str | None], generator: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """(N, P) weights and the name of each portfolio; sectors always stand in the same order."""
    n_assets = len(labels)
    columns, kinds = [], []
    for number, size in enumerate(np.geomspace(10, min(200, n_assets), RANDOM).astype(int)):
        held = generator.choice(n_assets, size, replace=False)
        weights = np.zeros(n_assets)
        weights[held] = generator.dirichlet(np.ones(size))
        columns.append(weights)
        kinds.append(f"random {number}")
    given = np.array([label or "" for label in labels])
    for sector in sorted(set(given.tolist()) - {""}):
        inside = given == sector
        if inside.sum() >= 10:
            columns += [inside / inside.sum(), inside / inside.sum() - 1 / n_assets]
            kinds += [f"sector {sector}", f"active {sector}"]
    return np.column_stack(columns), kinds


def forecasts(month: Review, spent: dict[str, float]) -> list[tuple[str, np.ndarray]]:
    """Variance of each portfolio over the next day, by each estimator."""
    estimators: dict[str, Callable[[], np.ndarray | FactorModel]] = {
        name: (lambda estimate=estimate: estimate(month.returns).matrix)
        for name, estimate in ESTIMATORS.items()
        # OAS is within .01 of Ledoit-Wolf and takes scikit-learn twenty times as long.
        if name not in ("ewma", "oas")
    }
    estimators["ewma, decay 0.94"] = lambda: ewma_covariance(month.returns).matrix
    estimators["ewma, half-life 63"] = lambda: ewma_covariance(month.returns, half_life=63).matrix
    estimators["statistical"] = lambda: statistical_factors(month.returns)
    recent = StatisticalSettings(half_life=126)
    estimators["statistical, half-life 126"] = lambda: statistical_factors(month.returns, settings=recent)
    settings = FundamentalSettings()
    start = time.perf_counter()
    history = factor_history(month.close, month.volume, sectors=month.sectors, settings=settings)
    regression = time.perf_counter() - start
    variants = {
        "fundamental": settings,
        "fundamental, no regime": replace(settings, volatility_regime=False),
        "fundamental, 5 lags": replace(settings, newey_west_lags=5),
    }
    for name, variant in variants.items():
        estimators[name] = lambda variant=variant: fundamental_model(history, variant)
        spent[name] += regression
    out = []
    for name, estimate in estimators.items():
        start = time.perf_counter()
        model = estimate()
        spent[name] += time.perf_counter() - start
        applied = model.apply(month.portfolios) if isinstance(model, FactorModel) else model @ month.portfolios
        out.append((name, np.einsum("np,np->p", month.portfolios, applied)))
    return out


def measures(found: dict[str, list[np.ndarray]], kinds: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean bias statistics over the portfolios of each kind, their spread, and the rolling deviation."""
    monthly, daily = np.array(found["month"]), np.vstack(found["day"])
    out = {}
    for kind in ("random", "sector", "active"):
        own = np.char.startswith(kinds, kind)
        bias = monthly[:, own].std(axis=0, ddof=1)
        windows = np.lib.stride_tricks.sliding_window_view(monthly[:, own], ROLLING, axis=0)
        out[kind] = {
            "monthly": round(float(bias.mean()), 3),
            "low": round(float(np.quantile(bias, 0.05)), 3),
            "high": round(float(np.quantile(bias, 0.95)), 3),
            "within_aim": round(float(((bias >= AIM[0]) & (bias <= AIM[1])).mean()), 3),
            "rolling_deviation": round(float(np.abs(windows.std(axis=-1, ddof=1) - 1).mean()), 3),
            "daily": round(float(daily[:, own].std(axis=0, ddof=1).mean()), 3),
        }
    return out


def shown(figures: dict[str, dict[str, dict[str, float]]], seconds: dict[str, float]) -> str:
    rows = []
    for name, kinds in figures.items():
        cells = [name]
        for kind in ("random", "sector", "active"):
            own = kinds[kind]
            cells += [f"{own['monthly']:.2f} ({own['low']:.2f}-{own['high']:.2f})"]
            cells += [f"{own['rolling_deviation']:.2f}", f"{own['daily']:.2f}"]
        rows.append([*cells, f"{seconds[name]:.2f}"])
    titles = ["estimator"]
    for kind in ("random", "sector", "active"):
        titles += [f"{kind} bias (5-95 %)", "rolling", "daily"]
    return table([*titles, "s/review"], rows)


if __name__ == "__main__":
    sys.exit(main())
