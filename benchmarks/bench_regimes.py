"""Do the regimes come out that made the market? Every method and lens against the truth, day by day.

Usage: python benchmarks/bench_regimes.py [--seeds 10] [--names 100] [--days 2520]

Three kinds of markets per seed: simulated ones of four regimes, whose volatilities lie close together (8, 13, 24 and
32 %), and chains of two and of three regimes that lie well apart. Methods are fitted every half year on the past and
evaluated on the days after their first two years; the lenses from when they know something.

Accuracy is the share of days with the true label, known at that day's close. The base rate is what always naming the
commonest regime would get. The adjusted Rand index is 1 for the true partition and 0 for an unrelated one, whatever
the names. The delay is the median number of days from a true switch until the label follows, over switches to regimes
that last ten days or more; caught is the share of those that the label follows before the regime ends.

Truth for a lens is the part of it that the lens looks at: volatility in order; crisis, stress and concentration in the
two volatile regimes; bull in the two rising ones, neutral in the sideways one.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from _chains import chain
from _record import describe, machine, table, versions, write_line

from quantray.data.synthetic import simulate_market
from quantray.regimes.classifier import ClassifierSettings, classifier_regimes
from quantray.regimes.clustering import ClusteringSettings, cluster_regimes
from quantray.regimes.ensemble import EnsembleSettings, combine
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.indicators import five_lenses
from quantray.regimes.observations import Observations, daily_observations, indicator_observations, smoothed
from quantray.regimes.path import RegimePath, adjusted_rand

LASTING = 10
TRUTH = {
    "market": (2, 0, 2, 1),
    "volatility": (1, 2, 0, 3),
    "liquidity": (0, 1, 0, 1),
    "correlation": (0, 1, 0, 1),
    "sector": (0, 1, 0, 1),
}
"""Label of each lens in the regimes bull, bear, calm and volatile."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A path beside the truth."""

    kind: str
    name: str
    path: RegimePath
    truth: np.ndarray
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="markets of each kind")
    parser.add_argument("--names", type=int, default=100, help="assets of a simulated market")
    parser.add_argument("--days", type=int, default=2520, help="days of each market")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    print(f"{arguments.seeds} seeds, {arguments.days} days, {arguments.names} names")
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for seed in range(arguments.seeds):
        for evaluated in every_path(seed, arguments.names, arguments.days):
            found[evaluated.kind, evaluated.name].append(scores(evaluated))
    figures: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (kind, name), all_scores in found.items():
        # A market without a switch that lasts has no delay.
        means = {key: round(float(np.nanmean([s[key] for s in all_scores])), 3) for key in all_scores[0]}
        figures[kind][name] = {**means, "worst": round(min(s["accuracy"] for s in all_scores), 3)}
    for kind, rows in figures.items():
        print("\n" + shown(kind, rows))
    size = {"seeds": arguments.seeds, "names": arguments.names, "days": arguments.days}
    content = {"machine": about, "versions": versions("hmmlearn", "scikit-learn"), **size, "figures": figures}
    print(f"\n{write_line('bench_regimes', content)}")
    return 0


def every_path(seed: int, names: int, days: int) -> Iterator[Evaluated]:
    market = simulate_market(names, days, seed=seed)
    panel, regimes = market.panel, market.truth.regimes
    sectors = dict(zip(panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    start = time.perf_counter()
    lenses = five_lenses(panel, sectors)
    spent = (time.perf_counter() - start) / len(TRUTH)
    for lens, labels in TRUTH.items():
        yield Evaluated("lenses", lens, getattr(lenses, lens).path, np.array(labels)[regimes], spent)
    single, smooth = daily_observations(panel), indicator_observations(panel)
    yield from methods("simulated, 4 regimes", single, smooth, np.array(TRUTH["volatility"])[regimes], seed)
    for states in (2, 3):
        made = chain(days, seed, states=states)
        smooth = smoothed(made.observations, fast=5, slow=21)
        yield from methods(f"well apart, {states} regimes", made.observations, smooth, made.truth, seed)


def methods(kind: str, single: Observations, smooth: Observations, truth: np.ndarray, seed: int) -> Iterator[Evaluated]:
    """Each method with the true number of states, and their ensemble with its usual weights."""
    count = int(truth.max()) + 1
    shares = {2: (0.7,), 3: (0.4, 0.8), 4: (0.35, 0.75, 0.92)}[count]
    runs: dict[str, Callable[[], RegimePath]] = {
        "hmm": lambda: hmm_regimes(single, HmmSettings(states=(count,), seed=seed)).path,
        "kmeans": lambda: cluster_regimes(smooth, ClusteringSettings(method="kmeans", states=count, seed=seed)).path,
        "mixture": lambda: cluster_regimes(smooth, ClusteringSettings(method="mixture", states=count, seed=seed)).path,
        "classifier": lambda: (
            classifier_regimes(smooth, ClassifierSettings(states=count, shares=shares, seed=seed)).path
        ),
    }
    paths, total = {}, 0.0
    for name, run in runs.items():
        start = time.perf_counter()
        paths[name] = run()
        spent = time.perf_counter() - start
        total += spent
        yield Evaluated(kind, name, paths[name], truth, spent)
    usual = EnsembleSettings()
    yield Evaluated(kind, "ensemble", combine(paths, weights=usual.weights, dwell_days=usual.dwell_days), truth, total)
    start = time.perf_counter()
    free = hmm_regimes(single, HmmSettings(seed=seed)).path
    yield Evaluated(kind, "hmm, states by BIC", free, truth, time.perf_counter() - start)


def scores(evaluated: Evaluated) -> dict[str, float]:
    known = evaluated.path.known
    labels, truth = evaluated.path.labels[known], evaluated.truth[known]
    edges = np.append(np.flatnonzero(np.diff(truth)) + 1, len(truth))
    delays = []
    for start, stop in pairwise(edges):
        if stop - start >= LASTING:
            right = np.flatnonzero(labels[start:stop] == truth[start])
            delays.append(float(right[0]) if len(right) else np.nan)
    caught = np.array(delays)[~np.isnan(delays)]
    return {
        "accuracy": float((labels == truth).mean()),
        "base_rate": float(np.bincount(truth).max() / len(truth)),
        "adjusted_rand": adjusted_rand(labels, truth),
        "delay_days": float(np.median(caught)) if len(caught) else np.nan,
        "caught": len(caught) / len(delays) if delays else np.nan,
        "mean_spell": float(evaluated.path.spells.lengths.mean()),
        "true_states": float(len(evaluated.path.names) == evaluated.truth.max() + 1),
        "seconds": evaluated.seconds,
    }


def shown(kind: str, rows: dict[str, dict[str, float]]) -> str:
    titles = [kind, "accuracy", "worst seed", "base rate", "adjusted Rand", "delay", "caught", "spell", "s"]
    lines = []
    for name, own in rows.items():
        cells = [f"{own[key]:.3f}" for key in ("accuracy", "worst", "base_rate", "adjusted_rand")]
        cells += [f"{own['delay_days']:.1f}", f"{own['caught']:.2f}", f"{own['mean_spell']:.0f}"]
        lines.append([name, *cells, f"{own['seconds']:.2f}"])
    return table(titles, lines)


if __name__ == "__main__":
    sys.exit(main())
