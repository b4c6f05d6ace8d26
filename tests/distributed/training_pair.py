"""What processes of torch.distributed compute together, against one. Run by test_workers and test_heads.

Each check gives the largest difference, or whether something holds; the first process writes them to a file.
"""

import contextlib
import json
import multiprocessing
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from training_axes import check_axes_of_fits, check_features, check_pipeline
from training_problem import N_NAMES, apart, distance, examples, network, refusal, trained

from quantray.data.splits import DateRange, Split
from quantray.data.synthetic import simulate_market
from quantray.distributed.axes.choice import Axes, dividing
from quantray.distributed.axes.heads import join_heads, split_heads
from quantray.distributed.workers import ProcessGroup, fit_share, worker_grid
from quantray.features.feature_set import feature_set
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster
from quantray.models.networks import CrossSection, Structure
from quantray.models.scoring import TimeReading
from quantray.models.training import TrainingSettings


def check_add_up(rank):
    tensors = [
        torch.full((2, 3), rank + 1.0),
        torch.tensor(10 * rank + 1),
        torch.zeros(0, 4),
        torch.full((2,), rank + 0.5, dtype=torch.float64),
        torch.tensor(float(rank)),
    ]
    kept = tensors[0].data_ptr()
    ProcessGroup().add_up(tensors)
    return {
        "add_up": [t.tolist() for t in tensors],
        "add_up in place": tensors[0].data_ptr() == kept,
    }


def check_data(rank):
    """Two workers that share a batch end with the weights of one that takes it whole."""
    out = {}
    for mode, accumulate, loss in (("chunks", 1, "ic"), ("windows", 2, "mse")):
        settings = TrainingSettings(
            reading=TimeReading(mode=mode, steps=5, warm_up=6),
            batch=2,
            accumulate=accumulate,
            epochs=3,
            learning_rate=0.02,
            clip=0.05,
            loss=loss,
            seed=2,
        )
        alone, together = (trained(network(), settings, workers=w) for w in (None, ProcessGroup()))
        out[f"data {mode}"] = distance(together, alone)
        out[f"moved {mode}"] = distance(alone, network().state_dict())
    return out


