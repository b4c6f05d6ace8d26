"""Where the time of an epoch goes on one thread: each part forwards and back, against its flops and the peak measured.

Usage: python benchmarks/bench_epoch.py [--names 2000] [--days 504] [--width 64] [--repeats 15] [--attentions ...]
       python benchmarks/bench_epoch.py --names 60 --days 40 --width 8 --repeats 2

A training step of 20 dates is cut at its seams: LSTM, attention, the linear layers around them, loss, optimiser. Each
part runs forwards and back by itself, every part in turn, and its shortest processor time counts, which other programs
disturb least. Flops are those of matrix products: counted by torch, and by formula for the LSTM, which oneDNN computes
in one piece. The peak is the best rate of a product of two 2,048 x 2,048 matrices between the parts. A part of few
products passes over numbers instead: those that its operations write are counted, beside the rate of a copy. An epoch
is then what its days take: the steps, the warm-up before them, and validation. Exit code 1 when the parts come to less
than the share wanted of the step in one piece.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from _record import describe, machine, table, write_line
from bench_gpu import planted
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from quantray import __version__
from quantray.data.synthetic import simulate_market
from quantray.features.feature_set import feature_set
from quantray.memory import kept_memory
from quantray.models.examples import Examples
from quantray.models.losses import one_minus_ic
from quantray.models.networks import ATTENTIONS, Network, NetworkSettings

STEPS, WARM_UP, VALID = 20, 60, 60
COVERED = 0.85
"""Of a step in one piece, that its parts come to at least; the seams copy a little, and nothing else is left out."""
_SIDE = 2048
_TOP, _PROFILED = 6, 5
"""Kernels that are listed, and steps that they are looked for in."""


@dataclass
class Part:
    """One part of a step, in one direction."""

    flops: float
    """Of matrix products."""
    passed: float
    """Numbers that its operations write."""
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Processor seconds."""
        return min(self.seconds)


class Passed(TorchDispatchMode):
    """Counts numbers that operations write, but for views."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See ``TorchDispatchMode``."""
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            for each in out if isinstance(out, tuple | list) else (out,):
                if isinstance(each, Tensor) and each.is_floating_point():
                    # What is added into rows of a tensor is less than all of it.
                    self.numbers += (args[3] if func is torch.ops.aten.index_add_.default else each).numel()
        return out


