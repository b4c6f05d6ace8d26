"""A day of a study that decides daily on forecasts, by part: models of risk, and what the leading process does.

S&P 500 members, decided on every day from October 2014 to 2016 as a YAML file of kind ``portfolios`` asks for it: 15
statistical factors of the last 252 days, minus the last day's return as forecasts, long-only, at most 2 % a name,
linear costs. One process, one thread, processor time, medians over days and rounds. Units make the models of risk, day
by day; then the leading process makes keys, reads the models, optimises day after day, and keeps the accounts. What a
part spends in another counts for the other alone. Then the same on 2,000 simulated names.

The floor of a unit's day is one decomposition: products of days with days, the components of their matrix by the
fastest of LAPACK's own drivers, and the loadings. Least is the arithmetic that no model of a window can leave out, one
tridiagonalisation in place of the components. The floor of the leading process is one product of the optimiser's
columns, and the hash by which a day's part of the file is known to be whole.

Usage: python benchmarks/bench_daily_study.py [--data DIR] [--rounds 3] [--wide 2000]
"""

import argparse
import hashlib
import inspect
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from _record import describe, machine, table, versions, write_line
from _sp500 import DATA, store_of
from scipy.linalg import eigh
from scipy.linalg.lapack import dsytrd
from threadpoolctl import threadpool_limits

from quantray.portfolio.mean_variance import MeanVariance
from quantray.research import executor
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.studies.kinds import read_study
from quantray.studies.portfolios import alpha, replays, study, trial

FACTORS, WINDOW, FIRST, LAST = 15, 252, "2013-10-01", "2016-12-31"
FLOORS = 60
"""Times that each floor is measured in a round."""
WIDE_DAYS = 80
"""Decisions of the study on simulated names, fewer by the days before a fold."""
TARGET_MS, OF_THE_FLOOR = 4.0, 2.0
SETTINGS: dict[str, Any] = {
    "kind": "portfolios",
    "name": "daily",
    "rebalance": "daily",
    "allocators": [
        {
            "name": "MV reversal",
            "rule": "mean_variance",
            "estimator": "statistical",
            "n_factors": FACTORS,
            "max_weight": 0.02,
            "alpha": {"forecasts": {"control": "reversal"}, "ic": 0.03, "horizon_days": 5, "risk_aversion": 10},
        }
    ],
    "benchmark": "MV reversal",
    "folds": {"lookback_days": WINDOW, "test_days": 126},
    "costs": {"half_spread_bps": 2, "commission_bps": 0.5},
    "cluster": {"kind": "serial"},
}
UNIT = {
    "who takes part": (trial, "each_eligible"),
    "model of risk": (trial, "statistical_factors"),
    "writing": (ResultStore, "put"),
    "unit, other": (executor, "run_unit"),
}
LEADING = {
    "reading": (replays, "models_from"),
    "expected returns": (alpha, "expected_returns"),
    "optimiser": (MeanVariance, "solve"),
    "decision, other": (replays, "alpha_decisions"),
    "accounts": (replays, "backtest"),
    "keys": (study, "trial_units"),
}
FLOOR = {"unit": "unit, floor", "leading": "leading, floor"}
LEAST = "unit, least"
BY_DAY = ("who takes part", "model of risk", "expected returns", "optimiser", *FLOOR.values(), LEAST)


class Clock:
    """Milliseconds of processor time of calls, by part; what they spend in another part is not of theirs."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)
        self._within = [0.0]

    def call(self, part: str, work: Callable[[], Any]) -> Any:
        """What some work gives, timed as a part."""
        self._within.append(0.0)
        start = time.process_time()
        try:
            return work()
        finally:
            spent = time.process_time() - start
            self.taken[part].append((spent - self._within.pop()) * 1e3)
            self._within[-1] += spent

    @contextmanager
    def watching(self, parts: dict[str, tuple[Any, str]]) -> Iterator[None]:
        """Times functions under the names by which others call them; of a generator, every item."""
        with ExitStack() as stack:
            for part, (owner, name) in parts.items():
                function = getattr(owner, name)
                timed = self._items if inspect.isgeneratorfunction(function) else self._results
                stack.enter_context(patch.object(owner, name, timed(part, function)))
            yield

    def _results(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            return self.call(part, lambda: function(*given, **named))

        return run

    def _items(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            items = function(*given, **named)
            while (item := self.call(part, lambda: next(items, None))) is not None:
                yield item

        return run


def decomposed(returns: np.ndarray) -> None:
    """The products of (T, N) returns, their components by LAPACK's own driver, and loadings."""
    _, vectors = eigh(returns @ returns.T, subset_by_index=[WINDOW - FACTORS, WINDOW - 1])
    returns.T @ vectors


