"""Warm start against cold start at the next rebalance: epochs and seconds to the same validation IC.

Usage: python benchmarks/bench_warm_start.py [--store STORE] [--universe sp400-like] [--end 2017-06-30]
       [--names 400] [--seeds 3] [--tolerance 0.005] [--threads 1]

A parent is trained on one fold; the child's fold lies 126 days later, beyond all that the parent has seen. The child
is fitted twice: from fresh weights, and from the parent's at a third of the rate for a few epochs. The goal of both is
the best validation IC of the cold fit less the tolerance. Seconds run from the call of ``fit``, set-up included, to
the end of the epoch that reaches the goal; the whole fits and the IC over the test range, which neither has seen, are
beside them. Without a store a market is simulated whose signal only a network that sees peers can read in full. Exit
code 1 when the warm fit is less than three times faster, by the median over seeds, or misses the goal for any seed.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from _record import describe, machine, table, versions, write_line

from quantray.analytics.forecasts import daily_ic
from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.data.store import MarketStore
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.data.universe import PRESETS
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster, warm_settings
from quantray.models.networks import ATTENTIONS
from quantray.models.structures import GraphSettings
from quantray.models.training import EpochReport, TrainingSettings
from quantray.research.folds import walk_forward

LOOKBACK, VALID, TEST = 258, 60, 126
TIMES_FASTER = 3.0


@dataclass(frozen=True, eq=False)
class Course:
    """How one fit went."""

    fitted: FittedNetwork
    valid_ic: list[float]
    """After each epoch."""
    seconds: list[float]
    """From the call to the end of each epoch."""
    test_ic: float
    """Mean daily IC over the test range."""

    @property
    def best(self) -> float:
        """The best validation IC of any epoch."""
        return max(self.valid_ic)

    def epochs_to(self, goal: float) -> float:
        """Epochs until the validation IC reaches the goal; infinite where it never does."""
        return next((epoch for epoch, ic in enumerate(self.valid_ic, 1) if ic >= goal), math.inf)

    def seconds_to(self, goal: float) -> float:
        """Seconds until then."""
        epochs = self.epochs_to(goal)
        return self.seconds[int(epochs) - 1] if math.isfinite(epochs) else math.inf

    def record(self) -> dict[str, object]:
        """What is kept of it."""
        return {
            "valid_ic": [round(ic, 5) for ic in self.valid_ic],
            "seconds": [round(s, 2) for s in self.seconds],
            "test_ic": round(self.test_ic, 5),
        }


@dataclass(frozen=True, eq=False)
class Pair:
    """Both fits of one seed."""

    cold: Course
    warm: Course
    tolerance: float

    @property
    def goal(self) -> float:
        """The validation IC that both must reach."""
        return self.cold.best - self.tolerance

    @property
    def ratios(self) -> dict[str, float]:
        """How many times faster the warm fit is; zero where it misses the goal."""
        return {
            "epochs": self.cold.epochs_to(self.goal) / self.warm.epochs_to(self.goal),
            "seconds": self.cold.seconds_to(self.goal) / self.warm.seconds_to(self.goal),
            "whole_fit": self.cold.seconds[-1] / self.warm.seconds[-1],
        }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="market store; without one a market is simulated")
    parser.add_argument("--universe", default="sp400-like", choices=sorted(PRESETS))
    parser.add_argument("--end", default="2017-06-30", help="last day read from the store")
    parser.add_argument("--names", type=int, default=400, help="of the simulated market")
    parser.add_argument("--train-days", type=int, default=504)
    parser.add_argument("--attention", default="neighbours", choices=ATTENTIONS)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=30, help="of the parent and the cold fit, at most")
    parser.add_argument("--tolerance", type=float, default=0.005, help="of the validation IC")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    about = machine()
    panel = panel_of(arguments)
    source = f"simulated, {arguments.names} names" if arguments.store is None else Path(arguments.store).name
    print(f"data: {source}, {arguments.train_days} training days; torch {arguments.threads} threads")
    print(describe(about))
    features = feature_set(panel)
    pairs = {seed: pair(panel, features, seed, arguments) for seed in range(arguments.seeds)}
    print(shown(pairs))
    middle = {name: float(np.median([p.ratios[name] for p in pairs.values()])) for name in ("epochs", "seconds")}
    middle["whole_fit"] = float(np.median([p.ratios["whole_fit"] for p in pairs.values()]))
    missed = [seed for seed, p in pairs.items() if p.ratios["epochs"] == 0]
    reached = middle["seconds"] >= TIMES_FASTER and not missed
    line = {
        "machine": about,
        "versions": versions("torch", "numpy"),
        "data": source,
        "universe": None if arguments.store is None else arguments.universe,
        "settings": {n: v for n, v in vars(arguments).items() if n not in ("store", "universe")},
        "fits": {seed: {"cold": p.cold.record(), "warm": p.warm.record()} for seed, p in pairs.items()},
        "goals": {seed: round(p.goal, 5) for seed, p in pairs.items()},
        "times_faster": {seed: p.ratios for seed, p in pairs.items()},
        "times_faster_median": middle,
        "seeds_that_missed_the_goal": missed,
        "targets": {"times_faster": TIMES_FASTER},
        "targets_reached": reached,
    }
    print(f"written: {write_line('bench_warm_start', line).name}")
    print(
        f"warm start {middle['seconds']:.1f} times faster to the goal ({middle['epochs']:.1f} in epochs, whole fit "
        f"{middle['whole_fit']:.1f}; median of {len(pairs)} seeds, {len(missed)} of them missed it): "
        f"{'reached' if reached else 'MISSED'}, at least {TIMES_FASTER:.0f} wanted"
    )
    return 0 if reached else 1


def panel_of(arguments: argparse.Namespace) -> Panel:
    """Enough days for look-backs and two folds."""
    needed = LOOKBACK + arguments.train_days + VALID + 2 * TEST + 10
    if arguments.store is None:
        planted = LeadLag(group_correlation=0.45)
        # The same market for all seeds: those are of the networks.
        return simulate_market(arguments.names, needed, seed=3, lead_lag=planted, listing_share=0.05).panel
    # 1.5 calendar days hold a trading day with room for holidays.
    start = np.datetime64(arguments.end, "D") - np.timedelta64(int(1.5 * needed), "D")
    panel = MarketStore(arguments.store).load(PRESETS[arguments.universe], start, arguments.end)
    return panel.between(panel.dates[-needed], panel.dates[-1])


def pair(panel: Panel, features: Features, seed: int, arguments: argparse.Namespace) -> Pair:
    """The parent, and the child cold and warm."""
    folds = walk_forward(
        panel.dates[LOOKBACK:], train_days=arguments.train_days, valid_days=VALID, test_days=TEST, horizon=1, lag=1
    )
    cold = NetworkForecaster(
        name="cold",
        attention=arguments.attention,
        width=arguments.width,
        graph=GraphSettings(k=8, n_factors=3),
        training=TrainingSettings(epochs=arguments.epochs),
    )
    warm = replace(cold, name="warm", training=warm_settings(cold.training, epochs=min(6, arguments.epochs)))
    parent = course(replace(cold, name="parent"), panel, folds[0], features, seed)
    return Pair(
        course(cold, panel, folds[1], features, seed),
        course(warm, panel, folds[1], features, seed, parent.fitted),
        arguments.tolerance,
    )


def course(
    forecaster: NetworkForecaster,
    panel: Panel,
    fold: Split,
    features: Features,
    seed: int,
    init: FittedNetwork | None = None,
) -> Course:
    """Fit and take the time of each epoch."""
    ics: list[float] = []
    ends: list[float] = []

    def report(epoch: EpochReport) -> None:
        ics.append(epoch.valid_ic)
        ends.append(time.perf_counter() - start)

    context = FitContext(features=features, seed=seed, report=report)
    start = time.perf_counter()
    fitted = forecaster.fit(panel, fold, init=init, context=context)
    rows = fold.rows(panel.dates).test
    scores = fitted.predict(panel, panel.dates[rows], features=features)
    earned = forward_returns(panel.field("close"), horizon=fold.horizon, lag=fold.lag)[rows]
    test_ic = float(np.nanmean(daily_ic(scores.values, earned, panel.member[rows])))
    print(
        f"seed {seed}, {forecaster.name}, training to {fold.train.last}: {len(ics)} epochs, "
        f"{ends[-1]:.0f} s, valid IC {max(ics):.4f}, test IC {test_ic:.4f}",
        flush=True,
    )
    return Course(fitted, ics, ends, test_ic)


def shown(pairs: dict[int, Pair]) -> str:
    rows = []
    for seed, both in pairs.items():
        cells = [f"{both.goal:.4f}", f"{both.warm.best:.4f}"]
        for fit in (both.cold, both.warm):
            cells += [f"{fit.epochs_to(both.goal):.0f}", f"{fit.seconds_to(both.goal):.0f}", f"{fit.seconds[-1]:.0f}"]
        cells += [f"{both.ratios['seconds']:.1f}x", f"{both.cold.test_ic:.4f}", f"{both.warm.test_ic:.4f}"]
        rows.append([f"seed {seed}", *cells])
    of_each = [f"{name} {what}" for name in ("cold", "warm") for what in ("epochs", "s", "whole s")]
    return table(["", "goal IC", "warm best", *of_each, "faster", "cold test IC", "warm test IC"], rows)


if __name__ == "__main__":
    sys.exit(main())
