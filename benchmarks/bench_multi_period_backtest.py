"""Is it worth planning several periods? Plans against one-period rules on real prices, a fading signal and impact.

Usage: python benchmarks/bench_multi_period_backtest.py [--data STORE_OR_PARQUET] [--aum 1e9] [--seed 0]

Two signals of S&P 500 members: reversal (minus the return of five days over each name's volatility) and momentum (the
return of a year without its last month). How strongly each says the return of the next days, and how fast that fades,
is measured on 2001 to 2009. What is traded is 2010 to 2020, week by week, long and short without a net position. A
trade pays half a spread of 1 bp and, by the square root law, a day's volatility times the root of its share of the
money that is traded in a day.

All rules know the same expectations, risk and costs. The plan sees eight weeks. A rule of one period sees the sum of
expected returns over its horizon and pays a trade's cost within it: that horizon is one, four or eight weeks. What they
earn after costs comes with block-bootstrap intervals, and their difference on the same days, too. The names are those
that were members in 2021, so no number here is what a fund could have earned.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.analytics.bootstrap import Resampling, estimated_mean
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.analytics.track import TrackRecord
from quantray.arrays import TRADING_DAYS
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import ImpactCosts, LinearCosts, MarketDay
from quantray.backtest.drift import drifted
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.calendar import rebalance_dates
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.execution.impact import ADV, DAILY_VOLATILITY, ImpactLaw, with_liquidity
from quantray.features.cross_section import standardised
from quantray.features.returns import carried_forward, simple_returns
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.multi_period import decayed, multi_period

DATA = Path(__file__).parents[1] / "../shared/data/sp500_1999_2021.parquet"
MEASURED = ("2001-01-01", "2009-12-31")
TRADED = ("2010-01-01", "2020-12-31")
LINEAR = LinearCosts(half_spread_bps=1.0)
STEP, PERIODS = 5, 8
HORIZONS = (5, 20, 40)
FACTORS, LOOKBACK, LAGS = 15, 252, 120
HALF_LIVES = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 60, 90, 120, 180, 250)
AIM = Objective(risk_aversion=10.0, cost_aversion=1.0)
LIMITS = Limits(budget=(0.0, 0.0), weight=(-0.02, 0.02), gross=2.0)


@dataclass(frozen=True)
class Decay:
    """Correlation of a score with the next day's return over volatility, and days after which half of it is left."""

    first: float
    half_life: float


@dataclass(frozen=True, eq=False)
class Day:
    """What is known at a close about the names that may be held."""

    row: int
    columns: np.ndarray
    model: FactorModel
    alpha: np.ndarray
    """(2, n) expected return of the next day, by signal."""
    market: Market
    """Costs of trades."""


