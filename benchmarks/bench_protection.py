"""What drawdown protection, a volatility target and dynamic scaling cost on 20 years of prices, and what they saved.

Usage: python benchmarks/bench_protection.py [--data FOLDER] [--samples 2000] [--block 126] [--seed 0]

Three portfolios of the S&P 500 members (equal weight, HRP and minimum variance, long only) are decided at each month's
end on the year before, among names with every price of it, and traded a day later. Over each lie overlays, decided at
every close and traded a day later, at 5 bp of the money traded:

* protection: exposure cut to 75, 50 and 25 % at falls of 5, 10 and 15 % below the high, each undone at 2 % less;
* the same, counting highs of the last year only;
* volatility: exposure for a yearly volatility of 10 %, by squared returns that halve in 20 days, never above 1;
* VaR limit: exposure cut so that the VaR at 99 % is 2 % of NAV, by the last 500 days, all alike, which is slow to see;
* the same, with a level that trust in that forecast lowers to 1 % at worst (hits of the VaR at 95 %);
* scaling: positions cut by what they add to the VaR, until that is 2 % of NAV at 99 %, by a statistical model of ten
  factors on 252 days that halve in 42, fitted each week.

What is not invested earns the one-month bill rate (Fama and French; after November 2018 its last value). Each overlay
is compared with the portfolio as it is, and with a constant part of it, the rest in bills, of the same volatility:
falls that such a part does not have as well are what the overlay saved by its timing. Intervals of these differences
are from a block bootstrap of days, the same for both. A sale that was bought back dearer is a whipsaw.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA, Prices, read

from quantray.analytics.bootstrap import Resampling, interval
from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import net_returns
from quantray.covariance.estimators import ledoit_wolf_covariance
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.covariance.statistical import StatisticalSettings
from quantray.data.calendar import rebalance_dates
from quantray.data.panel import Panel
from quantray.features.returns import simple_returns
from quantray.portfolio.diversification import minimum_variance_weights
from quantray.portfolio.hrp import hrp_weights
from quantray.portfolio.naive import equal_weights
from quantray.risk.drawdown import Protection, protected_exposure
from quantray.risk.limiting.limit_levels import Conditions, moved_levels
from quantray.risk.limiting.trust import Trust, trust_scores
from quantray.risk.limits import Limit, Moves
from quantray.risk.overlay import overlaid, whipsaws
from quantray.risk.positions.book import Book
from quantray.risk.scaling import dynamic_scaling
from quantray.risk.sizing import volatility_exposure
from quantray.risk.tail import historical_var

LOOKBACK, HISTORY, COSTS, BAND = 252, 500, 5.0, 0.02
MEASURES = ("return", "volatility", "Sharpe", "drawdown", "ES")
FORMATS = {
    "return": "{:.1%}",
    "volatility": "{:.1%}",
    "Sharpe": "{:.2f}",
    "drawdown": "{:.1%}",
    "ES": "{:.2%}",
    "exposure": "{:.2f}",
    "traded": "{:.1f}",
    "cost_bps": "{:.1f}",
    "autumn 2008": "{:.0%}",
    "March 2020": "{:.0%}",
}
CRISES = {"autumn 2008": ("2008-09-01", "2009-03-09"), "March 2020": ("2020-02-19", "2020-03-23")}


@dataclass(frozen=True, eq=False)
class Way:
    """One way through the years; all (T,)."""

    returns: np.ndarray
    exposure: np.ndarray
    traded: np.ndarray
    """Of the exposure, sold negative."""
    costs: np.ndarray


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--samples", type=int, default=2000, help="bootstrapped series")
    parser.add_argument("--block", type=int, default=126, help="days in a block")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not (arguments.data / "sp500_1999_2021.parquet").is_file():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.perf_counter()
    print(describe(about))
    prices = read(arguments.data)
    panel = Panel(prices.dates, prices.names, {"close": prices.close}, np.isfinite(prices.close))
    bills = bill_returns(arguments.data, prices.dates)
    models = weekly_models(prices)
    resampling = Resampling(block=arguments.block, n_samples=arguments.samples, seed=arguments.seed)
    found = {name: study(name, panel, rule, models, bills, resampling) for name, rule in RULES.items()}
    elapsed = round(time.perf_counter() - start, 1)
    print(f"\n{arguments.samples} samples in blocks of {arguments.block} days, seed {arguments.seed}, {elapsed} s")
    size = {"samples": arguments.samples, "block": arguments.block, "seed": arguments.seed, "costs_bps": COSTS}
    content = {"machine": about, "versions": versions("numpy", "scipy"), **size, "seconds": elapsed}
    print(write_line("bench_protection", {**content, "portfolios": found}))
    return 0


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Equal weight": lambda returns: equal_weights(returns.shape[1]),
    "HRP": lambda returns: hrp_weights(ledoit_wolf_covariance(returns).matrix),
    "Minimum variance": lambda returns: minimum_variance_weights(ledoit_wolf_covariance(returns).matrix),
}


def study(
    name: str,
    panel: Panel,
    rule: Callable[[np.ndarray], np.ndarray],
    models: "dict[int, tuple[np.ndarray, FactorModel]]",
    bills: np.ndarray,
    resampling: Resampling,
) -> dict[str, object]:
    record = backtest(panel, monthly(panel, rule), costs=LinearCosts(half_spread_bps=COSTS), name=name)
    first = len(panel.dates) - len(record.dates)
    # From the first day on which the portfolio is held for a whole day.
    plain, cash, dates = record.returns[1:], bills[first + 2 :], record.dates[2:]
    ones = np.ones(len(plain))
    paths = {"as it is": Way(plain, ones, 0 * ones, 0 * ones)}
    rules = {"protection": Protection(lag=1), "protection, 1 year": Protection(lag=1, peak_days=LOOKBACK)}
    exposures = {label: protected_exposure(plain, each) for label, each in rules.items()}
    exposures["volatility"] = volatility_exposure(plain, target=0.10, lag=1)
    exposures |= dict(zip(("VaR limit", "VaR limit, trust"), limited(plain, dates), strict=True))
    for label, exposure in exposures.items():
        made = overlaid(plain, exposure, cost_bps=COSTS, cash=cash, band=BAND)
        paths[label] = Way(made.returns, made.exposure, made.traded, made.costs)
    paths["scaling"] = scaled(panel, record.weights[1:-1], first + 1, models, cash)
    return shown(name, paths, cash, dates, resampling)


def limited(returns: np.ndarray, dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) exposures within a limit on the VaR, fixed and moved by trust; row t knows the returns up to t - 2."""
    days, ones = range(HISTORY, len(returns)), np.ones(len(returns))
    var, often = (
        np.array([historical_var(returns[day - HISTORY : day], level=level) for day in days]) for level in (0.99, 0.95)
    )
    scores = trust_scores(-returns[HISTORY:] > often)
    limit = Limit(name="loss", metric="var", scope="book", soft=0.02, hard=0.02, moves=Moves(floor=0.01, trust=True))
    levels = np.array(
        [
            moved_levels([limit], Conditions(day=date, trust=Trust(float(score), "hits"))).limits[0].hard
            for date, score in zip(dates[HISTORY:], scores, strict=True)
        ]
    )
    found = []
    for level in (np.full(len(var), limit.hard), levels):
        exposure = ones.copy()
        # The VaR of a day knows the day before; trust knows the day itself. Both are a close before the trade.
        exposure[HISTORY + 2 :] = np.minimum(level[:-2] / var[1:-1], 1.0)
        found.append(exposure)
    return found[0], found[1]


