"""The public RSR benchmark, clean and as published: what of its skill is in the full-sample maximum.

Usage: python benchmarks/bench_rsr.py [--data FILE] [--seeds 5] [--width 16] [--epochs 4] [--threads 1]
       [--keep runs/rsr] [--minutes M]

FILE is a user's own copy of the benchmark: see ``_rsr.py``. One split, 237 test days of 2017, returns of the next day
from the close on. Two tracks: *clean*, inputs from returns only; and *as published*, with the close over its maximum
in the whole sample as one more input, which is a leak. Networks are one LSTM layer of the width, alone, with attention
over 10 names of the own industry, and over as many of an industry dealt out at random; LightGBM needs the extra of that
name. Fits are kept in a folder, so that the command goes on where it was stopped, and stops by itself after M minutes.
Information coefficients are means over days and seeds with block-bootstrap intervals; differences are paired by day.
Exit code 1 when fits are missing, when reversal does not come to its known .0151, or when the leak adds nothing to some
network.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from _record import describe, machine, table, versions, write_line
from _rsr import FILE, Rsr, clean_features, leaking_features, read

from quantray.analytics.bootstrap import Estimate, estimated_mean
from quantray.analytics.forecasts import daily_ic, ensemble_scores, ic_difference
from quantray.data.panel import Panel
from quantray.features.feature_set import Features
from quantray.models.controls import ControlRule
from quantray.models.forecaster import FitContext, Forecaster
from quantray.models.learned import NetworkForecaster
from quantray.models.linear import Ridge
from quantray.models.networks import Attention
from quantray.models.regression import lightgbm
from quantray.models.structures import GraphSettings
from quantray.models.training import EpochReport, TrainingSettings

TRACKS: dict[str, Callable[[Panel], Features]] = {"clean": clean_features, "as published": leaking_features}
LEVEL = "level, nothing learned"
NETWORKS: dict[str, Attention] = {"LSTM": "none", "GAT over industries": "neighbours", "random graph": "neighbours"}
PUBLISHED = {"LSTM": 0.032, "GAT over industries": 0.035}
PUBLISHED_SECONDS = {"LSTM": 3.0, "GAT over industries": 7.4}
"""Of an epoch, on a card of 11 GB."""
REVERSAL = 0.0151


@dataclass(frozen=True, eq=False)
class Fit:
    """Scores of the test dates by one fit."""

    scores: np.ndarray
    """(D, N)."""
    epoch_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Row:
    """What the fits of one model came to on one track."""

    daily: np.ndarray
    """(D,) information coefficient, mean over seeds."""
    mean: Estimate
    seeds: list[float]
    ensemble: float
    """Of the mean of the seeds' scores."""
    epoch_seconds: float | None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=FILE)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--keep", type=Path, default=Path("runs/rsr"), help="folder of fits")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    arguments = parser.parse_args(argv)
    about, rsr = machine(), read(arguments.data)
    torch.set_num_threads(arguments.threads)
    print(
        f"{rsr.panel.shape[1]:,} names, {len(rsr.forward)} test days, {arguments.seeds} seeds, width {arguments.width}"
    )
    print(describe(about))
    if not fitted_all(rsr, arguments):
        print("stopped before all was fitted; the same command goes on", file=sys.stderr)
        return 1
    rows = {track: {name: row(rsr, arguments, track, name) for name in models(track)} for track in TRACKS}
    print(shown(rows))
    print(f"written: {write_line('bench_rsr', line(rsr, arguments, about, rows)).name}")
    return verdict(rows)


def models(track: str) -> list[str]:
    """Names of all that is compared on a track."""
    plain = ["zero", "reversal", "reversal with the 30-day gap", "ridge", "LightGBM", *NETWORKS]
    return [LEVEL, *plain] if track == "as published" else plain


def seeds_of(name: str, seeds: int) -> int:
    return seeds if name in NETWORKS else 1


def fitted_all(rsr: Rsr, arguments: argparse.Namespace) -> bool:
    """Fit what is not kept yet, seed by seed; False where time ran out."""
    until = time.monotonic() + 60 * arguments.minutes
    for seed in range(arguments.seeds):
        for track, make in TRACKS.items():
            context: FitContext | None = None
            for name in models(track):
                path = kept_at(arguments, track, name, seed)
                if path.is_file() or seed >= seeds_of(name, arguments.seeds):
                    continue
                if time.monotonic() > until:
                    return False
                context = context or FitContext(features=make(rsr.panel), remake=make)
                keep(path, fit(rsr, arguments, context, name, seed))
    return True


def fit(rsr: Rsr, arguments: argparse.Namespace, context: FitContext, name: str, seed: int) -> Fit:
    """One fit and its scores of the test dates."""
    if name == LEVEL:
        return Fit(-rsr.panel.field("close")[rsr.rows])
    ends: list[float] = [time.perf_counter()]

    def ended(report: EpochReport) -> None:
        ends.append(time.perf_counter())
        print(f"{name}, seed {seed}, epoch {report.epoch}: valid IC {report.valid_ic:.4f}", flush=True)

    given = FitContext(
        features=context.features,
        remake=context.remake,
        sectors=industries(rsr, seed if name == "random graph" else None),
        seed=seed,
        report=ended,
    )
    fitted = forecaster(arguments, name).fit(rsr.panel, rsr.fold, context=given)
    scores = fitted.predict(rsr.panel, rsr.panel.dates[rsr.rows]).values
    # The first epoch is timed from the call on, so it holds the graphs and tensors, too.
    return Fit(scores, np.diff(ends)[1:].tolist())