def least_model(returns: np.ndarray) -> None:
    """The arithmetic that no model of (T, N) returns can do without."""
    reduced = dsytrd(returns @ returns.T, lower=1, lwork=64 * WINDOW)[0]
    returns.T @ reduced[:, :FACTORS]


def least_decision(columns: np.ndarray, content: bytes) -> None:
    """That of a decision on a model that lies in a sealed file."""
    columns @ columns.T
    hashlib.sha256(content).hexdigest()


def one_round(settings: Path, runs: str, clock: Clock) -> tuple[str, int]:
    """Run the study from nothing, and then the floors; returns its digest and how many names its last day has."""
    kind, asked = read_study(settings, [f"runs={runs}"])
    source = clock.call("loading", lambda: kind.load(asked))
    with clock.watching(UNIT | LEADING):
        found = clock.call("run, other", lambda: kind.run(source, Serial()))
    names = int(source.panel.member[-1].sum())
    history = np.random.default_rng(0).normal(size=(WINDOW + FLOORS, names))
    columns, content = np.ones((FACTORS + 1, names)), bytes(8 * names * (FACTORS + 1))
    for day in range(FLOORS):
        returns = history[day : day + WINDOW]
        clock.call(FLOOR["unit"], partial(decomposed, returns))
        clock.call(LEAST, partial(least_model, returns))
        clock.call(FLOOR["leading"], lambda: least_decision(columns, content))
    return found.digest, names


@dataclass(frozen=True)
class Measured:
    """A study, milliseconds of a day."""

    names: int
    decisions: int
    digests: set[str]
    loading: float
    parts: dict[str, float]
    """The median of what is called every day, an even share of what is not."""

    @property
    def sums(self) -> dict[str, float]:
        """Of a unit and of the leading process."""
        return {
            "unit": sum(self.parts[name] for name in UNIT),
            "leading": sum(self.parts[name] for name in (*LEADING, "run, other")),
        }

    @property
    def times(self) -> dict[str, float]:
        """By how much they are above their floors."""
        return {who: self.sums[who] / self.parts[floor] for who, floor in FLOOR.items()}

    def line(self) -> dict[str, object]:
        """For the record."""
        return {
            "names": self.names,
            "decisions": self.decisions,
            "loading_ms": round(self.loading, 1),
            "parts_ms": {name: round(ms, 3) for name, ms in self.parts.items()},
            "ms": {who: round(ms, 2) for who, ms in self.sums.items()},
            "of_the_floor": {who: round(share, 2) for who, share in self.times.items()},
            "digest": ", ".join(sorted(self.digests)),
        }


def measured(data: dict[str, object], folder: Path, rounds: int) -> Measured:
    """The study on some data, from nothing in every round."""
    clock, digests = Clock(), set()
    folder.mkdir()
    settings = folder / "daily.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS | {"data": data}))
    for number in range(rounds):
        digest, names = one_round(settings, str(folder / f"runs{number}"), clock)
        digests.add(digest)
    days, parts = len(clock.taken["optimiser"]) // rounds, {}
    for part in (*UNIT, *LEADING, "run, other", *FLOOR.values(), LEAST):
        each = np.array(clock.taken[part])
        whole = np.median(each.reshape(rounds, -1).sum(axis=1)) / days
        parts[part] = float(np.median(each) if part in BY_DAY else whole)
    return Measured(names, days, digests, float(np.median(clock.taken["loading"])), parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wide", type=int, default=2000, help="simulated names of the second study")
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as place, threadpool_limits(1), redirect_stderr(StringIO()):
        folder = Path(place)
        store = {"kind": "store", "store": str(store_of(arguments.data, folder, FIRST, LAST))}
        members = measured(store, folder / "members", arguments.rounds)
        wide = {"kind": "simulated", "n_assets": arguments.wide, "n_days": WINDOW + WIDE_DAYS}
        many = measured(wide, folder / "wide", arguments.rounds)
    found = {f"{each.names:,} names": each for each in (members, many)}
    same = all(len(each.digests) == 1 for each in found.values())
    passed = members.sums["leading"] <= TARGET_MS and members.times["unit"] <= OF_THE_FLOOR and same
    print(describe(about))
    rows = [[part, *(f"{each.parts[part]:.2f}" for each in found.values())] for part in members.parts]
    for who in FLOOR:
        rows.append([f"{who}, in all", *(f"{each.sums[who]:.2f}" for each in found.values())])
        rows.append([f"{who}, of its floor", *(f"{each.times[who]:.1f}" for each in found.values())])
    print(table(["ms of a day", *found], rows))
    about_run = {"machine": about, "versions": versions("numpy", "scipy", "pyarrow"), "seed": 0}
    content = about_run | {"rounds": arguments.rounds} | members.line() | {"wide": many.line(), "passed": passed}
    print(f"written: {write_line('bench_daily_study', content).name}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
