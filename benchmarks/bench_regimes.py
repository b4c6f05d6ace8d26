"""Do the regimes come out that made the market? Every method and lens against the truth and against the best possible.

Usage: python benchmarks/bench_regimes.py [--seeds 10] [--first 0] [--names 100] [--days 2520] [--lenses-only]

Three kinds of markets per seed: simulated ones of four regimes, whose volatilities lie close together (8, 13, 24 and
32 %), and chains of two and of three regimes that lie well apart. Methods are fitted every half year on the past and
evaluated on the days after their first two years; the lenses from their first fit, after a year.

The bound is the filter with the true transitions and the true law of what is seen, in each regime, see
``_bounds.py``: of a lens given its own measures, of a method given the daily observations. ``way`` is the share of
the way from knowing nothing to it, of accuracy from the base rate, which is what always naming the commonest regime
gets; of the balanced accuracy from one over the number of regimes; of the log score from that of the regimes' shares.
The delay is the median number of days from a true switch until the label follows, over switches to regimes that last
ten days or more; caught is the share of those that the label follows before the regime ends. A false alarm is a
change to a regime other than the commonest that does not come true before the label changes again.

Below the methods stands what the ensemble is ahead of each of them in accuracy and log score, in brackets the standard
error of the paired differences over the seeds.

Truth for a lens is the part of it that the lens looks at: volatility in order; crisis, stress and concentration in
the two volatile regimes; bull in the two rising ones, neutral in the sideways one. Settings of the lenses, the states
of the hidden Markov model and the weights of the ensemble were chosen on the markets of seeds 100 to 109 alone.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from _bounds import calibration, figures, true_filter, way
from _chains import chain
from _record import describe, machine, table, versions, write_line

from quantray.data.synthetic import REGIMES, simulate_market
from quantray.regimes.classifier import ClassifierSettings, classifier_regimes
from quantray.regimes.clustering import ClusteringSettings, cluster_regimes
from quantray.regimes.ensemble import METHODS, EnsembleSettings, combine
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.indicators import lenses_of
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.observations import (
    Observations,
    daily_observations,
    indicator_observations,
    smoothed,
    state_names,
)
from quantray.regimes.path import RegimePath, adjusted_rand, regroup
from quantray.regimes.pooling import log_score_weights
from quantray.regimes.unseen import usual_cuts

WAYS = ("accuracy", "balanced", "log_score")
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
    best: RegimePath | None = None
    """By who knows the true parameters."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="markets of each kind")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--lenses-only", action="store_true", help="leave the methods out")
    parser.add_argument("--names", type=int, default=100, help="assets of a simulated market")
    parser.add_argument("--days", type=int, default=2520, help="days of each market")
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    print(f"{arguments.seeds} seeds from {arguments.first}, {arguments.days} days, {arguments.names} names")
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    said: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for evaluated in every_path(seed, arguments.names, arguments.days, lenses_only=arguments.lenses_only):
            found[evaluated.kind, evaluated.name].append(scores(evaluated))
            known = evaluated.path.known
            happened = np.eye(len(evaluated.path.names))[np.minimum(evaluated.truth, len(evaluated.path.names) - 1)]
            said[evaluated.name].append((evaluated.path.probabilities[known].ravel(), happened[known].ravel()))
    shown_figures: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (kind, name), all_scores in found.items():
        # A market without a switch that lasts has no delay.
        means = {key: round(float(np.nanmean([s[key] for s in all_scores])), 4) for key in all_scores[0]}
        ways = {f"way_{key}": round(way(means, key), 3) for key in WAYS if f"{key}_bound" in means}
        worst = {
            "worst": round(min(s["accuracy"] - s["base_rate"] for s in all_scores), 3),
            "worst_log_score": round(min(s["log_score"] - s["base_log_score"] for s in all_scores), 3),
        }
        shown_figures[kind][name] = {**means, **ways, **worst}
    leads = ahead(found)
    for kind, rows in shown_figures.items():
        print("\n" + shown(kind, rows))
        for name, lead in leads.get(kind, {}).items():
            print(f"ensemble less {name}: " + ", ".join(f"{k} {m:+.4f} ({se:.4f})" for k, (m, se) in lead.items()))
    curves = {name: calibration(*map(np.concatenate, zip(*said[name], strict=True))) for name in TRUTH}
    print("\nSaid, and happened, in tenths:")
    for name, curve in curves.items():
        print(f"{name:12s} " + "  ".join(f"{a:.2f} {b:.2f}" for a, b, _ in curve))
    size = {key: getattr(arguments, key) for key in ("seeds", "first", "names", "days")}
    content = {"machine": about, "versions": versions("hmmlearn", "scikit-learn"), **size}
    content |= {"figures": shown_figures, "ahead": leads}
    print(f"\n{write_line('bench_regimes', content | {'calibration': curves})}")
    return 0


