"""Memory and time of attention among the names of a date: every kind of the package, its peers, and the floor.

Usage: python benchmarks/bench_gat_memory.py [--names 400 800 1600 3200] [--threads 1] [--seed 0] [--skip-peaks]

Bytes are those that one layer (64 wide, 4 heads, one date, fp32) keeps for its backward pass: each storage counted
once, parameters left out. The floor is the layer's input and output. ``complete_explicit`` and the concatenation of
all pairs (one head, as in public code) are the references that write N x N scores out. Peaks are of a process of its
own for each kind: how much a whole training step (LSTM, attention, head, IC loss, backward, AdamW) adds to the largest
memory that it had before. Exit code 1 when the bytes of any kind but the references grow faster than N^1.1.
"""

import argparse
import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _record import describe, machine, seconds, table, versions, write_line
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.utils.checkpoint import checkpoint

from quantray.models.losses import one_minus_ic
from quantray.models.networks import ATTENTIONS, Attention, CrossSection, Network, NetworkSettings, Structure

SIZES = (400, 800, 1600, 3200)
WIDTH, HEADS, NEIGHBOURS, CAP, FEATURES = 64, 4, 20, 50, 26
KINDS = tuple(kind for kind in ATTENTIONS if kind != "none")
REFERENCES = ("complete_explicit", "all_pairs")
PAIRS_AT_MOST = 1600
"""Names beyond which the concatenation of all pairs is left out: 5 GB, and as much again for the gradient."""
STEEPEST_BYTES, STEEPEST_TIME = 1.1, 2.0
PEAK_NAMES, PEAK_DATES = 2000, 20


@dataclass(frozen=True, eq=False)
class Layer:
    """Something from (N, D) tokens to (N, D)."""

    forward: Callable[[Tensor], Tensor]
    parameters: list[Tensor]


@dataclass(frozen=True)
class Measured:
    """Figures of one layer at one size."""

    saved: int
    """Bytes kept for the backward pass."""
    saved_masked: int | None
    """The same with a tenth of the names no members; none for peers."""
    saved_recompute: int | None
    seconds: float
    """Forward and backward."""
    seconds_recompute: float | None


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, nargs="+", default=list(SIZES), help="two sizes or more, for slopes")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch; one, so that others on the machine matter least"
    )
    parser.add_argument("--repeats", type=int, default=7, help="of each timing; the shortest counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-peaks", action="store_true")
    parser.add_argument("--peak-names", type=int, default=PEAK_NAMES)
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        kind, recompute = arguments.peak_of.removesuffix("+recompute"), arguments.peak_of.endswith("+recompute")
        print(json.dumps(peak_of_step(kind, arguments.peak_names, PEAK_DATES, recompute, arguments.seed)))
        return 0
    about = machine()
    print(
        f"one layer, {WIDTH} wide, {HEADS} heads, k {NEIGHBOURS}, clusters of {CAP}; torch {arguments.threads} threads"
    )
    print(describe(about))
    # Peaks first: a process begins with the largest memory of the one that started it, which is still small here.
    peaks = {} if arguments.skip_peaks else peaks_of_kinds(arguments.peak_names, arguments.threads, arguments.seed)
    results = {n: measure(n, seed=arguments.seed, repeats=arguments.repeats) for n in arguments.names}
    byte_slopes = {name: slope(results, name, lambda m: m.saved) for name in named(results)}
    masked = {name: slope(results, name, lambda m: m.saved_masked) for name in KINDS}
    time_slopes = {name: slope(results, name, lambda m: m.seconds) for name in named(results)}
    print(shown_bytes(results, byte_slopes), shown_times(results, time_slopes), sep="\n\n")
    if peaks:
        print(f"\n{shown_peaks(peaks, arguments.peak_names)}")
    linear = [name for name in byte_slopes if name not in REFERENCES]
    reached = all(max(byte_slopes[n], masked.get(n, 0.0)) <= STEEPEST_BYTES for n in linear)
    line = {
        "machine": about,
        "versions": versions("torch", "torch-geometric"),
        "seed": arguments.seed,
        "torch_threads": arguments.threads,
        "layer": {"width": WIDTH, "heads": HEADS, "neighbours": NEIGHBOURS, "cap": CAP},
        "floor_bytes": {n: floor(n) for n in results},
        "results": {n: {name: vars(m) for name, m in by_name.items()} for n, by_name in results.items()},
        "slope_of_bytes": byte_slopes,
        "slope_of_bytes_masked": masked,
        "slope_of_time": time_slopes,
        "peak_bytes_of_a_step": {"names": arguments.peak_names, "dates": PEAK_DATES, **peaks},
        "targets": {"slope_of_bytes": STEEPEST_BYTES, "slope_of_time_below": STEEPEST_TIME},
        "bytes_reached": reached,
        "time_reached": all(time_slopes[n] < STEEPEST_TIME for n in linear),
    }
    print(f"written: {write_line('bench_gat_memory', line).name}")
    word = "reached" if reached else "MISSED"
    print(f"bytes at most N^{STEEPEST_BYTES} for all but {' and '.join(REFERENCES)}: {word}")
    return 0 if reached else 1


