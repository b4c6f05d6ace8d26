"""A daily policy on S&P 500 names against cvxportfolio: milliseconds a step, and the same trajectory.

Each day of 2015: a 15-factor covariance from the last 252 days, alpha from the last day's and year's returns, linear
costs, long-only, fully invested, at most 2 % a name. Both optimise the same problem on the same numbers and keep the
same books. quantray's step contains the covariance; cvxportfolio gets it ready made, as its own estimate differs.

cvxportfolio is under the GPL, so it is no dependency: ``pip install cvxportfolio`` before running this.

Usage: python benchmarks/bench_backtest_step.py [--data FILE] [--days N]
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, versions, write_line
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from quantray.covariance.factor import FactorModel
from quantray.data.quality.events import normalise_events
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective

ROOT = Path(__file__).resolve().parents[1]
FACTORS, WINDOW, COST, AVERSION, MOST = 15, 252, 5e-4, 10.0, 0.02
TARGET_MS = 10.0


def returns_of_2015(path: Path) -> pd.DataFrame:
    """Total returns of the names with complete data over 2014 and 2015."""
    bars = pd.read_parquet(path)
    bars = bars[bars["symbol"].astype(str) != ""].assign(date=pd.to_datetime(bars["date"]))
    bars = bars[bars["date"].between("2013-12-01", "2015-12-31")].assign(symbol=lambda b: b["symbol"].astype(str))
    bars, _ = normalise_events(bars)
    gross = bars["close"] * bars["split"] * (1 + bars["dividend"] / bars["close"])
    bars["r"] = gross / bars.groupby("symbol")["close"].shift(1) - 1
    wide = bars.pivot(index="date", columns="symbol", values="r").iloc[1:]
    return wide.dropna(axis=1)


def factor_model(past: np.ndarray) -> FactorModel:
    """Principal components of the window (T, N) of returns, the rest as specific variance."""
    centred = past - past.mean(axis=0)
    size = len(centred)
    _, vectors = eigh(centred @ centred.T / size, subset_by_index=[size - FACTORS, size - 1])
    loadings = centred.T @ (vectors / np.sqrt(size))
    specific = np.maximum((centred**2).mean(axis=0) - (loadings**2).sum(axis=1), 1e-8)
    return FactorModel(loadings, np.eye(FACTORS), specific)


def alpha_of(past: np.ndarray) -> np.ndarray:
    """A little reversal of the last day and momentum of the window, as daily expected returns."""
    return 0.2 * past.mean(axis=0) - 0.02 * past[-1]


def ours(returns: np.ndarray, first: int, days: int) -> tuple[np.ndarray, list[float], np.ndarray]:
    """Weights after each day's trades, milliseconds a day, and the value after each day."""
    n_assets = returns.shape[1]
    limits = Limits(weight=(0.0, MOST))
    optimiser = MeanVariance(limits, n_assets, FACTORS, objective=Objective(risk_aversion=AVERSION, cost_aversion=1.0))
    market = Market(cost=np.full(n_assets, COST))
    held, cash, taken, weights, values = np.zeros(n_assets), 1e6, [], [], []
    for t in range(first, first + days):
        start = time.perf_counter()
        past = returns[t - WINDOW : t]
        value = held.sum() + cash
        solution = optimiser.solve(alpha=alpha_of(past), model=factor_model(past), previous=held / value, market=market)
        target = solution.weights * value
        cash = value - target.sum() - COST * np.abs(target - held).sum()
        held = target * (1 + returns[t])
        taken.append((time.perf_counter() - start) * 1e3)
        weights.append(solution.weights)
        values.append(held.sum() + cash)
    return np.array(weights), taken, np.array(values)


def theirs(frame: pd.DataFrame, first: int, days: int) -> tuple[np.ndarray, float, np.ndarray]:
    """The same by cvxportfolio: weights after trades, milliseconds a day, values."""
    import cvxportfolio as cvx  # noqa: PLC0415  (optional)

    returns, dates = frame.to_numpy(), frame.index
    used = range(first, first + days)
    models = {dates[t]: factor_model(returns[t - WINDOW : t]) for t in used}
    alphas = pd.DataFrame([alpha_of(returns[t - WINDOW : t]) for t in used], [dates[t] for t in used], frame.columns)
    loadings = pd.concat({day: pd.DataFrame(m.loadings.T, columns=frame.columns) for day, m in models.items()})
    specific = pd.DataFrame([m.specific_variance for m in models.values()], list(models), frame.columns)
    market = cvx.UserProvidedMarketData(
        returns=frame.assign(cash=0.0), cash_key="cash", min_history=pd.Timedelta("0d"), online_usage=False
    )
    policy = cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(r_hat=alphas)
        - AVERSION / 2 * cvx.FactorModelCovariance(F=loadings, d=specific)
        - cvx.TransactionCost(a=COST, b=None),
        [cvx.LongOnly(), cvx.NoCash(), cvx.MaxWeights(MOST)],
        include_cash_return=False,
        solver="CLARABEL",
    )
    simulator = cvx.MarketSimulator(
        market_data=market, costs=[cvx.TransactionCost(a=COST, b=None)], base_location=Path("/tmp")
    )
    start = time.perf_counter()
    result = simulator.backtest(policy, start_time=dates[first], end_time=dates[first + days], initial_value=1e6)
    taken = (time.perf_counter() - start) * 1e3 / days
    after = (result.h.iloc[:days] + result.u.iloc[:days]).drop(columns="cash")
    values = result.v.to_numpy()
    return after.div(values[:days], axis=0)[frame.columns].to_numpy(), taken, values[1 : days + 1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "sp500_1999_2021.parquet")
    parser.add_argument("--days", type=int, default=250)
    arguments = parser.parse_args()
    frame = returns_of_2015(arguments.data)
    first = int(np.searchsorted(frame.index, pd.Timestamp("2015-01-02")))
    days = min(arguments.days, len(frame) - first - 1)
    # One thread for both: at this size a second one waits more than it works.
    with threadpool_limits(1), warnings.catch_warnings():
        weights, taken, values = ours(frame.to_numpy(), first, days)
        warnings.simplefilter("ignore")
        their_weights, their_ms, their_values = theirs(frame, first, days)
    apart = np.abs(weights - their_weights).sum(axis=1)
    ours_ms = float(np.median(taken))
    about = machine()
    line = {
        "machine": about,
        "versions": versions("numpy", "cvxportfolio", "clarabel"),
        "seed": None,
        "names": frame.shape[1],
        "days": days,
        "step_ms": round(ours_ms, 2),
        "step_ms_worst": round(float(np.max(taken)), 2),
        "cvxportfolio_ms": round(their_ms, 2),
        "ratio": round(their_ms / ours_ms, 1),
        "weights_apart_mean": float(apart.mean()),
        "weights_apart_worst": float(apart.max()),
        "final_value_ratio": float(values[-1] / their_values[-1]),
        "target_ms": TARGET_MS,
        "passed": bool(ours_ms <= TARGET_MS and apart.max() < 2e-3),
    }
    print(describe(about))
    for key, value in list(line.items())[3:]:
        print(f"{key:22} {value}")
    write_line("bench_backtest_step", line)
    return 0 if line["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
