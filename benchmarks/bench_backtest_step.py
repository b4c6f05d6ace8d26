"""A daily policy on S&P 500 names against cvxportfolio: milliseconds a step, and the same trajectory.

Each day of 2015: a 15-factor covariance from the last 252 days, alpha from the last day's and year's returns, linear
costs, long-only, fully invested, at most 2 % a name. Both optimise the same problem on the same numbers and keep the
same books. quantray's step contains the covariance, which moves on by a day; cvxportfolio gets it ready made, as its
own estimate differs. Beside them, for every day: the same components found anew from the window, and the floor, which
is the least arithmetic that a day needs with LAPACK and BLAS as they are: products of the new day with the window, one
tridiagonalisation of their matrix, loadings, and one matrix of the optimiser. Then the same policy on 2,000 simulated
names. Processor time of one thread, medians over the days.

cvxportfolio is under the GPL, so it is no dependency: ``pip install cvxportfolio`` before running this; without it
quantray is measured against the floor alone.

Usage: python benchmarks/bench_backtest_step.py [--data FILE] [--days N] [--wide N]
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, versions, write_line
from scipy.linalg import eigh
from scipy.linalg.lapack import dsytrd
from threadpoolctl import threadpool_limits

from quantray.covariance.factor import FactorModel
from quantray.covariance.rolling import RollingFactors
from quantray.data.quality.events import normalise_events
from quantray.data.synthetic import simulate_market
from quantray.features.returns import simple_returns
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective

ROOT = Path(__file__).resolve().parents[1]
FACTORS, WINDOW, COST, AVERSION, MOST = 15, 252, 5e-4, 10.0, 0.02
TARGET_MS = 4.0
SQUARE = np.asfortranarray(np.cov(np.random.default_rng(0).normal(size=(WINDOW, 2 * WINDOW))))
"""A matrix of the size that is decomposed; how long that takes does not depend on its elements."""


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


def decomposed(past: np.ndarray) -> np.ndarray:
    """(N, K) loadings of the window (T, N) alone, as any day could compute them."""
    centred = past - past.mean(axis=0)
    size = len(centred)
    _, vectors = eigh(centred @ centred.T / size, subset_by_index=[size - FACTORS, size - 1])
    return centred.T @ (vectors / np.sqrt(size))


def least(past: np.ndarray) -> None:
    """The arithmetic that no day can do without."""
    past @ past[-1]
    reduced = dsytrd(SQUARE, lower=1, lwork=64 * WINDOW)[0]
    loadings = past.T @ reduced[:, :FACTORS]
    loadings.T @ loadings


def alpha_of(past: np.ndarray) -> np.ndarray:
    """A little reversal of the last day and momentum of the window, as daily expected returns."""
    return 0.2 * past.mean(axis=0) - 0.02 * past[-1]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def ours(returns: np.ndarray, first: int, days: int) -> tuple[np.ndarray, dict[str, list[float]], np.ndarray]:
    """Weights after each day's trades, milliseconds of each part a day, and the value after each day."""
    n_assets = returns.shape[1]
    limits = Limits(weight=(0.0, MOST))
    optimiser = MeanVariance(limits, n_assets, FACTORS, objective=Objective(risk_aversion=AVERSION, cost_aversion=1.0))
    market, rolling = Market(cost=np.full(n_assets, COST)), RollingFactors(n_assets, WINDOW, FACTORS)
    rolling.add(returns[first - WINDOW : first - 1])
    held, cash, weights, values = np.zeros(n_assets), 1e6, [], []
    taken: dict[str, list[float]] = {"step": [], "covariance": []}
    for t in range(first, first + days):
        past = returns[t - WINDOW : t]
        start = time.process_time()
        rolling.add(past[-1])
        model = rolling.model()
        known = time.process_time()
        value = held.sum() + cash
        solution = optimiser.solve(alpha=alpha_of(past), model=model, previous=held / value, market=market)
        target = solution.weights * value
        cash = value - target.sum() - COST * np.abs(target - held).sum()
        held = target * (1 + returns[t])
        taken["step"].append((time.process_time() - start) * 1e3)
        taken["covariance"].append((known - start) * 1e3)
        weights.append(solution.weights)
        values.append(held.sum() + cash)
    # Day after day on its own, as the policy runs: what they leave in the cache is for their own next day.
    for name, work in (("decomposed", decomposed), ("floor", least)):
        taken[name] = [timed(partial(work, returns[t - WINDOW : t])) for t in range(first, first + days)]
    return np.array(weights), taken, np.array(values)