def measure(names: int, *, seed: int, repeats: int = 7) -> dict[str, Measured]:
    """Every kind and peer at one size."""
    torch.manual_seed(seed)
    tokens = torch.randn(names, WIDTH)
    results = {}
    for kind in KINDS:
        plain, masked = cross_section(kind, names, seed), cross_section(kind, names, seed, absent=0.1)
        again = cross_section(kind, names, seed, recompute=True)
        results[kind] = Measured(
            saved_bytes(plain, tokens),
            saved_bytes(masked, tokens),
            saved_bytes(again, tokens),
            seconds(partial(step, plain, tokens), repeats=repeats),
            seconds(partial(step, again, tokens), repeats=repeats),
        )
    for name, layer in peers(names, seed).items():
        time = seconds(partial(step, layer, tokens), repeats=repeats)
        results[name] = Measured(saved_bytes(layer, tokens), None, None, time, None)
    return results


def cross_section(kind: Attention, names: int, seed: int, *, absent: float = 0.0, recompute: bool = False) -> Layer:
    """The package's layer on one date."""
    torch.manual_seed(seed)
    layer = CrossSection(kind, WIDTH, HEADS)
    structure = structure_of(names, 1, seed, absent=absent)

    def forward(tokens: Tensor) -> Tensor:
        out: Tensor
        if recompute:
            out = checkpoint(layer, tokens[None], structure, use_reentrant=False)
        else:
            out = layer(tokens[None], structure)
        return out[0]

    return Layer(forward, list(layer.parameters()))


