"""One network trained along each axis, by one worker and by two: seconds of an epoch, bytes sent, memory, and who pays.

Usage: python benchmarks/bench_axes.py [--names 2000] [--days 80] [--rounds 5] [--attentions neighbours complete]
       python benchmarks/bench_axes.py --names 60 --days 24 --rounds 1 --width 8

Two processes of one thread each, joined by gloo, train the same epoch in turn: the first alone, then both by dates, by
attention heads, by the encoder's features, by heads and features, and as a pipeline. Wall time is told, and the
processor time of each worker, which other programs disturb less. With a core for each worker an axis takes as long as
the busier one; a pipeline as long as the slower stage, and one part of the other. An axis pays where the link between
workers carries what it sends in less than it saves: that least speed is stated beside the speed of gloo here. Exit code
1 when the loss of the epoch differs from that of one worker by more than the tolerance.
"""

import argparse
import copy
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from _record import describe, machine, table, write_line
from bench_gpu import planted
from torch import Tensor

from quantray import __version__
from quantray.distributed.axes.choice import Axes, dividing
from quantray.distributed.workers import ProcessGroup
from quantray.models.examples import Examples
from quantray.models.losses import one_minus_ic
from quantray.models.networks import ATTENTIONS, Network, NetworkSettings
from quantray.models.scoring import TimeReading, chunk_scores
from quantray.models.training import TrainingSettings, train

WORKERS, STEPS, STREAMS = 2, 20, 2
SAME = 1e-5
AXES: dict[str, Axes | None] = {
    "one worker": None,
    "dates": Axes(),
    "heads": Axes(row=2, split=("heads",)),
    "features": Axes(row=2, split=("features",)),
    "heads and features": Axes(row=2, split=("heads", "features")),
    "pipeline": Axes(row=2, split=("pipeline",)),
}


@dataclass(frozen=True)
class Epoch:
    """What one process saw of one epoch."""

    seconds: float
    processor: float
    sent_bytes: int
    messages: int
    loss: float


@dataclass(frozen=True)
class Axis:
    """What an axis came to; medians over rounds."""

    seconds: float
    """Of an epoch, by the wall."""
    processor: tuple[float, ...]
    """Of each worker, by its processor."""
    alone: float
    """Seconds that it would take with a core for each worker and messages for nothing but their copying."""
    sent_mb: float
    """A step, by the worker that sends more."""
    messages: float
    """A step."""
    kept_mb: float
    """For the backward pass of a step, by the worker that keeps more."""
    needs_mb_s: float | None
    """Speed of a link from which on it is faster than one worker; none where it never is."""
    differs: float
    """The loss of an epoch, from one worker's."""