def monthly(panel: Panel, rule: Callable[[np.ndarray], np.ndarray]) -> Decisions:
    returns = simple_returns(panel.field("close"))
    rows = np.flatnonzero(np.isin(panel.dates, rebalance_dates(panel.dates, "monthly")))
    rows = rows[rows >= LOOKBACK]
    weights = np.zeros((len(rows), len(panel.assets)))
    for i, row in enumerate(rows.tolist()):
        known = returns[row + 1 - LOOKBACK : row + 1]
        alive = np.isfinite(known).all(axis=0)
        weights[i, alive] = rule(known[:, alive])
    return Decisions(panel.dates[rows], panel.assets, weights)


def weekly_models(prices: Prices) -> "dict[int, tuple[np.ndarray, FactorModel]]":
    """Row of a close -> the names with a year of prices and their model, every fifth row."""
    returns, settings = simple_returns(prices.close), StatisticalSettings(half_life=42)
    found = {}
    for row in range(LOOKBACK, len(returns), 5):
        known = returns[row + 1 - LOOKBACK : row + 1]
        alive = np.flatnonzero(np.isfinite(known).all(axis=0))
        found[row] = (alive, statistical_factors(known[:, alive], 10, settings=settings))
    return found


def scaled(
    panel: Panel,
    held: np.ndarray,
    first: int,
    models: "dict[int, tuple[np.ndarray, FactorModel]]",
    cash: np.ndarray,
) -> Way:
    """The portfolio with each position cut as the VaR of two closes before the day asked for.

    ``held`` (T, N) are the weights at each close from row ``first`` on.
    """
    factors = np.ones_like(held)
    traded, costs = np.zeros(len(held)), np.zeros(len(held))
    for day in range(len(held) - 1):
        wanted = factors_of(panel, held[day], models, first + day)
        change = (wanted - factors[day]) * held[day + 1]
        factors[day + 1] = factors[day]
        if np.abs(change).sum() > BAND:
            factors[day + 1], traded[day + 1] = wanted, change.sum()
            costs[day + 1] = np.abs(change).sum() * COSTS * 1e-4
    weights = factors * held
    # Row t of the returns is earned by the weights of the close before.
    closes = panel.field("close")[first : first + len(held) + 1]
    rows = np.vstack([weights, weights[-1:]])
    made = net_returns(rows, closes, costs_bps=COSTS, lag=0)
    exposure = weights.sum(axis=1)
    returns = made.returns[-len(held) :] + (1 - exposure) * cash
    return Way(returns, exposure, traded, costs)