def peers(names: int, seed: int) -> dict[str, Layer]:
    """PyG's layers on the same graph, and the concatenation of all pairs."""
    with warnings.catch_warnings():
        # PyG scripts some of its classes on import, which torch calls outdated.
        warnings.simplefilter("ignore")
        from torch_geometric.nn import GATConv, GATv2Conv  # noqa: PLC0415 (slow, and of no use to the peaks)
    torch.manual_seed(seed)
    neighbours = structure_of(names, 1, seed).neighbours
    assert neighbours is not None
    receivers = torch.arange(names)[:, None].expand(-1, neighbours.shape[1])
    edges = torch.stack([neighbours.long().reshape(-1), receivers.reshape(-1)])
    layers = {}
    for name, conv in (("pyg_gat", GATConv), ("pyg_gatv2", GATv2Conv)):
        made = conv(WIDTH, WIDTH // HEADS, heads=HEADS, add_self_loops=False)
        layers[name] = Layer(partial(made, edge_index=edges), list(made.parameters()))
    if names <= PAIRS_AT_MOST:
        maps, scoring = nn.Parameter(torch.randn(WIDTH, WIDTH) / 8), nn.Parameter(torch.randn(2 * WIDTH) / 8)
        layers["all_pairs"] = Layer(partial(all_pairs, maps=maps, scoring=scoring), [maps, scoring])
    return layers


def all_pairs(tokens: Tensor, maps: Tensor, scoring: Tensor) -> Tensor:
    """Graph attention as first written down: score every concatenated pair of names; one head."""
    mapped = tokens @ maps
    n = len(mapped)
    pairs = torch.cat([mapped[:, None].expand(n, n, -1), mapped[None].expand(n, n, -1)], dim=-1)
    return leaky_relu(pairs @ scoring, 0.2).softmax(dim=1) @ mapped


def structure_of(names: int, dates: int, seed: int, *, absent: float = 0.0) -> Structure:
    """Members, k neighbours of each name and clusters, drawn at random."""
    generator = np.random.default_rng([seed, names])
    order = generator.permutation(names)
    k = min(NEIGHBOURS, names - 1)
    offsets = 1 + generator.permutation(names - 1)[:k]
    neighbours = np.empty((names, k), dtype=np.int32)
    neighbours[order] = order[(np.arange(names)[:, None] + offsets) % names]
    clusters = np.full(-(-names // CAP) * CAP, -1, dtype=np.int32)
    clusters[:names] = order
    member = generator.random((dates, names)) >= absent
    return Structure(
        torch.from_numpy(member), torch.from_numpy(neighbours), torch.from_numpy(clusters.reshape(-1, CAP))
    )


def saved_bytes(layer: Layer, tokens: Tensor) -> int:
    """Bytes of all storages that the forward pass keeps for the backward one, without parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in layer.parameters}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # While the output lives nothing that was kept is freed, so that no address is used twice.
        out = layer.forward(tokens.clone().requires_grad_())
    total = sum(kept.values())
    del out
    return total


def step(layer: Layer, tokens: Tensor) -> None:
    """Forward and backward."""
    given = tokens.clone().requires_grad_()
    layer.forward(given).square().sum().backward()
    for parameter in layer.parameters:
        parameter.grad = None


def peaks_of_kinds(names: int, threads: int, seed: int) -> dict[str, int]:
    """Bytes that a training step of each kind adds, each in its own process."""
    peaks = {}
    for kind in ("none", *(k + again for k in KINDS for again in ("", "+recompute"))):
        command = [sys.executable, str(Path(__file__)), "--peak-of", kind, "--peak-names", str(names)]
        command += ["--threads", str(threads), "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the process that measures {kind} failed: {done.stderr[-500:]}")
        peaks[kind] = int(json.loads(done.stdout))
    return peaks


def peak_of_step(kind: Attention, names: int, dates: int, recompute: bool, seed: int) -> int:
    """Bytes by which a training step raises the largest memory of this process."""
    torch.manual_seed(seed)
    network = Network(NetworkSettings(inputs=FEATURES, width=WIDTH, heads=HEADS, attention=kind, recompute=recompute))
    optimiser = torch.optim.AdamW(network.parameters())

    def move(values: Tensor, labels: Tensor, structure: Structure) -> None:
        tokens, _ = network.encode(values)
        one_minus_ic(network.head(tokens, structure), labels, structure.member).sum().backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    # A tiny step first, so that what libraries load on first use is not counted.
    move(torch.randn(2, CAP, FEATURES), torch.randn(2, CAP), structure_of(CAP, 2, seed))
    inputs = torch.randn(dates, names, FEATURES), torch.randn(dates, names), structure_of(names, dates, seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    move(*inputs)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def floor(names: int) -> int:
    """Bytes of a layer's input and output."""
    return 2 * 4 * WIDTH * names


def named(results: dict[int, dict[str, Measured]]) -> list[str]:
    return list(results[min(results)])


def slope(results: dict[int, dict[str, Measured]], name: str, of: Callable[[Measured], float | None]) -> float:
    """Exponent of N by which a figure grows, fitted to the logarithms."""
    points = [(n, of(by_name[name])) for n, by_name in results.items() if name in by_name]
    sizes, values = (np.log(np.array(part, dtype=np.float64)) for part in zip(*points, strict=True))
    return round(float(np.polyfit(sizes, values, 1)[0]), 3)


def shown_bytes(results: dict[int, dict[str, Measured]], slopes: dict[str, float]) -> str:
    rows = []
    for name in named(results):
        largest = max(n for n in results if name in results[n])
        own = results[largest][name]
        again = "-" if own.saved_recompute is None else f"{own.saved_recompute / 1e6:,.2f}"
        cells = [f"{by[name].saved / 1e6:,.2f}" if name in by else "-" for by in results.values()]
        rows.append([name, *cells, f"{slopes[name]:.2f}", f"{own.saved / floor(largest):,.1f}x", again])
    titles = ["MB kept for backward", *(f"{n:,}" for n in results), "slope", "of the floor", "recompute"]
    return table(titles, rows)


def shown_times(results: dict[int, dict[str, Measured]], slopes: dict[str, float]) -> str:
    rows = []
    for name in named(results):
        own = results[max(n for n in results if name in results[n])][name]
        again = "-" if own.seconds_recompute is None else f"{own.seconds_recompute * 1e3:,.1f}"
        cells = [f"{by[name].seconds * 1e3:,.1f}" if name in by else "-" for by in results.values()]
        rows.append([name, *cells, f"{slopes[name]:.2f}", again])
    return table(["ms forward + backward", *(f"{n:,}" for n in results), "slope", "recompute"], rows)


def shown_peaks(peaks: dict[str, int], names: int) -> str:
    rows = []
    for kind in ("none", *KINDS):
        again = f"{peaks[kind + '+recompute'] / 2**20:,.0f}" if kind + "+recompute" in peaks else "-"
        beyond = f"{(peaks[kind] - peaks['none']) / 2**20:,.0f}"
        rows.append([kind, f"{peaks[kind] / 2**20:,.0f}", beyond, again])
    return table([f"MiB added by a step, {names:,} names", "peak", "beyond none", "recompute"], rows)


if __name__ == "__main__":
    sys.exit(main())