class Step:
    """A training step that can be run part by part: what each reads is kept from the run before it."""

    def __init__(self, network: Network, data: Examples) -> None:
        self.network, self.data = network, data
        self.rows = torch.arange(STEPS)
        self.structure = data.structure(self.rows)
        self.known = data.known(self.rows)
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-3)
        self.seams: dict[str, Tensor] = {}

    def forward(self) -> dict[str, Callable[[], Tensor]]:
        """Name -> the part, in their order."""
        return {"LSTM": self.lstm, "attention": self.attention, "linear layers": self.linear, "loss": self.loss}

    def lstm(self) -> Tensor:
        """The encoder, without today's features."""
        return self._cut("LSTM", lambda: self.network.encoder(self.data.values[:STEPS])[0])

    def attention(self) -> Tensor:
        """Among the names of each date; where there is none, nothing."""
        cross = self.network.cross
        made: Callable[[Tensor], Tensor] = (lambda t: t.view_as(t)) if cross is None else self._attend
        tokens = self._read("LSTM")
        return self._cut("attention", lambda: made(tokens))

    def linear(self) -> Tensor:
        """Today's features, the mix of what was received, and the head."""
        network, tokens, received = self.network, self._read("LSTM"), self._read("attention")

        def scores() -> Tensor:
            now = tokens + network.today(self.data.values[:STEPS])
            if network.cross is not None:
                now = now + network.mix(received)
            return network.score(torch.cat([now, gelu(network.inner(network.drop(now)))], dim=-1)).squeeze(-1)

        return self._cut("linear layers", scores)

    def loss(self) -> Tensor:
        """One minus the information coefficient of each date."""
        scores = self._read("linear layers")
        return self._cut("loss", lambda: one_minus_ic(scores, self.data.labels[:STEPS], self.known).sum())

    def backward(self, part: str) -> None:
        """Of one part, after those behind it."""
        out = self.seams[part]
        given = None if out.dim() == 0 else torch.ones_like(out)
        out.backward(given)  # type: ignore[no-untyped-call]

    def move(self) -> None:
        """The optimiser, clipping included."""
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def whole(self) -> None:
        """The same in one piece, as training does it."""
        tokens, _ = self.network.encode(self.data.values[:STEPS])
        scores = self.network.head(tokens, self.structure)
        one_minus_ic(scores, self.data.labels[:STEPS], self.known).sum().backward()  # type: ignore[no-untyped-call]
        self.move()

    def scored(self) -> None:
        """Forwards alone, as validation does it."""
        with torch.no_grad():
            tokens, _ = self.network.encode(self.data.values[:STEPS])
            self.network.head(tokens, self.structure)

    def encoded(self) -> None:
        """The encoder alone, as the warm-up does it."""
        with torch.no_grad():
            self.network.encoder(self.data.values[:STEPS])

    def _attend(self, tokens: Tensor) -> Tensor:
        assert self.network.cross is not None
        out: Tensor = self.network.cross(tokens, self.structure)
        return out

    def _read(self, part: str) -> Tensor:
        """What a part made, from where the backward pass of the next one ends."""
        return self.seams[part].detach().requires_grad_()

    def _cut(self, part: str, made: Callable[[], Tensor]) -> Tensor:
        self.seams[part] = made()
        return self.seams[part]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--days", type=int, default=504, help="of training, that an epoch is told for")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--attentions", nargs="+", default=["none", "neighbours", "complete"], choices=ATTENTIONS)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    about = machine()
    print(f"{arguments.names:,} names, {STEPS} dates a step, width {arguments.width}, one thread")
    print(describe(about))
    data = planted(arguments.names, STEPS, arguments.seed, torch.device("cpu"))
    features = features_seconds(arguments.names, arguments.seed)
    print(f"features: {1e3 * features:.1f} ms a date, made once for a fit")
    with kept_memory():
        found = {kind: measured(kind, data, arguments) for kind in arguments.attentions}
    for kind, each in found.items():
        print(f"\n{shown(kind, each, arguments.days)}")
    covered = min(each["covered"] for each in found.values())
    reached = covered >= COVERED
    line = {
        "machine": about,
        "versions": {"quantray": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "settings": vars(arguments),
        "features_s_a_date": features,
        "networks": found,
        "targets": {"covered": COVERED},
        "targets_reached": reached,
    }
    print(f"written: {write_line('bench_epoch', line).name}")
    print(f"parts come to at least {COVERED:.0%} of a step in one piece: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


def features_seconds(names: int, seed: int) -> float:
    """Processor seconds that the features of a date take, of a year with a year before it."""
    panel = simulate_market(names, 504, seed=seed).panel
    began = time.process_time()
    feature_set(panel)
    return (time.process_time() - began) / len(panel.dates)


def measured(kind: str, data: Examples, arguments: argparse.Namespace) -> dict[str, Any]:
    """Every part of a network's step, the step in one piece, and the rates of the machine, in turn."""
    torch.manual_seed(arguments.seed)
    network = Network(NetworkSettings(inputs=data.values.shape[2], width=arguments.width, attention=kind))
    step = Step(network, data)
    parts = counted(step)
    one = torch.randn(_SIDE, _SIDE), torch.randn(_SIDE, _SIDE)
    other = torch.empty_like(one[0])
    rates: dict[str, list[float]] = {name: [] for name in ("product", "copy", "step", "scored", "encoded")}
    for _ in range(arguments.repeats):
        rates["product"].append(timed(lambda: torch.mm(*one, out=other)))
        for name, run in step.forward().items():
            parts[f"{name}, forward"].seconds.append(timed(run))
        for name in reversed(step.forward()):
            parts[f"{name}, backward"].seconds.append(timed(lambda name=name: step.backward(name)))
        parts["optimiser"].seconds.append(timed(step.move))
        rates["copy"].append(timed(lambda: other.copy_(one[0])))
        for name, run in (("step", step.whole), ("scored", step.scored), ("encoded", step.encoded)):
            rates[name].append(timed(run))
    best = {name: min(seconds) for name, seconds in rates.items()}
    total = sum(part.best for part in parts.values())
    flops = sum(part.flops for part in parts.values())
    steps = arguments.days / STEPS
    return {
        "peak_gflops": 2 * _SIDE**3 / best["product"] / 1e9,
        "copy_numbers_a_s": _SIDE**2 / best["copy"],
        "parts": {
            name: {"seconds": part.best, "gflop": part.flops / 1e9, "passed": part.passed}
            for name, part in parts.items()
        },
        "step_s": best["step"],
        "covered": total / best["step"],
        "share_of_peak": flops / best["step"] / (2 * _SIDE**3 / best["product"]),
        "epoch_s": steps * best["step"] + WARM_UP / STEPS * best["encoded"] + VALID / STEPS * best["scored"],
        "kernels": kernels(step),
    }


def counted(step: Step) -> dict[str, Part]:
    """The parts with their flops and the numbers that they pass over; the step is taken once."""
    parts, steps = {}, step.forward()
    for name, run in steps.items():
        parts[f"{name}, forward"] = counted_part(run)
    for name in reversed(steps):
        parts[f"{name}, backward"] = counted_part(lambda name=name: step.backward(name))
    parts["optimiser"] = counted_part(step.move)
    for way, times in (("forward", 1), ("backward", 2)):
        parts[f"LSTM, {way}"].flops += lstm_flops(step, times)
    return parts


def counted_part(run: Callable[[], object]) -> Part:
    with FlopCounterMode(display=False) as flops, Passed() as passed:
        run()
    return Part(float(flops.get_total_flops()), float(passed.numbers))


def lstm_flops(step: Step, times: int) -> float:
    """Products of all layers: four gates of D units from their inputs and the D units before; twice that backwards.

    Backwards, the first layer needs no gradient of its inputs.
    """
    settings, rows = step.network.settings, STEPS * step.data.values.shape[1]
    total = 0.0
    for layer in range(settings.layers):
        inputs = settings.width if layer else settings.inputs
        of_inputs = inputs * (times if layer else 1)
        total += 2.0 * rows * 4 * settings.width * (of_inputs + times * settings.width)
    return total


def kernels(step: Step) -> list[tuple[str, float]]:
    """The kernels of a step in one piece that take most of it, and their share."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(_PROFILED):
            step.whole()
    averages = seen.key_averages()
    total = sum(each.self_cpu_time_total for each in averages)
    longest = sorted(averages, key=lambda each: each.self_cpu_time_total, reverse=True)[:_TOP]
    return [(each.key, each.self_cpu_time_total / total) for each in longest]


def timed(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def shown(kind: str, found: dict[str, Any], days: int) -> str:
    peak, copy = found["peak_gflops"], found["copy_numbers_a_s"]
    rows = [
        [
            name,
            f"{1e3 * part['seconds']:.1f}",
            f"{part['seconds'] / found['step_s']:.0%}",
            f"{part['gflop']:.2f}",
            f"{part['gflop'] / part['seconds'] / peak:.0%}",
            f"{part['passed'] / 1e6:.1f}",
            f"{part['passed'] / part['seconds'] / copy:.0%}",
        ]
        for name, part in found["parts"].items()
    ]
    titles = [f"attention {kind}", "ms", "of step", "Gflop", "of peak", "M numbers", "of copy"]
    listed = ", ".join(f"{name} {share:.0%}" for name, share in found["kernels"])
    return (
        f"{table(titles, rows)}\n"
        f"step {1e3 * found['step_s']:.0f} ms, {found['share_of_peak']:.0%} of the peak of {peak:.0f} Gflop/s; "
        f"epoch of {days} days {found['epoch_s']:.1f} s\nkernels: {listed}"
    )


if __name__ == "__main__":
    sys.exit(main())
