"""Layers of PyTorch Geometric by name against the built-in attention over neighbours: scores, time, memory and skill.

Usage: python benchmarks/bench_layers.py [--names 2000] [--dates 20] [--repeats 5] [--seeds 3] [--threads 1]

One layer (64 wide, 4 heads, 20 neighbours, fp32) on the dates of a training step as one graph: scores of GATv2Conv by
name with the weights of the built-in layer, the time of a forward and backward pass, and the bytes kept for the latter.
Then networks of width 16, fitted on a market whose peers lead one another (306 names, 360 training days), against an
LSTM alone, LightGBM and ridge; skill is the mean daily information coefficient of 116 later days as a share of the best
possible. Exit code 1 when equal weights give scores that differ by more than 1e-6, or when the built-in layer keeps
more bytes than GATv2Conv by name.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from _planted import GRAPH, TRAINING, Planted, planted
from _record import describe, machine, seconds, table, versions, write_line
from bench_gat_memory import Layer, saved_bytes, step, structure_of

from quantray.models.forecaster import FitContext, Forecaster
from quantray.models.layers import GraphLayer, LayerSettings
from quantray.models.learned import NetworkForecaster
from quantray.models.linear import Ridge
from quantray.models.networks import Attention, CrossSection, Network, NetworkSettings, Structure
from quantray.models.regression import lightgbm

WIDTH, HEADS = 64, 4
LAYERS: dict[str, Attention | LayerSettings] = {
    "built-in neighbours": "neighbours",
    "GATv2Conv": LayerSettings("GATv2Conv", {"add_self_loops": False, "bias": False}),
    "TransformerConv": LayerSettings("TransformerConv"),
    "SAGEConv": LayerSettings("SAGEConv"),
    "GCNConv": LayerSettings("GCNConv"),
}
LARGEST_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Cost:
    """Of one layer on the dates of a step."""

    seconds: float
    bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--dates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5, help="of each timing; the shortest counts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    about = machine()
    print(f"{arguments.names:,} names, {arguments.dates} dates, {WIDTH} wide; torch {arguments.threads} threads")
    print(describe(about))
    structure = structure_of(arguments.names, arguments.dates, 0, absent=0.1)
    gap = difference(structure)
    costs = {name: cost(settings, structure, arguments.repeats) for name, settings in LAYERS.items()}
    skills = planted_skills(planted(306, 800, 360, seed=3), arguments.seeds)
    print(f"scores of GATv2Conv by name and built in differ by {gap:.1e} at most\n")
    print(shown(costs, skills))
    lean = costs["built-in neighbours"].bytes <= costs["GATv2Conv"].bytes
    line = {
        "machine": about,
        "versions": versions("torch", "torch-geometric"),
        **{name: getattr(arguments, name) for name in ("names", "dates", "seeds", "threads")},
        "largest_difference": gap,
        "layers": {name: vars(one) for name, one in costs.items()},
        "share_of_best_ic": skills,
        "targets": {"largest_difference": LARGEST_DIFFERENCE},
        "targets_reached": gap <= LARGEST_DIFFERENCE and lean,
    }
    print(f"written: {write_line('bench_layers', line).name}")
    return 0 if line["targets_reached"] else 1


def difference(structure: Structure) -> float:
    """Largest absolute difference of the scores of a network by either layer, with equal weights."""
    torch.manual_seed(0)
    networks = [
        Network(NetworkSettings(inputs=8, width=WIDTH, layers=1, heads=HEADS, attention=LAYERS[name])).eval()
        for name in ("built-in neighbours", "GATv2Conv")
    ]
    weights = networks[0].state_dict()
    receiver, sender = weights.pop("cross.maps").flatten(1, 2)
    ours = {"att": weights.pop("cross.scores"), "lin_l.weight": sender, "lin_r.weight": receiver}
    networks[1].load_state_dict(weights | {f"cross.layer.{name}": value for name, value in ours.items()})
    tokens = torch.randn(*structure.member.shape, WIDTH)
    with torch.no_grad():
        one, other = (network.head(tokens, structure) for network in networks)
    return float((one - other).abs().max())


def cost(settings: Attention | LayerSettings, structure: Structure, repeats: int) -> Cost:
    torch.manual_seed(0)
    made = (
        GraphLayer(settings, WIDTH, HEADS)
        if isinstance(settings, LayerSettings)
        else CrossSection(settings, WIDTH, HEADS)
    )
    layer = Layer(lambda tokens: made(tokens, structure), list(made.parameters()))
    tokens = torch.randn(*structure.member.shape, WIDTH)
    return Cost(seconds(partial(step, layer, tokens), repeats=repeats), saved_bytes(layer, tokens))


def planted_skills(market: Planted, seeds: int) -> dict[str, dict[str, float]]:
    """Model -> mean share of the best possible information coefficient, its range over seeds, and seconds of a fit."""
    models: dict[str, Forecaster] = {
        name: NetworkForecaster(name=name, attention=chosen, graph=GRAPH, width=16, layers=1, training=TRAINING)
        for name, chosen in (LAYERS | {"LSTM alone": "none"}).items()
    }
    fitted_once: dict[str, Forecaster] = {"LightGBM": lightgbm("LightGBM", {}), "ridge": Ridge()}
    return {name: skill(market, one, seeds if name in models else 1) for name, one in (models | fitted_once).items()}


def skill(market: Planted, model: Forecaster, seeds: int) -> dict[str, float]:
    best = market.ic(market.truth.expected_returns[market.test])
    shares, started = [], time.perf_counter()
    for seed in range(seeds):
        fitted = model.fit(market.panel, market.fold, context=FitContext(features=market.features, seed=seed))
        shares.append(market.ic(fitted.predict(market.panel, market.panel.dates[market.test]).values) / best)
    return {
        "mean": float(np.mean(shares)),
        "least": min(shares),
        "most": max(shares),
        "seconds": (time.perf_counter() - started) / seeds,
    }


def shown(costs: dict[str, Cost], skills: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, found in skills.items():
        own = costs.get(name)
        spread = f" ({found['least']:.0%} to {found['most']:.0%})" if found["most"] > found["least"] else ""
        rows.append(
            [
                name,
                "" if own is None else f"{own.seconds * 1e3:,.0f}",
                "" if own is None else f"{own.bytes / 1e6:,.0f}",
                f"{found['mean']:.0%}{spread}",
                f"{found['seconds']:.1f}",
            ]
        )
    return table(["layer", "ms a pass", "MB kept", "planted: share of the best IC", "s a fit"], rows)


if __name__ == "__main__":
    sys.exit(main())
