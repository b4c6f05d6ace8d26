"""Learned models on a GPU: epoch time, peak memory, bf16 against fp32, and the largest universe that trains.

Usage: python benchmarks/bench_gpu.py [--device cuda] [--names 2000] [--days 504] [--epochs 5] [--cap 64000] [--seed 0]
       python benchmarks/bench_gpu.py --device cpu --names 200 --days 60 --epochs 1 --cap 400

It needs torch, numpy and psutil, and nothing installed of quantray: the repository's root is put on the path. Data are
planted in memory: each name follows a feature of its own and, more so, the mean of another over its neighbours of the
day before, so ``neighbours`` can read all of it and ``none`` only a part. Each attention trains the same data in fp32
and in bf16. The largest universe is found by doubling the names until a training step (20 dates, backward, AdamW) runs
out of memory, or to the cap. Exit code 1 when bf16 loses more than the tolerance of the IC that fp32 reaches.
"""

import argparse
import gc
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _record import describe, machine, table, write_line

from quantray import __version__
from quantray.models.examples import Examples, Graphs
from quantray.models.losses import one_minus_ic
from quantray.models.networks import ATTENTIONS, Attention, Network, NetworkSettings
from quantray.models.scoring import TimeReading, half_precision
from quantray.models.training import TrainingSettings, TrainingState, train

FEATURES, NEIGHBOURS, CAP, VALID, STEPS = 26, 20, 50, 40, 20
OWN, PEERS = 0.06, 0.12
"""Correlation of a label with the name's own part of the signal, and with its neighbours'."""
BF16_LOSES_AT_MOST = 0.01


@dataclass(frozen=True)
class Run:
    """One attention, trained once."""

    epoch_seconds: float
    """Median over epochs but the first, which also warms up kernels."""
    first_epoch_seconds: float
    peak_bytes: int | None
    """Of tensors on the device, data included; none on a CPU."""
    valid_ic: float
    """Of the best epoch."""