def forecaster(arguments: argparse.Namespace, name: str) -> Forecaster:
    if name in ("zero", "reversal"):
        return ControlRule(name)
    if name == "reversal with the 30-day gap":
        return ControlRule("reversal_gap")
    if name == "ridge":
        return Ridge()
    if name == "LightGBM":
        return lightgbm(name, {})
    return NetworkForecaster(
        name=name,
        attention=NETWORKS[name],
        width=arguments.width,
        layers=1,
        graph=GraphSettings(kind="sector", k=10),
        training=TrainingSettings(epochs=arguments.epochs, patience=3, learning_rate=2e-3),
    )


def industries(rsr: Rsr, seed: int | None) -> dict[str, str]:
    """Industry of each name; with a seed, dealt out among the names, so that the graph keeps its degrees."""
    if seed is None:
        return rsr.industries
    dealt = np.random.default_rng(seed).permutation(list(rsr.industries.values())).tolist()
    return dict(zip(rsr.industries, dealt, strict=True))


def kept_at(arguments: argparse.Namespace, track: str, name: str, seed: int) -> Path:
    shape = f"width {arguments.width}, {arguments.epochs} epochs"
    path: Path = arguments.keep / shape / track / name / f"{seed}.npz"
    return path


def keep(path: Path, done: Fit) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, scores=done.scores, epoch_seconds=np.array(done.epoch_seconds))
    part.rename(path)


def row(rsr: Rsr, arguments: argparse.Namespace, track: str, name: str) -> Row:
    """Gather the fits of one model."""
    stored = [np.load(kept_at(arguments, track, name, seed)) for seed in range(seeds_of(name, arguments.seeds))]
    scores, member = [one["scores"] for one in stored], rsr.panel.member[rsr.rows]
    daily = np.stack([np.nan_to_num(daily_ic(values, rsr.forward, member)) for values in scores])
    seconds = np.concatenate([one["epoch_seconds"] for one in stored])
    together = scores[0] if len(scores) == 1 else ensemble_scores(np.stack(scores), member)
    return Row(
        daily.mean(axis=0),
        estimated_mean(daily.mean(axis=0)),
        daily.mean(axis=1).tolist(),
        float(np.nan_to_num(daily_ic(together, rsr.forward, member)).mean()),
        float(np.median(seconds)) if len(seconds) else None,
    )


def shown(rows: dict[str, dict[str, Row]]) -> str:
    titles = [
        "IC by model",
        *TRACKS,
        "the leak adds",
        "less the 30-day gap, clean",
        "published",
        "s an epoch",
        "published",
    ]
    lines = []
    for name in models("as published"):
        both = [rows[track].get(name) for track in TRACKS]
        clean, leaking = both
        adds = None if clean is None or leaking is None else ic_difference(leaking.daily, clean.daily)
        gap = rows["clean"]["reversal with the 30-day gap"].daily
        beyond = None if clean is None or clean.daily is gap else ic_difference(clean.daily, gap)
        seconds = None if clean is None else clean.epoch_seconds
        lines.append(
            [
                name,
                *(told(None if one is None else one.mean) for one in both),
                *(told(one) for one in (adds, beyond)),
                f"{PUBLISHED[name]:.3f}" if name in PUBLISHED else "",
                "" if seconds is None else f"{seconds:.1f}",
                f"{PUBLISHED_SECONDS[name]:.1f}" if name in PUBLISHED_SECONDS else "",
            ]
        )
    return table(titles, lines)


def told(found: Estimate | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:.4f} ({found.interval.low:.4f} to {found.interval.high:.4f})"


def line(
    rsr: Rsr, arguments: argparse.Namespace, about: dict[str, object], rows: dict[str, dict[str, Row]]
) -> dict[str, object]:
    def numbers(found: Estimate) -> list[float]:
        return [round(value, 5) for value in (found.mean, found.interval.low, found.interval.high)]

    return {
        "machine": about,
        "versions": versions("torch", "numpy"),
        "names": rsr.panel.shape[1],
        "test_days": len(rsr.forward),
        **{name: getattr(arguments, name) for name in ("seeds", "width", "epochs", "threads")},
        "results": {
            track: {
                name: {
                    "ic": numbers(one.mean),
                    "of_seeds": [round(value, 5) for value in one.seeds],
                    "ensemble": round(one.ensemble, 5),
                    "epoch_seconds": one.epoch_seconds,
                }
                for name, one in of_track.items()
            }
            for track, of_track in rows.items()
        },
        "leak_adds": {
            name: numbers(ic_difference(rows["as published"][name].daily, one.daily))
            for name, one in rows["clean"].items()
        },
    }


def verdict(rows: dict[str, dict[str, Row]]) -> int:
    """Exit code."""
    reversal = rows["clean"]["reversal"].mean.mean
    if abs(reversal - REVERSAL) > 2e-4:
        print(f"FAILED: reversal comes to {reversal:.4f}, and {REVERSAL} is known: other data", file=sys.stderr)
        return 1
    for name in NETWORKS:
        found = ic_difference(rows["as published"][name].daily, rows["clean"][name].daily)
        if found.interval.low <= 0:
            print(f"FAILED: the leak adds {told(found)} to {name}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