def every_path(seed: int, names: int, days: int, *, lenses_only: bool) -> Iterator[Evaluated]:
    market = simulate_market(names, days, seed=seed)
    panel, regimes = market.panel, market.truth.regimes
    start = time.perf_counter()
    seen = MarketMeasures.of_panel(panel, dict(zip(panel.assets.tolist(), market.truth.sectors.tolist(), strict=True)))
    lenses = lenses_of(seen)
    spent = (time.perf_counter() - start) / len(TRUTH)
    assert seen.log_spread is not None
    columns = {
        "market": [seen.steps],
        "volatility": [seen.log_volatility],
        "liquidity": [seen.log_impact, seen.log_spread],
        "correlation": [seen.log_dispersion, seen.pull],
        "sector": [seen.log_sector_dispersion],
    }
    for lens, labels in TRUTH.items():
        path: RegimePath = getattr(lenses, lens).path
        chances = true_filter(columns[lens], regimes, market.truth.transition)
        best = RegimePath.likeliest(panel.dates, REGIMES, chances)
        groups = {name: str(path.names[label]) for name, label in zip(REGIMES, labels, strict=True)}
        yield Evaluated("lenses", lens, path, np.array(labels)[regimes], spent, in_order(regroup(best, groups), path))
    if lenses_only:
        return
    single, smooth = daily_observations(panel), indicator_observations(panel)
    chances = true_filter(list(single.values.T), regimes, market.truth.transition)
    by_volatility = chances[:, np.argsort(TRUTH["volatility"])]
    best = RegimePath.likeliest(panel.dates, ("low", "medium", "high", "extreme"), by_volatility)
    yield from methods("simulated, 4 regimes", single, smooth, np.array(TRUTH["volatility"])[regimes], seed, best)
    for states in (2, 3):
        made = chain(days, seed, states=states)
        smooth = smoothed(made.observations, fast=5, slow=21)
        stay = np.full((states, states), 0.015 / (states - 1)) + np.eye(states) * (0.985 - 0.015 / (states - 1))
        chances = true_filter(list(made.observations.values.T), made.truth, stay)
        best = RegimePath.likeliest(made.observations.dates, state_names(states), chances)
        yield from methods(f"well apart, {states} regimes", made.observations, smooth, made.truth, seed, best)


def in_order(path: RegimePath, other: RegimePath) -> RegimePath:
    """The path with its regimes in the other's order."""
    places = [path.names.tolist().index(name) for name in other.names.tolist()]
    return RegimePath.likeliest(path.dates, other.names, path.probabilities[:, places])


