"""Were the forecasts of losses right? Every method on four S&P 500 portfolios, 2001 to 2021, day by day.

Usage: python benchmarks/bench_coverage.py [--data FOLDER] [--window 504] [--seed 0] [--draws 1000] [--pictures FOLDER]

Four portfolios are chosen at every month's end from the two years before, of the names with all of the window, and held
from the next close on, drifting: equal weight, HRP, minimum variance (long only, Ledoit-Wolf) and long-short (each name
on a side drawn once, 100 % a side). Each day's loss is forecast at the close before by every method from what that
day's weights would have earned on the days of the window, which is how ``risk.report`` sees a book, and held against
what came.

Value-at-risk and expected shortfall at 95 and 99 % are tested by Kupiec, Christoffersen (independence, and both
together), Christoffersen-Pelletier (durations), Acerbi-Szekely 1 and 2 and Du-Escanciano (size and memory of the tail),
over all days, to 2009, from 2010, and by calendar year.

The default method is the one that the report quotes: the book's own past at today's volatility, as many models see it
on average. ``bench_var_choice`` chose it by proper scores on other series; these four portfolios had no vote.

The data hold the members of April 2021, who survived: the losses of those that failed are not in them.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line

from quantray.covariance.estimators import ledoit_wolf_covariance
from quantray.covariance.factor import statistical_factors
from quantray.data.calendar import rebalance_dates
from quantray.features.returns import simple_returns
from quantray.portfolio.diversification import minimum_variance_weights
from quantray.portfolio.hrp import hrp_weights
from quantray.risk.forecasting.backtest_figures import forecast_bands, years_map
from quantray.risk.forecasting.coverage import TESTS, Coverage, coverage, coverage_by_year
from quantray.risk.forecasting.var_forecasts import (
    AveragedHistory,
    ByModel,
    CornishFisherMoments,
    FilteredHistory,
    Forecasts,
    GarchHistory,
    History,
    Method,
    NormalVolatility,
    StudentMoments,
    forecast,
    held,
)

DATA = Path(__file__).parents[1] / "../shared/data"
DAYS = 504
FACTORS = 10
LEVELS = (0.95, 0.99)
DEFAULT = AveragedHistory().name
CHOSEN = np.datetime64("2010-01-01")
SPANS = ("all", "to 2009", "from 2010")
PORTFOLIOS = ("Equal weight", "HRP", "Min variance", "Long-short")
DEGREES = 5.0


Found = dict[tuple[str, str], dict[str, tuple[Coverage, ...]]]
"""Portfolio and method -> span -> level by level."""


@dataclass(frozen=True, eq=False)
class Track:
    """What one portfolio earned on D days, and what was known before each."""

    dates: np.ndarray
    outcomes: np.ndarray
    windows: np.ndarray
    """(D, W)."""
    volatilities: np.ndarray
    """(D,) by the factor model."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--window", type=int, default=DAYS, help="days that forecasts look back")
    parser.add_argument("--pictures", type=Path, help="folder for two pages with pictures")
    parser.add_argument("--seed", type=int, default=0, help="of the sides of the long-short")
    parser.add_argument("--draws", type=int, default=1000, help="simulations of each test of the shortfall")
    arguments = parser.parse_args()
    if not (arguments.data / "sp500_1999_2021.parquet").is_file():
        print(f"no real prices at {arguments.data}; nothing to measure")
        return 0
    about, start = machine(), time.perf_counter()
    print(describe(about))
    held_tracks = tracks(*read(arguments.data), arguments.window, arguments.seed)
    built = round(time.perf_counter() - start, 1)
    dates = held_tracks[PORTFOLIOS[0]].dates
    print(f"{len(dates)} days from {dates[0]} to {dates[-1]}; portfolios took {built} s; survivors of April 2021 only")
    found: Found = {}
    spent: dict[str, list[float]] = {}
    for name, track in held_tracks.items():
        for method in methods(track):
            began = time.perf_counter()
            made = forecast(track.windows, track.outcomes, method, levels=LEVELS)
            spent.setdefault(made.method, []).append(time.perf_counter() - began)
            found[name, made.method] = tested(made, track, arguments.draws)
    show(found)
    if arguments.pictures:
        pictures(arguments.pictures, held_tracks, found)
    elapsed = round(time.perf_counter() - start, 1)
    print(f"seed {arguments.seed}, {elapsed} s")
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy"),
        "window": arguments.window,
        "seed": arguments.seed,
        "seconds": elapsed,
        "seconds_of_portfolios": built,
        "seconds_of_forecasts": {name: round(min(each), 3) for name, each in spent.items()},
        "days": len(dates),
        "span": [str(dates[0]), str(dates[-1])],
        "tests": TESTS,
        "default": DEFAULT,
        "rejections": {s: {m: sum(votes(found, m, s)) for m in spent} for s in SPANS},
        "not_rejected": passed(found, DEFAULT),
        "coverage": {f"{name}: {method}": kept(each) for (name, method), each in found.items()},
    }
    print(f"written: {write_line('bench_coverage', line).name}")
    return 0


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Dates and (T, N) total returns."""
    bars = pd.read_parquet(folder / "sp500_1999_2021.parquet", columns=["date", "symbol", "adj_close"])
    close = bars.dropna(subset=["symbol"]).pivot_table(index="date", columns="symbol", values="adj_close").astype(float)
    return close.index.to_numpy().astype("datetime64[D]"), simple_returns(close.to_numpy())


def tracks(dates: np.ndarray, returns: np.ndarray, window: int, seed: int) -> dict[str, Track]:
    """Every portfolio through every month."""
    sides = np.where(np.random.default_rng(seed).permutation(returns.shape[1]) % 2 == 0, 1.0, -1.0)
    parts: dict[str, list[Track]] = {name: [] for name in PORTFOLIOS}
    for decided, last in months(dates, window):
        past = returns[decided + 1 - DAYS : decided + 1]
        alive = np.isfinite(returns[decided + 1 - window : decided + 1]).all(axis=0) & (past.std(axis=0) > 1e-6)
        # Decided at the close of a day, held from the next close on.
        days = np.arange(decided + 2, last + 2)
        known = np.nan_to_num(returns[days[0] - window : days[-1] + 1, alive])
        model = statistical_factors(past[:, alive], FACTORS)
        for name, weights in weights_of(past[:, alive], sides[alive]).items():
            weights_dn = drifting(weights, known[window:])
            earned = np.einsum("dn,dn->d", weights_dn, known[window:])
            volatilities = np.sqrt([model.variance(row) for row in weights_dn])
            parts[name].append(Track(dates[days], earned, held(weights_dn, known[:-1], window), volatilities))
    return {name: joined(each) for name, each in parts.items()}


def months(dates: np.ndarray, window: int) -> Iterator[tuple[int, int]]:
    """Rows of each month's end with a window before it, and of the next."""
    rows = np.searchsorted(dates, rebalance_dates(dates, "monthly"))
    rows = np.append(rows[rows >= max(window, DAYS)], len(dates) - 2)
    return pairwise(rows[np.append(np.diff(rows) > 0, True)].tolist())