def check_heads(rank):
    """Scores, the gradient of each parameter and of the tokens, and training, with half of the heads on each worker."""
    out = {}
    given = examples()
    rows = torch.arange(6)
    structure = Structure(given.member[rows], given.graphs.neighbours[0], given.graphs.clusters[0])
    for attention in ("dense", "complete", "complete_explicit", "neighbours", "hierarchical"):
        for recompute in (False, True):
            found = []
            for split in (False, True):
                net = network(attention, recompute=recompute)
                if split:
                    split_heads(net)
                    assert net.cross.part == (2 * rank, 2 * rank + 2)
                tokens = torch.randn(6, N_NAMES, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
                tokens.requires_grad_()
                scores = net.head(tokens, structure)
                (scores * given.labels[rows].nan_to_num()).sum().backward()
                gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
                found.append({"scores": scores.detach(), "tokens": tokens.grad, **gradients})
            assert "cross.maps" in found[0]
            out[f"heads {attention}{' recomputed' if recompute else ''}"] = distance(found[1], found[0])
    settings = TrainingSettings(
        reading=TimeReading(steps=5, warm_up=6), batch=2, epochs=3, learning_rate=0.02, clip=0.05, seed=2
    )
    start = network("dense", dropout=0.3)
    out["heads trained"] = distance(trained(start, settings, split_heads), trained(start, settings))
    return out | check_whole_again() | check_half_precision(structure) | check_refusals()


def check_whole_again():
    net = network("complete")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    split_heads(net)
    names = list(net.state_dict())
    twice = refusal(lambda: split_heads(net))
    join_heads(net)
    return {
        "same names": names == list(before),
        "joined": distance(net.state_dict(), before),
        "joined kind": isinstance(net.cross, CrossSection),
        "split twice": twice,
    }


def check_half_precision(structure):
    found = []
    for split in (False, True):
        net = network("dense", dtype=torch.float32)
        if split:
            split_heads(net)
        tokens = torch.randn(6, N_NAMES, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            scores = net.head(tokens, structure)
        scores.float().sum().backward()
        found.append({"scores": scores.detach().float(), "tokens": tokens.grad, "maps": net.cross.maps.grad})
    return {"heads bf16": distance(found[1], found[0])}


def check_refusals():
    return {
        "odd heads": refusal(lambda: split_heads(network("dense", heads=1))),
        "no attention": refusal(lambda: split_heads(network("none"))),
        "odd rows": refusal(lambda: worker_grid(3)),
    }


class StoppedError(Exception):
    """The end of a process, as far as training can tell."""


def check_fits(rank, folder):
    """Whole fits: divided by dates and stopped half-way, and divided by heads, against one process."""
    panel = simulate_market(16, 380, seed=4).panel
    features, days = feature_set(panel), panel.dates
    fold = Split(
        train=DateRange(days[270], days[320]),
        valid=DateRange(days[324], days[344]),
        test=DateRange(days[350], days[379]),
        horizon=1,
        lag=1,
        purge=2,
    )
    training = TrainingSettings(reading=TimeReading(steps=10, warm_up=10), batch=2, epochs=4, patience=4)
    forecaster = NetworkForecaster(
        name="pair", attention="complete", width=8, layers=1, heads=2, dropout=0.3, training=training
    )

    def fit(name, *, until=None, axes=None, own=False):
        def report(figures):
            if figures.epoch == until:
                raise StoppedError

        place = folder / (f"{name}-{rank}" if own else name)
        context = FitContext(features=features, folder=place, seed=7, report=report)
        return fit_share(forecaster, panel, fold, context=context, axes=axes)

    whole = fit("whole")
    with contextlib.suppress(StoppedError):
        fit("stopped", until=2, own=True)
    # The second process finds something else on its disk; what the first one has is what counts.
    (folder / "stopped-1").mkdir(exist_ok=True)
    (folder / "stopped-1" / "checkpoint.pt").write_bytes(b"stale")
    again = fit("stopped", own=True)
    dist.barrier()
    alone = forecaster.fit(panel, fold, context=FitContext(features=features, seed=7))
    heads = fit("heads", axes=Axes(row=2))
    # By dates each worker draws its own dropout, by heads all draw the same.
    plain = replace(forecaster, dropout=0.0)
    dates = fit_share(plain, panel, fold, context=FitContext(features=features, seed=7))
    single = plain.fit(panel, fold, context=FitContext(features=features, seed=7))
    return {
        "resumed": distance(again.checkpoint.progress.best, whole.checkpoint.progress.best),
        "resumed bytes": (folder / "stopped-0" / "checkpoint.pt").read_bytes()
        == (folder / "whole" / "checkpoint.pt").read_bytes(),
        "left alone": (folder / "stopped-1" / "checkpoint.pt").read_bytes() == b"stale",
        "fit by heads": apart(heads, alone),
        "fit by dates": apart(dates, single),
    } | check_axes_of_fits(forecaster, panel, fold, features)


def check_grid(rank):
    """Four workers, two by two: rows share an axis, columns the dates."""
    grid = worker_grid(2)
    settings = TrainingSettings(
        reading=TimeReading(steps=5, warm_up=6), batch=2, epochs=3, learning_rate=0.02, clip=0.05, seed=2
    )
    start = network("dense")
    whole, out = trained(start, settings), {"place": [grid.data.rank, dist.get_rank(grid.row)]}
    for split in (("heads",), ("features",), ("heads", "features"), ("pipeline",)):
        divide = dividing(Axes(row=2, split=split), grid.row)
        out[f"grid {' and '.join(split)}"] = distance(trained(start, settings, divide, grid.data), whole)
    return out


def main(rank: int, count: int, folder: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/meeting", rank=rank, world_size=count, timeout=timedelta(minutes=5)
    )
    if count == 2:
        out = check_add_up(rank) | check_data(rank) | check_heads(rank) | check_fits(rank, folder)
        out |= check_features(rank) | check_pipeline(rank)
    else:
        out = check_grid(rank)
    dist.barrier()
    dist.destroy_process_group()
    (folder / f"found-{rank}.json").write_text(json.dumps(out))


def together(count: int, folder: Path) -> int:
    """Run so many processes; they are forked, so that the libraries, whose loading takes longest, are loaded once."""
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=main, args=(rank, count, folder)) for rank in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(worker.exitcode != 0 for worker in workers)


if __name__ == "__main__":
    sys.exit(together(int(sys.argv[1]), Path(sys.argv[2])))