def factors_of(
    panel: Panel, weights: np.ndarray, models: "dict[int, tuple[np.ndarray, FactorModel]]", row: int
) -> np.ndarray:
    alive, model = models[row - (row - LOOKBACK) % 5]
    out = np.ones(len(weights))
    book = Book(names=panel.assets[alive], weights=weights[alive], model=model)
    out[alive] = dynamic_scaling(book).factors
    return out


def measures(returns: np.ndarray, cash: np.ndarray) -> np.ndarray:
    """(5, S) of (S, T) returns: yearly return, volatility, Sharpe ratio, deepest fall and daily ES at 95 %."""
    wealth = np.cumprod(1 + returns, axis=1)
    yearly = wealth[:, -1] ** (252 / returns.shape[1]) - 1
    excess = returns - cash
    volatility = returns.std(axis=1, ddof=1) * np.sqrt(252)
    sharpe = excess.mean(axis=1) / excess.std(axis=1, ddof=1) * np.sqrt(252)
    fall = (1 - wealth / np.maximum(np.maximum.accumulate(wealth, axis=1), 1)).max(axis=1)
    worst = np.sort(returns, axis=1)[:, : int(0.05 * returns.shape[1])]
    return np.array([yearly, volatility, sharpe, fall, -worst.mean(axis=1)])


def apart(one: np.ndarray, other: np.ndarray, cash: np.ndarray, resampling: Resampling) -> dict[str, list[float]]:
    """Measure -> difference of one from the other, with its interval."""
    point = (measures(one[None], cash[None]) - measures(other[None], cash[None]))[:, 0]
    rows = resampling.rows(len(one))
    parts = [
        measures(one[chunk], cash[chunk]) - measures(other[chunk], cash[chunk]) for chunk in np.array_split(rows, 20)
    ]
    samples = np.hstack(parts)
    found = {}
    for name, value, drawn in zip(MEASURES, point.tolist(), samples, strict=True):
        between = interval(drawn, resampling.level)
        found[name] = [round(value, 4), round(between.low, 4), round(between.high, 4)]
    return found


def shown(
    name: str, paths: dict[str, Way], cash: np.ndarray, dates: np.ndarray, resampling: Resampling
) -> dict[str, object]:
    plain, out, rows, differences = paths["as it is"].returns, {}, [], []
    years = len(plain) / 252
    for label, path in paths.items():
        own = dict(zip(MEASURES, measures(path.returns[None], cash[None])[:, 0].round(4).tolist(), strict=True))
        sold, dearer = whipsaws(plain, path.traded)
        own |= {"exposure": round(float(path.exposure.mean()), 3), "sold": sold, "dearer": dearer}
        own |= {"traded": round(float(np.abs(path.traded).sum()) / years, 2)}
        own |= {"cost_bps": round(float(path.costs.sum()) / years * 1e4, 1)}
        for crisis, (first, last) in CRISES.items():
            inside = (dates >= np.datetime64(first)) & (dates <= np.datetime64(last))
            own[crisis] = round(float(np.prod(1 + path.returns[inside]) - 1), 4)
        rows.append([label, *(FORMATS[key].format(own[key]) for key in FORMATS), f"{dearer} of {sold}"])
        if label != "as it is":
            part = own["volatility"] / out["as it is"]["volatility"]
            constant = part * plain + (1 - part) * cash
            own["against it"] = apart(path.returns, plain, cash, resampling)
            own[f"against {part:.2f} of it"] = apart(path.returns, constant, cash, resampling)
            for what in ("against it", f"against {part:.2f} of it"):
                spans = [f"{v:+.3f} ({low:+.3f}, {high:+.3f})" for v, low, high in own[what].values()]
                differences.append([f"{label} {what}", *spans])
        out[label] = own
    print(f"\n{name}, {dates[0]} to {dates[-1]}")
    titles = [name, *FORMATS, "dearer"]
    print(table(titles, rows))
    print(table(["difference, 95 % interval", *MEASURES], differences))
    return out


def bill_returns(folder: Path, dates: np.ndarray) -> np.ndarray:
    """(T,) a day's part of the month's bill rate; the last known one where there is none."""
    found = pd.read_parquet(folder / "markets.parquet")
    found = found[found["series"] == "french rf"].sort_values("date")
    months = found["date"].to_numpy().astype("datetime64[M]")
    place = np.minimum(np.searchsorted(months, dates.astype("datetime64[M]")), len(months) - 1)
    return found["value"].to_numpy(dtype=np.float64)[place] / 100 / 21


if __name__ == "__main__":
    sys.exit(main())