def weights_of(past: np.ndarray, sides: np.ndarray) -> dict[str, np.ndarray]:
    n = past.shape[1]
    covariance = ledoit_wolf_covariance(past).matrix
    return {
        "Equal weight": np.full(n, 1 / n),
        "HRP": hrp_weights(covariance),
        "Min variance": minimum_variance_weights(covariance),
        "Long-short": np.where(sides > 0, sides / (sides > 0).sum(), sides / (sides < 0).sum()),
    }


def drifting(weights: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """(D, N) weights before each of D days, nothing traded."""
    rows = [weights]
    for day in returns[:-1]:
        rows.append(rows[-1] * (1 + day) / (1 + rows[-1] @ day))
    return np.array(rows)


def joined(parts: list[Track]) -> Track:
    return Track(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("dates", "outcomes", "windows", "volatilities")
        )
    )


def methods(track: Track) -> list[Method]:
    return [
        AveragedHistory(),
        FilteredHistory(),
        GarchHistory(),
        GarchHistory(leverage=True),
        History(),
        History(half_life=125),
        NormalVolatility(),
        NormalVolatility(decay=0.94),
        StudentMoments(),
        CornishFisherMoments(),
        ByModel(track.volatilities),
        ByModel(track.volatilities, DEGREES),
    ]


