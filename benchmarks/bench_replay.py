"""Would stress tests have told? Portfolios fixed before March 2020 and autumn 2008: predicted against realised loss.

Usage: python benchmarks/bench_replay.py [--data FOLDER] [--seed 0]

Four portfolios of the S&P 500 members with two years of history are fixed at the close before each crisis and held:
equal weight, HRP, minimum variance (long only) and long-short (half of the names long, the others
short, by a random draw, 100 % a side). Each crisis is predicted from what was known at that close, in three ways:

* market: the names' mean falls as it did, and each name as a factor model fitted to the two years before expects. That
  tells the model's part of the error from that of guessing the size of a crisis.
* sectors: the same, given the mean of every sector.
* replays of earlier crises, in which names that had no history then follow the factor model.

The first is also asked of a model whose correlations have gone half of the way to one. Besides, a tenth, a third and
two thirds of the names lose the history of the crisis itself, at random, and its replay is compared with the truth: it
tells what the factor model is worth as a stand-in.

The data hold the members of April 2021, who survived; nothing that failed in 2008 is among them.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA, Prices, read

from quantray.covariance.estimators import ledoit_wolf_covariance
from quantray.covariance.factor import FactorModel, fundamental_factors, statistical_factors
from quantray.portfolio.diversification import minimum_variance_weights
from quantray.portfolio.hrp import hrp_weights
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.stress import stress
from quantray.risk.stressing.correlation_stress import stressed_model
from quantray.risk.stressing.replay import CRISES, History, replay
from quantray.risk.stressing.scenarios import Scenario

DAYS = 504
STYLES = 756
CASES = {"autumn 2008": ("dot-com crash",), "March 2020": ("dot-com crash", "autumn 2008")}
HIDDEN = (0.1, 0.33, 0.67)
DRAWS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not (arguments.data / "sp500_1999_2021.parquet").is_file():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.perf_counter()
    print(describe(about))
    prices = read(arguments.data)
    past = History.of_levels(prices.dates, prices.names, prices.close)
    found = {case: study(prices, past, case, earlier, arguments.seed) for case, earlier in CASES.items()}
    elapsed = round(time.perf_counter() - start, 1)
    print(f"\nseed {arguments.seed}, {elapsed} s; survivors of April 2021 only")
    write_line(
        "bench_replay",
        {
            "machine": about,
            "versions": versions("numpy", "scipy"),
            "seed": arguments.seed,
            "seconds": elapsed,
            "crises": found,
        },
    )
    return 0


def study(prices: Prices, past: History, case: str, earlier: tuple[str, ...], seed: int) -> dict[str, object]:
    """One crisis: every prediction of every portfolio beside what was lost."""
    first, last = (np.datetime64(day) for day in CRISES[case])
    row = int(np.searchsorted(prices.dates, first, side="right")) - 1
    known = past.changes[row + 1 - DAYS : row + 1]
    alive = np.isfinite(known).all(axis=0)
    returns, n = known[:, alive], int(alive.sum())
    market = Market(
        prices.dates[row],
        prices.names[alive],
        np.ones(n),
        prices.dates[row + 1 - DAYS : row + 1],
        returns,
        sectors=prices.sectors[alive],
        asset_class=np.full(n, "equity"),
    )
    books = {
        name: Holdings.of_weights(market.drivers, weights, np.ones(n))
        for name, weights in portfolios(returns, seed).items()
    }
    realised = {name: replay(book, market, past, first, last) for name, book in books.items()}
    moved = realised["Equal weight"].result.changes
    rows = slice(row + 1 - STYLES, row + 1)
    models = {
        "statistical": statistical_factors(returns, 10),
        "fundamental": fundamental_factors(
            prices.close[rows][:, alive], prices.volume[rows][:, alive], sectors=market.sectors
        ),
    }
    out: dict[str, dict[str, float]] = {name: {"realised": r.result.loss} for name, r in realised.items()}
    for kind, model in models.items():
        for how, scenario in scenarios(moved, market).items():
            for name, book in books.items():
                out[name][f"{how}, {kind}"] = stress(book, market, scenario, model).loss
    tied = stressed_model(models["statistical"], share=0.5)
    for name, book in books.items():
        out[name]["market, correlations up"] = stress(book, market, scenarios(moved, market)["market"], tied).loss
    unknown = {}
    for crisis in earlier:
        for name, book in books.items():
            again = replay(book, market, past, *CRISES[crisis], model=models["statistical"])
            out[name][f"replay of {crisis}"] = again.result.loss
            unknown[crisis] = len(again.by_model)
    for name, book in books.items():
        exposure = sensitivities(book, market).exposure
        days = len(realised[name].dates)
        out[name]["sigmas"] = out[name]["realised"] / np.sqrt(models["statistical"].variance(exposure) * days)
    hidden = stand_ins(books, market, past, (first, last), models, seed)
    show(case, n, out, unknown, hidden)
    return {
        "from": str(first), "to": str(last), "names": n, "losses": rounded(out), "without_history": unknown,
        "stand_in_errors": rounded(hidden),
    }  # fmt: skip


def portfolios(returns: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Weights from the returns until then."""
    n = returns.shape[1]
    covariance = ledoit_wolf_covariance(returns).matrix
    side = np.where(np.random.default_rng(seed).permutation(n) < n // 2, 1.0, -1.0)
    return {
        "Equal weight": np.full(n, 1 / n),
        "HRP": hrp_weights(covariance),
        "Min variance": minimum_variance_weights(covariance),
        "Long-short": np.where(side > 0, side / (side > 0).sum(), side / (side < 0).sum()),
    }


def scenarios(moved: np.ndarray, market: Market) -> dict[str, Scenario]:
    """What is given of a crisis: the mean of all names, or of each sector."""
    sectors = {
        sector: float(moved[market.sectors == sector].mean()) for sector in sorted(set(market.sectors.tolist()) - {""})
    }
    return {
        "market": Scenario(asset_classes={"equity": float(moved.mean())}),
        "sectors": Scenario(sectors=sectors),
    }


def stand_ins(
    books: dict[str, Holdings],
    market: Market,
    past: History,
    window: tuple[np.datetime64, np.datetime64],
    models: dict[str, FactorModel],
    seed: int,
) -> dict[str, dict[str, float]]:
    """Mean absolute errors of replays in which some names have no history, by portfolio, and of such names' losses."""
    out: dict[str, dict[str, float]] = {name: {} for name in [*books, "single names"]}
    crisis = past.between(*window)
    truth = {name: replay(book, market, crisis, *window).result for name, book in books.items()}
    for kind, model in models.items():
        for share in HIDDEN:
            errors: dict[str, list[float]] = {name: [] for name in out}
            for draw in range(DRAWS):
                generator = np.random.default_rng([seed, draw])
                gone = generator.permutation(market.n_drivers) < share * market.n_drivers
                kept = ~np.isin(crisis.drivers, market.drivers[gone])
                seen = replace(crisis, drivers=crisis.drivers[kept], changes=crisis.changes[:, kept])
                for name, book in books.items():
                    guess = replay(book, market, seen, *window, model=model).result
                    errors[name].append(abs(guess.loss - truth[name].loss))
                errors["single names"].append(np.abs(guess.changes - truth[name].changes)[gone].mean())
            for name, each in errors.items():
                out[name][f"{share:.0%} hidden, {kind}"] = float(np.mean(each))
    return out


def rounded(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {what: round(float(value), 5) for what, value in each.items()} for name, each in found.items()}


def show(
    case: str,
    n: int,
    losses: dict[str, dict[str, float]],
    unknown: dict[str, int],
    hidden: dict[str, dict[str, float]],
) -> None:
    """The two tables of a crisis."""
    print(f"\n{case}, {n} names; without history in {unknown}")
    columns = list(next(iter(losses.values())))
    rows = [
        [what, *(f"{each[what]:.1f}" if what == "sigmas" else f"{each[what]:.1%}" for each in losses.values())]
        for what in columns
    ]
    print(table(["loss", *losses], rows))
    kinds = list(next(iter(hidden.values())))
    print(
        table(["mean error", *hidden], [[kind, *(f"{each[kind]:.1%}" for each in hidden.values())] for kind in kinds])
    )


if __name__ == "__main__":
    sys.exit(main())