class Counted:
    """Bytes that this process sends, and how often it sends or receives."""

    def __init__(self) -> None:
        self.sent = self.messages = 0
        for name, share in (("all_reduce", 2 * (WORKERS - 1) / WORKERS), ("all_gather", WORKERS - 1)):
            self._watch(name, share)
        self._watch("all_to_all_single", (WORKERS - 1) / WORKERS)
        self._watch("isend", 1.0)
        self._watch("irecv", 0.0)

    def _watch(self, name: str, share: float) -> None:
        """Count calls; the payload is the first tensor, or what a list of tensors is filled from."""
        plain: Callable[..., Any] = getattr(dist, name)

        def counted(*given: Any, **more: Any) -> Any:
            payload = given[0] if isinstance(given[0], Tensor) else given[1]
            self.sent += round(share * payload.nbytes)
            self.messages += 1
            return plain(*given, **more)

        setattr(dist, name, counted)

    def since(self, before: tuple[int, int]) -> tuple[int, int]:
        """Bytes and messages."""
        return self.sent - before[0], self.messages - before[1]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--days", type=int, default=80, help=f"of training, in {STREAMS} streams of chunks of {STEPS}")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--attentions", nargs="+", default=["neighbours", "complete"], choices=ATTENTIONS[1:])
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each axis, in turn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    about = machine()
    print(f"{arguments.names:,} names, {arguments.days} days, width {arguments.width}, {WORKERS} workers of one thread")
    print(describe(about))
    found: dict[str, dict[str, Axis]] = {}
    links = {}
    for attention in arguments.attentions:
        seen, links[attention] = measured(attention, arguments)
        found[attention] = summed_up(seen, arguments.days)
        print(f"\nattention {attention}; gloo here carries {links[attention]:,.0f} MB/s\n{shown(found[attention])}")
    reached = all(axis.differs <= SAME for axes in found.values() for axis in axes.values())
    line = {
        "machine": about,
        "versions": {"quantray": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "settings": vars(arguments),
        "link_mb_s": links,
        "axes": {kind: {name: vars(axis) for name, axis in axes.items()} for kind, axes in found.items()},
        "targets": {"differs": SAME},
        "targets_reached": reached,
    }
    print(f"written: {write_line('bench_axes', line).name}")
    print(f"the loss of an epoch differs by at most {SAME}: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


def measured(attention: str, arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], float]:
    """What both processes saw, and the speed of their link in MB/s."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            context.Process(target=work, args=(rank, attention, arguments, Path(folder))) for rank in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise RuntimeError("a worker failed; its error stands above.")
        seen = [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(WORKERS)]
    return seen, seen[0]["link"]


def work(rank: int, attention: str, arguments: argparse.Namespace, folder: Path) -> None:
    """One process: every axis in turn, as often as asked."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=WORKERS)
    link, counted = link_speed(), Counted()
    data = planted(arguments.names, arguments.days, arguments.seed, torch.device("cpu"))
    torch.manual_seed(arguments.seed)
    settings = NetworkSettings(inputs=data.values.shape[2], width=arguments.width, attention=attention, dropout=0.0)
    start = Network(settings)
    seen: dict[str, Any] = {"link": link, "kept": {}, "epochs": {name: [] for name in AXES}}
    for name, axes in AXES.items():
        dist.barrier()
        if axes is not None or rank == 0:
            seen["kept"][name] = kept_bytes(divided(start, axes), data)
    # What is not measured makes kernels and the optimiser ready.
    epoch(divided(start, None), data, None, counted)
    for _ in range(arguments.rounds):
        for name, axes in AXES.items():
            dist.barrier()
            if axes is not None or rank == 0:
                seen["epochs"][name].append(epoch(divided(start, axes), data, axes, counted))
    torch.save(seen, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def link_speed() -> float:
    """MB/s of a message of 8 MiB from the first to the second worker, the best of many."""
    message, best = torch.zeros(1 << 21), float("inf")
    for _ in range(20):
        dist.barrier()
        start = time.perf_counter()
        dist.broadcast(message, src=0)
        dist.barrier()
        best = min(best, time.perf_counter() - start)
    return message.nbytes / best / 1e6


def divided(start: Network, axes: Axes | None) -> Network:
    """A network of its own to train, spread along an axis."""
    network = copy.deepcopy(start)
    divide = None if axes is None else dividing(axes, None)
    if divide is not None:
        divide(network)
    return network


def epoch(network: Network, data: Examples, axes: Axes | None, counted: Counted) -> Epoch:
    """Train one, and measure."""
    settings = TrainingSettings(reading=TimeReading(steps=STEPS, warm_up=0), batch=STREAMS, epochs=1)
    shares_dates = axes is not None and axes.row == 1
    before, began, worked = (counted.sent, counted.messages), time.perf_counter(), time.process_time()
    done = train(
        network,
        data,
        slice(0, len(data.values)),
        None,
        settings,
        workers=ProcessGroup() if shares_dates else None,
    )
    spent = time.perf_counter() - began, time.process_time() - worked
    return Epoch(*spent, *counted.since(before), done.state.history[-1].loss)


def kept_bytes(network: Network, data: Examples) -> int:
    """Of all storages that the forward pass of a step on one stream keeps for the backward one, without parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    state, rows = network.encoder.empty(data.values.shape[1]), torch.arange(STEPS)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scores, _ = chunk_scores(network, data, [range(STEPS)], state, TimeReading(steps=STEPS))
    one_minus_ic(scores, data.labels[rows], data.known(rows)).sum().backward()
    network.stages.add_up([torch.zeros(1)])
    return sum(kept.values())


def summed_up(seen: list[dict[str, Any]], days: int) -> dict[str, Axis]:
    """Medians of each axis, and from which speed of the link on it is faster than one worker."""
    steps = -(-(days // STREAMS) // STEPS)
    single = seen[0]["epochs"]["one worker"]
    found: dict[str, Axis] = {}
    for name, axes in AXES.items():
        of_workers = [each["epochs"][name] for each in seen if each["epochs"][name]]
        processor = tuple(median(e.processor for e in epochs) for epochs in of_workers)
        alone = max(processor)
        if axes is not None and "pipeline" in axes.split:
            alone += min(processor) / axes.micro_batches
        sent = max(epochs[0].sent_bytes for epochs in of_workers)
        saved = found["one worker"].alone - alone if found else 0.0
        axis = Axis(
            seconds=median(e.seconds for e in of_workers[0]),
            processor=processor,
            alone=alone,
            sent_mb=sent / steps / 1e6,
            messages=max(epochs[0].messages for epochs in of_workers) / steps,
            kept_mb=max(each["kept"][name] for each in seen if name in each["kept"]) / 1e6,
            needs_mb_s=sent / saved / 1e6 if saved > 0 else None,
            differs=max(abs(epochs[0].loss - single[0].loss) for epochs in of_workers),
        )
        # Of a step of one stream where dates are shared, and of both where they are not.
        found[name] = axis if name == "dates" else replace(axis, kept_mb=axis.kept_mb * STREAMS)
    return found


def shown(axes: dict[str, Axis]) -> str:
    rows = [
        [
            name,
            f"{axis.seconds:.2f}",
            " + ".join(f"{each:.2f}" for each in axis.processor),
            f"{axis.alone:.2f}",
            f"{axes['one worker'].alone / axis.alone:.2f}",
            f"{axis.sent_mb:.1f}",
            f"{axis.messages:.0f}",
            f"{axis.kept_mb:.0f}",
            "-" if not axis.sent_mb else "never" if axis.needs_mb_s is None else f"{axis.needs_mb_s:,.0f}",
            f"{axis.differs:.0e}",
        ]
        for name, axis in axes.items()
    ]
    times = ["epoch s", "processor s", "own cores s", "times"]
    return table(["axis", *times, "sent MB", "messages", "kept MB", "pays from MB/s", "differs"], rows)


if __name__ == "__main__":
    sys.exit(main())