def tested(made: Forecasts, track: Track, draws: int) -> dict[str, tuple[Coverage, ...]]:
    """Tests over all days, before and after the choice, and by year."""
    early = track.dates < CHOSEN
    spans = dict(zip(SPANS, (None, early, ~early), strict=True))
    out = {name: coverage(made, track.outcomes, days=days, n_draws=draws) for name, days in spans.items()}
    by_year = coverage_by_year(made, track.outcomes, track.dates, n_draws=draws)
    return {**out, **{str(year): each for year, each in by_year.items()}}


def show(found: Found) -> None:
    for column, level in enumerate(LEVELS):
        for span in SPANS:
            print(f"\n{level:.0%}, {span}: hits of those expected, p-values in percent, days refused")
            rows = []
            for (name, method), spans in found.items():
                seen = spans[span][column]
                cells = [f"{100 * seen.p_value(test):.1f}" for test in TESTS]
                rows.append([f"{method}: {name}", f"{seen.n_hits}/{seen.expected:.0f}", *cells, f"{seen.n_refused}"])
            print(table(["", "hits", *TESTS, "refused"], sorted(rows)))
    methods = list(dict.fromkeys(method for _, method in found))
    for span in SPANS:
        print(f"\n{span}: of {len(PORTFOLIOS) * len(LEVELS)}, how often each test rejects at 5 %")
        rows = [
            [method, *map(str, counts), str(sum(counts))]
            for method in methods
            if (counts := votes(found, method, span))
        ]
        print(table(["", *TESTS, "in all"], rows))
    years = sorted(span for span in found[PORTFOLIOS[0], DEFAULT] if span.isdigit())
    print(f"\nyears of {len(years)} in which the frequency of hits is rejected at 5 %, by portfolio; 95 and 99 %")
    rows = [[method, *(failing(found[name, method], years) for name in PORTFOLIOS)] for method in methods]
    print(table(["", *PORTFOLIOS], rows))


def votes(found: Found, method: str, span: str) -> list[int]:
    """How many portfolios and levels each test rejects."""
    return [sum(rejected(seen, test) for name in PORTFOLIOS for seen in found[name, method][span]) for test in TESTS]


def failing(spans: Mapping[str, Sequence[Coverage]], years: Sequence[str]) -> str:
    counts = [sum(rejected(spans[year][column], "frequency") for year in years if year in spans) for column in (0, 1)]
    return "/".join(map(str, counts))


def rejected(seen: Coverage, test: str) -> bool:
    return bool(seen.p_value(test) < 0.05)


def passed(found: Found, method: str) -> dict[str, dict[str, int]]:
    """Span and level -> test -> portfolios that it does not reject at 5 %."""
    return {
        f"{span}, {level:.0%}": {
            test: sum(not rejected(found[name, method][span][column], test) for name in PORTFOLIOS) for test in TESTS
        }
        for span in SPANS
        for column, level in enumerate(LEVELS)
    }


def kept(spans: Mapping[str, Sequence[Coverage]]) -> dict[str, object]:
    """Of the long spans all p-values, of each year the hits at 95 and 99 % and what rejects."""
    whole = {
        f"{span}, {seen.level:.0%}": {
            "days": seen.n_days,
            "refused": seen.n_refused,
            "hits": seen.n_hits,
            "p": [round(seen.p_value(test), 4) if test in seen.tests else None for test in TESTS],
        }
        for span in SPANS
        for seen in spans[span]
    }
    years = {
        span: [[seen.n_hits, [place for place, test in enumerate(TESTS) if rejected(seen, test)]] for seen in each]
        for span, each in spans.items()
        if span.isdigit()
    }
    return {**whole, "years": years}


def pictures(folder: Path, held_tracks: Mapping[str, Track], found: Found) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    track = held_tracks["Equal weight"]
    made = forecast(track.windows, track.outcomes, AveragedHistory(), levels=LEVELS)
    by_year = {
        method: {int(span): each[1] for span, each in spans.items() if span.isdigit()}
        for (name, method), spans in found.items()
        if name == "Equal weight"
    }
    drawn = {"bands": forecast_bands(track.dates, track.outcomes, made), "years": years_map(by_year)}
    for name, picture in drawn.items():
        picture.figure.write_html(folder / f"{name}.html", config={"displayModeBar": False})
        print(f"{folder / name}.html: {picture.note}")


if __name__ == "__main__":
    sys.exit(main())
