"""Daily inference at 2,000 names: from a stored checkpoint and a new day's prices to scores.

Usage: python benchmarks/bench_inference.py [--store STORE --end 2017-06-30] [--names 2000] [--attention neighbours]
       [--threads 2] [--repeats 20] [--seed 0]

A network is trained for an epoch or two and saved. Then, again and again: the file is read, the features of the next
day are computed from the rows that they look back on, the graph in force is taken from the checkpoint, the LSTM goes
one step on from its stored state, and attention and head give the scores. Medians; the parts are timed one by one and
must come to the very scores of the whole. A new graph, due once a quarter, is stated beside it. Exit code 1 when the
median of the whole is a second or more at 2,000 names, or the parts come to other scores.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from _record import describe, machine, table, versions, write_line

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.data.universe import PRESETS
from quantray.features.feature_set import Features, feature_set
from quantray.models.examples import GAP_DAYS, Examples, make_examples
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext, Scores
from quantray.models.learned import NetworkForecaster
from quantray.models.networks import ATTENTIONS
from quantray.models.structures import graphs_by_row, known_graph
from quantray.models.training import TrainingSettings
from quantray.research.folds import walk_forward

R = TypeVar("R")

NAMES, TARGET_SECONDS = 2000, 1.0
LOOKBACK = 258
VALID = 40


@dataclass(frozen=True)
class Timings:
    """Median seconds by part, and whether the parts came to the scores of the whole."""

    parts: dict[str, float]
    whole: float
    first: float
    """The first time of all, before caches are warm."""
    new_graph: float
    same_scores: bool
    scored: int
    """Names with a score."""
    file_bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="market store; without one a market is simulated")
    parser.add_argument("--universe", default="top2000", choices=sorted(PRESETS))
    parser.add_argument("--end", default="2017-06-30", help="last day read from the store")
    parser.add_argument("--names", type=int, default=NAMES, help="of the simulated market")
    parser.add_argument("--attention", default="neighbours", choices=ATTENTIONS)
    parser.add_argument("--train-days", type=int, default=252)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    about = machine()
    panel = panel_of(arguments)
    source = f"simulated, seed {arguments.seed}" if arguments.store is None else Path(arguments.store).name
    print(f"data: {source}, {panel.shape[1]:,} names in all; torch {arguments.threads} threads")
    print(describe(about))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        row = trained(panel, Path(folder), arguments)
        print(
            f"trained {arguments.epochs} epochs of {arguments.train_days} days in {time.perf_counter() - start:.0f} s"
        )
        near = panel.between(panel.dates[row - LOOKBACK], panel.dates[row])
        timings = measure(Path(folder) / "checkpoint.pt", near, arguments.repeats)
    print(shown(timings))
    large = timings.scored >= 0.9 * NAMES
    reached = timings.whole < TARGET_SECONDS
    line = {
        "machine": about,
        "versions": versions("torch", "numpy"),
        "data": source,
        "seed": arguments.seed,
        "torch_threads": arguments.threads,
        "attention": arguments.attention,
        "day": str(near.dates[-1]),
        "names_in_panel": panel.shape[1],
        "lookback_rows": LOOKBACK,
        "repeats": arguments.repeats,
        **vars(timings),
        "targets": {"names": NAMES, "seconds": TARGET_SECONDS},
        "targets_reached": reached if large else None,
    }
    print(f"written: {write_line('bench_inference', line).name}")
    return verdict(timings, large=large, reached=reached)


def panel_of(arguments: argparse.Namespace) -> Panel:
    """Enough days to look back, to train and to predict the next one."""
    needed = LOOKBACK + arguments.train_days + VALID + 10
    if arguments.store is None:
        return simulate_market(
            arguments.names, needed, seed=arguments.seed, listing_share=0.05, delisting_share=0.02
        ).panel
    # 1.5 calendar days hold a trading day with room for holidays.
    start = np.datetime64(arguments.end, "D") - np.timedelta64(int(1.5 * needed), "D")
    panel = MarketStore(arguments.store).load(PRESETS[arguments.universe], start, arguments.end)
    return panel.between(panel.dates[-needed], panel.dates[-1])


def trained(panel: Panel, folder: Path, arguments: argparse.Namespace) -> int:
    """Train and save; returns the row of the first day that the network has not seen."""
    fold = walk_forward(
        panel.dates[LOOKBACK:], train_days=arguments.train_days, valid_days=VALID, test_days=1, horizon=1, lag=1
    )[0]
    network = NetworkForecaster(
        name=arguments.attention,
        attention=arguments.attention,
        training=TrainingSettings(epochs=arguments.epochs, patience=arguments.epochs),
    )
    fitted = network.fit(panel, fold, context=FitContext(seed=arguments.seed, folder=folder, say=print))
    return panel.row(fitted.data_through) + 1


def measure(path: Path, near: Panel, repeats: int) -> Timings:
    """Time the inference of the last date of a panel that holds no more than its look-back before it."""
    day = near.dates[-1:]

    def whole() -> Scores:
        fitted = FittedNetwork.load(path)
        return fitted.predict(near, day, state=fitted.checkpoint.state)

    start = time.perf_counter()
    scores = whole()
    first = time.perf_counter() - start
    totals, parts = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        scores = whole()
        totals.append(time.perf_counter() - start)
        values, taken = part_by_part(path, near)
        parts.append(taken)
    fitted = FittedNetwork.load(path)
    attention, graph = fitted.checkpoint.network.attention, fitted.checkpoint.graph
    start = time.perf_counter()
    if attention in ("neighbours", "hierarchical"):
        known_graph(near, graph, attention, len(near.dates) - 1, {})
    return Timings(
        parts={name: float(np.median([taken[name] for taken in parts])) for name in parts[0]},
        whole=float(np.median(totals)),
        first=first,
        new_graph=time.perf_counter() - start,
        same_scores=np.array_equal(values, scores.values[0], equal_nan=True),
        scored=int((~np.isnan(scores.values)).sum()),
        file_bytes=path.stat().st_size,
    )


def part_by_part(path: Path, near: Panel) -> tuple[np.ndarray, dict[str, float]]:
    """(N,) scores of the last date, and the seconds of each step towards them."""
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], R]) -> R:
        start = time.perf_counter()
        out = work()
        taken[name] = time.perf_counter() - start
        return out

    def of_file() -> FittedNetwork:
        return FittedNetwork.load(path)

    fitted = timed("checkpoint read", of_file)
    checkpoint, network = fitted.checkpoint, timed("network built", lambda: fitted.network)
    features = timed("features", lambda: feature_set(near, names=checkpoint.feature_names, last=1))
    examples = timed("graph in force, tensors", lambda: examples_of_day(fitted, near, features))
    state = checkpoint.state
    assert state is not None
    assert state.lstm is not None
    place = {name: i for i, name in enumerate(state.assets.tolist())}
    rows = torch.tensor([place.get(name, -1) for name in near.assets.tolist()])
    before = state.lstm.take(rows)
    with torch.no_grad():
        tokens, _ = timed("LSTM, one step", lambda: network.encode(examples.values, before, examples.reset))
        scores = timed("attention and head", lambda: network.head(tokens, examples.structure(torch.tensor([0]))))
    there = near.member[-1] & features.present[0]
    return np.where(there, scores[0].numpy().astype(np.float64), np.nan), taken


def examples_of_day(fitted: FittedNetwork, near: Panel, features: Features) -> Examples:
    """Tensors of the last date alone, with the graph that the checkpoint brings along."""
    checkpoint, last = fitted.checkpoint, len(near.dates) - 1
    assert checkpoint.state is not None
    attention, links = checkpoint.network.attention, None
    if attention in ("neighbours", "hierarchical"):
        known = graphs_by_row(near, checkpoint.graph, attention, slice(last, last + 1), {}, checkpoint.state.graph)
        links = {0: known[last].links}
    clustered = attention == "hierarchical"
    return make_examples(
        features.values,
        features.present,
        near.member[last:],
        None,
        checkpoint.normaliser,
        None if clustered else links,
        clusters=links if clustered else None,
        earlier=~np.isnan(near.field("close")[last - GAP_DAYS : last]),
    )


def shown(timings: Timings) -> str:
    rows = [[name, f"{1e3 * value:,.1f}"] for name, value in timings.parts.items()]
    rows += [
        ["parts together", f"{1e3 * sum(timings.parts.values()):,.1f}"],
        ["whole, as one call", f"{1e3 * timings.whole:,.1f}"],
        ["whole, the first time", f"{1e3 * timings.first:,.1f}"],
        ["a new graph, once a quarter", f"{1e3 * timings.new_graph:,.1f}"],
    ]
    title = f"{timings.scored:,} names scored, checkpoint {timings.file_bytes / 2**20:.1f} MiB"
    return table([title, "median ms"], rows)


def verdict(timings: Timings, *, large: bool, reached: bool) -> int:
    if not timings.same_scores:
        print("FAILED: the parts come to other scores than the whole", file=sys.stderr)
        return 1
    if not large:
        print(f"target not checked: it holds for {NAMES:,} names, and {timings.scored:,} were scored")
        return 0
    print(
        f"under {TARGET_SECONDS:.0f} s at {NAMES:,} names: {'reached' if reached else 'MISSED'}, {timings.whole:.2f} s"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