def models_of(returns: np.ndarray, first: int, days: int) -> list[FactorModel]:
    """The model that each day knows."""
    rolling, models = RollingFactors(returns.shape[1], WINDOW, FACTORS), []
    rolling.add(returns[first - WINDOW : first - 1])
    for t in range(first, first + days):
        rolling.add(returns[t - 1])
        models.append(rolling.model())
    return models


def theirs(frame: pd.DataFrame, first: int, days: int) -> tuple[np.ndarray, float, np.ndarray]:
    """The same by cvxportfolio: weights after trades, milliseconds a day, values."""
    import cvxportfolio as cvx  # noqa: PLC0415  (optional)

    returns, dates = frame.to_numpy(), frame.index
    used = range(first, first + days)
    models = dict(zip(dates[first : first + days], models_of(returns, first, days), strict=True))
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
    start = time.process_time()
    result = simulator.backtest(policy, start_time=dates[first], end_time=dates[first + days], initial_value=1e6)
    taken = (time.process_time() - start) * 1e3 / days
    after = (result.h.iloc[:days] + result.u.iloc[:days]).drop(columns="cash")
    values = result.v.to_numpy()
    return after.div(values[:days], axis=0)[frame.columns].to_numpy(), taken, values[1 : days + 1]


def wide(n_assets: int, days: int = 40) -> dict[str, list[float]]:
    """Milliseconds of each part a day on simulated names."""
    market = simulate_market(n_assets, WINDOW + days + 2, seed=0, listing_share=0.0, delisting_share=0.0)
    return ours(simple_returns(market.panel.field("close"))[1:], WINDOW, days)[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "sp500_1999_2021.parquet")
    parser.add_argument("--days", type=int, default=250)
    parser.add_argument("--wide", type=int, default=2000, help="simulated names of the second market")
    arguments = parser.parse_args()
    frame, peer = returns_of_2015(arguments.data), find_spec("cvxportfolio") is not None
    first = int(np.searchsorted(frame.index, pd.Timestamp("2015-01-02")))
    days = min(arguments.days, len(frame) - first - 1)
    about = machine()
    # One thread for both: at this size a second one waits more than it works.
    with threadpool_limits(1), warnings.catch_warnings():
        weights, taken, values = ours(frame.to_numpy(), first, days)
        larger = wide(arguments.wide)
        warnings.simplefilter("ignore")
        compared = against(frame, first, days, weights, values, float(np.median(taken["step"]))) if peer else {}
    step = float(np.median(taken["step"]))
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", *(["cvxportfolio", "clarabel"] if peer else [])),
        "seed": 0,
        "names": frame.shape[1],
        "days": days,
        **{f"{name}_ms": round(float(np.median(each)), 2) for name, each in taken.items()},
        "step_ms_worst": round(float(np.max(taken["step"])), 2),
        "of_the_floor": round(step / float(np.median(taken["floor"])), 2),
        "wide_names": arguments.wide,
        **{f"wide_{name}_ms": round(float(np.median(each)), 2) for name, each in larger.items()},
        **compared,
        "target_ms": TARGET_MS,
        "passed": bool(step <= TARGET_MS and compared.get("weights_apart_worst", 0.0) < 2e-3),
    }
    print(describe(about))
    for key, value in list(line.items())[3:]:
        print(f"{key:22} {value}")
    write_line("bench_backtest_step", line)
    return 0 if line["passed"] else 1


def against(
    frame: pd.DataFrame, first: int, days: int, weights: np.ndarray, values: np.ndarray, step_ms: float
) -> dict[str, float]:
    """What cvxportfolio takes and how far its trajectory is."""
    their_weights, their_ms, their_values = theirs(frame, first, days)
    apart = np.abs(weights - their_weights).sum(axis=1)
    return {
        "cvxportfolio_ms": round(their_ms, 2),
        "ratio": round(their_ms / step_ms, 1),
        "weights_apart_mean": float(apart.mean()),
        "weights_apart_worst": float(apart.max()),
        "final_value_ratio": float(values[-1] / their_values[-1]),
    }


if __name__ == "__main__":
    sys.exit(main())