def methods(
    kind: str, single: Observations, smooth: Observations, truth: np.ndarray, seed: int, best: RegimePath
) -> Iterator[Evaluated]:
    """Each method with the true number of states, and their ensemble with its usual weights."""
    count = int(truth.max()) + 1
    usual = EnsembleSettings(states=count, seed=seed)
    known = HmmSettings.of_regimes(count, schedule=usual.schedule, seed=seed)
    runs: dict[str, Callable[[], RegimePath]] = {
        "hmm": lambda: hmm_regimes(single, known).path,
        "kmeans": lambda: cluster_regimes(smooth, ClusteringSettings(method="kmeans", states=count, seed=seed)).path,
        "mixture": lambda: cluster_regimes(smooth, ClusteringSettings(method="mixture", states=count, seed=seed)).path,
        "classifier": lambda: (
            classifier_regimes(smooth, ClassifierSettings(states=count, shares=usual_cuts(count), seed=seed)).path
        ),
    }
    paths, total = {}, 0.0
    for name, run in runs.items():
        start = time.perf_counter()
        paths[name] = run()
        spent = time.perf_counter() - start
        total += spent
        yield Evaluated(kind, name, paths[name], truth, spent, best)
    seen = single.values[:, single.column("volatility")]
    learnt = log_score_weights(paths, seen, usual.weights, shrinkage=usual.shrinkage, spell=usual.spell)
    path = combine(paths, weights=learnt.weights, dwell_days=usual.dwell_days)
    yield Evaluated(kind, "ensemble", path, truth, total, best)
    start = time.perf_counter()
    free = hmm_regimes(single, HmmSettings(seed=seed)).path
    yield Evaluated(kind, "hmm, states by BIC", free, truth, time.perf_counter() - start)


def ahead(
    found: dict[tuple[str, str], list[dict[str, float]]],
) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Of each kind of market: member -> mean and standard error of what the ensemble is ahead of it, seed by seed."""
    out: dict[str, dict[str, dict[str, tuple[float, float]]]] = defaultdict(dict)
    for (kind, name), alone in found.items():
        if (kind, "ensemble") not in found or name not in METHODS:
            continue
        for key in ("accuracy", "log_score"):
            together = found[kind, "ensemble"]
            lead = np.array([both[key] - own[key] for both, own in zip(together, alone, strict=True)])
            error = float(lead.std(ddof=1) / np.sqrt(len(lead))) if len(lead) > 1 else float("nan")
            out[kind].setdefault(name, {})[key] = (round(float(lead.mean()), 5), round(error, 5))
    return out


def scores(evaluated: Evaluated) -> dict[str, float]:
    path, known = evaluated.path, evaluated.path.known
    # With a number of states of its own the labels say nothing of the truth but their partition.
    compared = figures(path, evaluated.truth, evaluated.best) if evaluated.best is not None else {}
    return {
        **(compared or dict.fromkeys(("accuracy", "base_rate", "log_score", "base_log_score"), np.nan)),
        "adjusted_rand": adjusted_rand(path.labels[known], evaluated.truth[known]),
        "mean_spell": float(path.spells.lengths.mean()),
        "seconds": evaluated.seconds,
    }


def shown(kind: str, rows: dict[str, dict[str, float]]) -> str:
    titles = [kind, "base", "accuracy", "bound", "way", "balanced way", "log score", "bound", "way", "delay", "best"]
    titles += ["caught", "false a year", "best", "worst seed", "s"]
    lines = []
    for name, own in rows.items():
        if "way_accuracy" not in own:
            continue
        cells = [f"{own[key]:.3f}" for key in ("base_rate", "accuracy", "accuracy_bound")]
        cells += [f"{own[key]:.0%}" for key in ("way_accuracy", "way_balanced")]
        cells += [f"{own['log_score']:.3f}", f"{own['log_score_bound']:.3f}", f"{own['way_log_score']:.0%}"]
        cells += [f"{own['delay_days']:.1f}", f"{own['delay_bound']:.1f}", f"{own['caught']:.2f}"]
        cells += [f"{own['false_alarms']:.1f}", f"{own['false_alarms_bound']:.1f}"]
        lines.append([name, *cells, f"{own['worst']:+.3f} {own['worst_log_score']:+.2f}", f"{own['seconds']:.2f}"])
    return table(titles, lines)


if __name__ == "__main__":
    sys.exit(main())