Rule = Callable[[Day, np.ndarray], np.ndarray]
"""From what is known and what is held to weights."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(DATA), help="market store or Parquet")
    parser.add_argument("--aum", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    if not Path(arguments.data).exists():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.monotonic()
    print(describe(about))
    panel = load(arguments.data)
    scores = signals(panel)
    decays = {name: measured(panel, score) for name, score in scores.items()}
    for name, decay in decays.items():
        print(f"{name}: IC of the next day {decay.first:.4f}, half-life {decay.half_life:g} days")
    costs = ImpactCosts(ImpactLaw(), LINEAR, aum=arguments.aum)
    days = list(known(panel, scores, decays, costs))
    half_lives = [decay.half_life for decay in decays.values()]
    rules: dict[str, Rule] = {"multi-period": lambda day, held: plan(day, held, half_lives)}
    for horizon in HORIZONS:
        rules[f"one period, {horizon} days"] = lambda day, held, h=horizon: once(day, held, half_lives, h)
    records = {name: carried(panel, days, rule, costs) for name, rule in rules.items()}
    found = measures(records, arguments.seed)
    titles = ["rule", "gross", "costs", "net", "net, 95 %", "volatility", "Sharpe", "Sharpe, 95 %", "turnover"]
    print(table(titles, [shown(name, values) for name, values in found.items()]))
    print("multi-period less one period, net a year and Sharpe ratio:")
    for name, values in found.items():
        if "less" in values:
            low, high = values["less"]["interval"]
            print(
                f"  {name}: {values['less']['mean']:.2%} ({low:.2%} to {high:.2%}), "
                f"{values['less']['sharpe']:.2f} ({values['less']['sharpe_interval'][0]:.2f} to "
                f"{values['less']['sharpe_interval'][1]:.2f})"
            )
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "data": Path(arguments.data).name,
        "aum": arguments.aum,
        "seed": arguments.seed,
        "names": len(panel.assets),
        "decisions": len(days),
        "span": [str(panel.dates[days[0].row]), str(panel.dates[-1])],
        "decay": {name: {"ic": round(d.first, 5), "half_life_days": d.half_life} for name, d in decays.items()},
        "found": found,
        "seconds": round(time.monotonic() - start, 1),
    }
    print(f"written: {write_line('bench_multi_period_backtest', line).name}")
    return 0


def load(source: str) -> Panel:
    """Closes to the end of what is traded, with trailing means of money traded and volatilities."""
    if Path(source).is_file():
        with tempfile.TemporaryDirectory() as folder:
            store = MarketStore(Path(folder) / "store")
            store.import_bars(source)
            panel = store.load(end=TRADED[1], fields=("close", "volume"))
    else:
        panel = MarketStore(source).load(end=TRADED[1], fields=("close", "volume"))
    return with_liquidity(panel, days=63)


def signals(panel: Panel) -> dict[str, np.ndarray]:
    """(T, N) standardised scores of each signal, at most three deviations."""
    price, deviation = carried_forward(panel.field("close"))[0], panel.field(DAILY_VOLATILITY)
    past = {lag: np.vstack([np.full((lag, price.shape[1]), np.nan), price[:-lag]]) for lag in (5, 21, 252)}
    raw = {"reversal": -(price / past[5] - 1) / deviation, "momentum": (past[21] / past[252] - 1) / deviation}
    member = ~np.isnan(panel.field("close"))
    return {name: np.clip(standardised(values, member), -3, 3) for name, values in raw.items()}


def measured(panel: Panel, score: np.ndarray) -> Decay:
    """The decay that fits the correlations at each lag best, summed up over lags, before anything is traded."""
    inside = (panel.dates >= np.datetime64(MEASURED[0])) & (panel.dates <= np.datetime64(MEASURED[1]))
    rows = np.flatnonzero(inside)
    returns = simple_returns(panel.field("close")) / panel.field(DAILY_VOLATILITY)
    returns = standardised(np.clip(returns, -10, 10), ~np.isnan(returns))
    lagged = np.array([np.nanmean(score[rows[:-LAGS]] * returns[rows[:-LAGS] + lag]) for lag in range(1, LAGS + 1)])
    summed, days = np.cumsum(lagged), np.arange(1, LAGS + 1)
    fits = []
    for half_life in HALF_LIVES:
        shape = np.cumsum(0.5 ** ((days - 1) / half_life))
        first = float(shape @ summed / (shape @ shape))
        fits.append((float(((summed - first * shape) ** 2).sum()), Decay(first, half_life)))
    return min(fits, key=lambda fit: fit[0])[1]


def known(panel: Panel, scores: dict[str, np.ndarray], decays: dict[str, Decay], costs: ImpactCosts) -> Iterator[Day]:
    """Every week of what is traded."""
    returns, adv = simple_returns(panel.field("close")), panel.field(ADV)
    dates = rebalance_dates(panel.dates, "weekly")
    for date in dates[(dates >= np.datetime64(TRADED[0])) & (dates <= np.datetime64(TRADED[1]))]:
        row = panel.row(date)
        past = returns[row + 1 - LOOKBACK : row + 1]
        ready = (~np.isnan(past)).mean(axis=0) > 0.95
        ready &= ~np.isnan(panel.field("close")[row]) & (adv[row] > 0)
        for score in scores.values():
            ready &= ~np.isnan(score[row])
        columns = np.flatnonzero(ready)
        model = statistical_factors(past[:, columns], FACTORS)
        specific = np.sqrt(model.specific_variance)
        alpha = [decay.first * specific * scores[name][row, columns] for name, decay in decays.items()]
        fields = {name: panel.field(name)[row, columns] for name in (ADV, DAILY_VOLATILITY)}
        market = costs.market(Market(), MarketDay(date, costs.aum or 0.0, fields))
        yield Day(row, columns, model, np.array(alpha), market)


def expected(day: Day, half_lives: list[float], periods: int, step_days: int) -> np.ndarray:
    """(H, n) of both signals together."""
    parts = [
        decayed(alpha, periods=periods, step_days=step_days, half_life_days=half_life)
        for alpha, half_life in zip(day.alpha, half_lives, strict=True)
    ]
    return np.sum(parts, axis=0)


def over(model: FactorModel, days: int) -> FactorModel:
    return FactorModel(model.loadings, days * model.factor_covariance, days * model.specific_variance)


def plan(day: Day, held: np.ndarray, half_lives: list[float]) -> np.ndarray:
    alpha = expected(day, half_lives, PERIODS, STEP)
    return multi_period(
        LIMITS, alpha=alpha, model=over(day.model, STEP), previous=held, market=day.market, objective=AIM
    ).weights[0]


def once(day: Day, held: np.ndarray, half_lives: list[float], horizon: int) -> np.ndarray:
    alpha = expected(day, half_lives, 1, horizon)[0]
    model = over(day.model, horizon)
    optimiser = MeanVariance(LIMITS, model.n_assets, model.n_factors, objective=AIM)
    return optimiser.solve(alpha=alpha, model=model, previous=held, market=day.market).weights


def carried(panel: Panel, days: list[Day], rule: Rule, costs: ImpactCosts) -> TrackRecord:
    """Decide week after week from drifted holdings, and keep accounts; trades are made a day later."""
    price = carried_forward(panel.field("close"))[0]
    target, before, weights = np.zeros(len(panel.assets)), None, []
    for day in days:
        if before is not None:
            growth = price[day.row] / price[before + 1]
            target = drifted(target, np.where(target != 0, growth, 1.0))
        held = np.where(np.isin(np.arange(len(target)), day.columns), target, 0.0)[day.columns]
        target = np.zeros(len(panel.assets))
        decided = rule(day, held)
        target[day.columns] = np.where(np.abs(decided) > 1e-7, decided, 0.0)
        weights.append(target)
        before = day.row
    decisions = Decisions(panel.dates[[day.row for day in days]], panel.assets, np.array(weights))
    return backtest(panel, decisions, costs=costs, accounting=Accounting(initial_nav=costs.aum or 1.0))


def measures(records: dict[str, TrackRecord], seed: int) -> dict[str, dict]:
    """A year's results of each rule with intervals, and what the plan has more."""
    resampling, found, first = Resampling(seed=seed), {}, None
    for name, record in records.items():
        paid = record.cost_series[1:] / record.nav[:-1]
        returns = record.returns
        net, sharpe = estimated_mean(returns, resampling=resampling), sharpe_interval(returns, resampling=resampling)
        found[name] = {
            "gross": round(float((returns + paid).mean()) * TRADING_DAYS, 5),
            "costs": round(float(paid.mean()) * TRADING_DAYS, 5),
            "net": round(net.mean * TRADING_DAYS, 5),
            "net_interval": [round(end * TRADING_DAYS, 5) for end in (net.interval.low, net.interval.high)],
            "volatility": round(float(returns.std(ddof=1) * np.sqrt(TRADING_DAYS)), 5),
            "sharpe": round(sharpe.mean, 3),
            "sharpe_interval": [round(end, 3) for end in (sharpe.interval.low, sharpe.interval.high)],
            "turnover": round(float(record.turnover.mean()) * TRADING_DAYS, 3),
        }
        if first is None:
            first = returns
            continue
        less = estimated_mean(first - returns, resampling=resampling)
        ratio = sharpe_difference(first, returns, resampling=resampling)
        found[name]["less"] = {
            "mean": round(less.mean * TRADING_DAYS, 5),
            "interval": [round(end * TRADING_DAYS, 5) for end in (less.interval.low, less.interval.high)],
            "sharpe": round(ratio.mean, 3),
            "sharpe_interval": [round(end, 3) for end in (ratio.interval.low, ratio.interval.high)],
        }
    return found


def shown(name: str, values: dict) -> list[str]:
    low, high = values["net_interval"]
    least, most = values["sharpe_interval"]
    return [
        name,
        f"{values['gross']:.2%}",
        f"{values['costs']:.2%}",
        f"{values['net']:.2%}",
        f"{low:.1%} to {high:.1%}",
        f"{values['volatility']:.1%}",
        f"{values['sharpe']:.2f}",
        f"{least:.2f} to {most:.2f}",
        f"{values['turnover']:.1f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