@dataclass(frozen=True)
class Largest:
    """The most names that trained a step."""

    names: int
    peak_bytes: int | None
    seconds: float
    """Of the second step at that size."""
    ended_by: str
    """``memory``, or ``cap``."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--days", type=int, default=504, help=f"of training; {VALID} more validate")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4, help="streams of 20 days that a step trains side by side")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--attentions", nargs="+", default=list(ATTENTIONS), choices=ATTENTIONS)
    parser.add_argument("--cap", type=int, default=64000, help="most names that the search for the largest tries")
    parser.add_argument("--tolerance", type=float, default=BF16_LOSES_AT_MOST, help="of the IC, bf16 against fp32")
    parser.add_argument("--threads", type=int, help="of torch on the CPU; as torch chooses, by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; run with --device cpu, and small: --names 200 --days 60 --epochs 1")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    about = machine() | {"device": named(device), "torch_threads": torch.get_num_threads()}
    print(f"{about['device']}: {arguments.names:,} names, {arguments.days} days, width {arguments.width}")
    print(describe(about))
    data = planted(arguments.names, arguments.days + VALID, arguments.seed, device)
    best = best_ic(data, slice(arguments.days, arguments.days + VALID))
    runs = {}
    for kind in arguments.attentions:
        for precision in ("fp32", "bf16"):
            runs[f"{kind} {precision}"] = trained(kind, precision, data, device, arguments)
    del data
    largest = {}
    for kind in arguments.attentions:
        for again in (False, True) if kind != "none" else (False,):
            name = f"{kind}+recompute" if again else kind
            largest[name] = largest_universe(kind, again, device, arguments)
    lost = {k: runs[f"{k} fp32"].valid_ic - runs[f"{k} bf16"].valid_ic for k in arguments.attentions}
    print(shown_runs(runs, best), shown_largest(largest), sep="\n\n")
    reached = max(lost.values()) <= arguments.tolerance
    line = {
        "machine": about,
        "versions": {"quantray": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "settings": vars(arguments),
        "features": FEATURES,
        "neighbours": NEIGHBOURS,
        "best_possible_ic": best,
        "runs": {name: vars(run) for name, run in runs.items()},
        "ic_lost_by_bf16": lost,
        "largest": {name: vars(found) for name, found in largest.items()},
        "targets": {"ic_lost_by_bf16": arguments.tolerance},
        "targets_reached": reached,
    }
    print(f"written: {write_line('bench_gpu', line).name}")
    print(f"bf16 loses at most {arguments.tolerance} of the IC: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


def named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def planted(names: int, days: int, seed: int, device: torch.device) -> Examples:
    """Features with a planted signal, a graph that shows the neighbours, and 3 % of the names absent at a time."""
    generator = np.random.default_rng([seed, names])
    values = generator.standard_normal((days, names, FEATURES), dtype=np.float32)
    neighbours, clusters = links(names, generator)
    heard = np.zeros((days, names), dtype=np.float32)
    for column in range(neighbours.shape[1]):
        heard += values[:, neighbours[:, column], 1]
    heard /= np.sqrt(neighbours.shape[1])
    noise = generator.standard_normal((days, names), dtype=np.float32)
    labels = noise * np.float32((1 - OWN**2 - PEERS**2) ** 0.5) + np.float32(OWN) * values[:, :, 0]
    # The neighbours' part is of the day before, so that the encoder has something to remember.
    labels[1:] += np.float32(PEERS) * heard[:-1]
    examples = Examples(
        values=torch.from_numpy(values),
        reset=torch.zeros(days, names, dtype=torch.bool),
        member=torch.from_numpy(generator.random((days, names)) > 0.03),
        labels=torch.from_numpy(labels),
        graphs=Graphs(
            torch.zeros(days, dtype=torch.int64),
            torch.from_numpy(neighbours)[None],
            torch.from_numpy(clusters)[None],
        ),
    )
    return examples.to(device)


def links(names: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(N, k) neighbours in random order of names, and clusters (M, cap) of names that are near to one another."""
    order = generator.permutation(names)
    k = min(NEIGHBOURS, names - 1)
    neighbours = np.empty((names, k), dtype=np.int32)
    neighbours[order] = order[(np.arange(names)[:, None] + np.arange(1, k + 1)) % names]
    clusters = np.full(-(-names // CAP) * CAP, -1, dtype=np.int32)
    clusters[:names] = order
    return neighbours, clusters.reshape(-1, CAP)


def best_ic(data: Examples, rows: slice) -> float:
    """Mean daily IC of the planted signal itself."""
    values, labels, member = (t[rows].cpu().numpy() for t in (data.values, data.labels, data.member))
    earlier = data.values[rows.start - 1 : rows.stop - 1, :, 1].cpu().numpy()
    assert data.graphs.neighbours is not None
    near = data.graphs.neighbours[0].cpu().numpy()
    signal = OWN * values[:, :, 0] + PEERS * earlier[:, near].sum(axis=2) / np.sqrt(near.shape[1])
    days = zip(signal, labels, member, strict=True)
    return float(np.mean([np.corrcoef(s[there], y[there])[0, 1] for s, y, there in days]))


def trained(
    kind: Attention, precision: str, data: Examples, device: torch.device, arguments: argparse.Namespace
) -> Run:
    """Train on the planted data, and measure."""
    free(device)
    torch.manual_seed(arguments.seed)
    network = Network(NetworkSettings(inputs=FEATURES, width=arguments.width, attention=kind)).to(device)
    settings = TrainingSettings(
        reading=TimeReading(steps=STEPS, warm_up=0, precision="bf16" if precision == "bf16" else "fp32"),
        batch=arguments.batch,
        epochs=arguments.epochs,
        patience=arguments.epochs,
        learning_rate=3e-3,
        seed=arguments.seed,
    )
    rows, valid = slice(0, arguments.days), slice(arguments.days, arguments.days + VALID)
    ends = [time.perf_counter()]

    def after_epoch(state: TrainingState, _: Network) -> None:
        # The report has read a number from the device, so all of the epoch is done.
        ends.append(time.perf_counter())

    done = train(network, data, rows, valid, settings, after_epoch=after_epoch)
    times = np.diff(ends)
    run = Run(
        float(np.median(times[1:] if len(times) > 1 else times)), float(times[0]), peak(device), done.state.best_ic
    )
    print(f"  {kind} {precision}: {run.epoch_seconds:.2f} s an epoch, valid IC {run.valid_ic:.4f}", flush=True)
    return run


def largest_universe(kind: Attention, recompute: bool, device: torch.device, arguments: argparse.Namespace) -> Largest:
    """Double the names until a step does not fit."""
    settings = NetworkSettings(inputs=FEATURES, width=arguments.width, attention=kind, recompute=recompute)
    found, names, ended_by = Largest(0, None, float("nan"), "memory"), min(arguments.names, arguments.cap), "cap"
    while names <= arguments.cap:
        free(device)
        try:
            # Twice: the second step finds the optimiser's moments in memory and kernels warm.
            seconds = one_step(settings, names, device, arguments.seed)
            found = Largest(names, peak(device), seconds, "cap")
        except torch.OutOfMemoryError:
            ended_by = "memory"
            break
        names *= 2
    free(device)
    print(f"  {kind}{'+recompute' if recompute else ''}: {found.names:,} names, ended by {ended_by}", flush=True)
    return replace(found, ended_by=ended_by)


def one_step(settings: NetworkSettings, names: int, device: torch.device, seed: int) -> float:
    """Seconds of the second of two training steps on 20 dates."""
    torch.manual_seed(seed)
    data = planted(names, STEPS, seed, device)
    network = Network(settings).to(device)
    optimiser = torch.optim.AdamW(network.parameters())
    rows = torch.arange(STEPS, device=device)
    for _ in range(2):
        start = time.perf_counter()
        with half_precision(TimeReading(precision="fp32"), device):
            tokens, _ = network.encode(data.values)
            scores = network.head(tokens, data.structure(rows))
        one_minus_ic(scores, data.labels, data.known(rows)).sum().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return time.perf_counter() - start


def free(device: torch.device) -> None:
    """Give back what earlier runs left, and count the peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def shown_runs(runs: dict[str, Run], best: float) -> str:
    rows = [
        [
            name,
            f"{run.epoch_seconds:,.2f}",
            f"{run.first_epoch_seconds:,.2f}",
            size(run.peak_bytes),
            f"{run.valid_ic:.4f}",
        ]
        for name, run in runs.items()
    ]
    return table(["attention", "epoch s", "first epoch s", "peak MiB", f"valid IC (best {best:.4f})"], rows)


def shown_largest(largest: dict[str, Largest]) -> str:
    rows = [
        [name, f"{found.names:,}", size(found.peak_bytes), f"{found.seconds:,.2f}", found.ended_by]
        for name, found in largest.items()
    ]
    return table(["largest universe", "names", "peak MiB", "step s", "ended by"], rows)


def size(in_bytes: int | None) -> str:
    return "-" if in_bytes is None else f"{in_bytes / 2**20:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
