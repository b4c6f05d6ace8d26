"""What two processes compute along the encoder's features and in a pipeline, against one; see training_pair."""

import copy
from dataclasses import replace

import torch
import torch.distributed as dist
from training_problem import apart, distance, examples, network, refusal, trained

from quantray.distributed.axes.choice import Axes, dividing
from quantray.distributed.axes.features import join_features, split_features
from quantray.distributed.axes.pipeline import split_stages
from quantray.distributed.workers import fit_share
from quantray.models.forecaster import FitContext
from quantray.models.scoring import TimeReading, chunk_scores
from quantray.models.training import TrainingSettings

CHUNKS = TrainingSettings(
    reading=TimeReading(steps=5, warm_up=6), batch=2, epochs=2, learning_rate=0.02, clip=0.05, seed=2
)
WINDOWS = replace(CHUNKS, reading=TimeReading(mode="windows", steps=5), batch=4, accumulate=2, loss="mse")


def along(start, settings, split, **choice):
    """Weights after training along an axis, less those of one process."""
    divide = dividing(Axes(row=2, split=split, **choice), None)
    return distance(trained(start, settings, divide), trained(start, settings))


def check_features(rank):
    """Scores, state and gradients of an LSTM of two layers with resets and dropout, and training."""
    given, found = examples(), []
    state = network(layers=2).encoder.empty(14)
    for split in (False, True):
        net = network("neighbours", layers=2, dropout=0.3)
        if split:
            split_features(net)
            assert net.encoder.lstm.part == (4 * rank, 4 * rank + 4)
        values = given.values.clone().requires_grad_()
        torch.manual_seed(1)
        reading = TimeReading(steps=20)
        read = replace(given, values=values)
        scores, after = chunk_scores(net, read, [range(20)], state, reading)
        (scores * given.labels[:20].nan_to_num()).sum().backward()
        gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
        parts = {"scores": scores.detach(), "hidden": after.hidden.detach(), "cell": after.cell.detach()}
        found.append(parts | {"values": values.grad} | gradients)
        assert not after.hidden.requires_grad or not split
    assert bool(given.reset[:20].any())
    whole = network(layers=2)
    again = copy.deepcopy(whole)
    split_features(again)
    twice = refusal(lambda: split_features(again))
    names = list(again.state_dict()) == list(whole.state_dict())
    join_features(again)
    start = network("dense", layers=2, dropout=0.3)
    return {
        "features": distance(found[1], found[0]),
        "features joined": distance(again.state_dict(), whole.state_dict()),
        "features same names": names and type(again.encoder.lstm) is torch.nn.LSTM,
        "features trained chunks": along(start, CHUNKS, ("features",)),
        "features trained windows": along(network("neighbours", layers=2, dropout=0.3), WINDOWS, ("features",)),
        "features and heads trained": along(start, CHUNKS, ("heads", "features")),
        "features twice": twice,
        "features not split": refusal(lambda: join_features(whole)),
        "features odd": refusal(lambda: split_features(network(width=9, heads=3))),
    }


def check_pipeline(rank):
    """Training of all parameters in parts that do not divide, and in what order the parts come back."""
    out = {}
    for name, settings in {"chunks": CHUNKS, "windows": WINDOWS}.items():
        out[f"pipeline {name}"] = along(network("neighbours", layers=2), settings, ("pipeline",), micro_batches=3)
    staged = replace(CHUNKS, stages=("encoder", "joint"), epochs=1)
    out["pipeline stages"] = along(network("complete", recompute=True), staged, ("pipeline",))
    half = replace(CHUNKS, reading=replace(CHUNKS.reading, precision="bf16"), epochs=1)
    divide = dividing(Axes(row=2, split=("pipeline",)), None)
    start = network("dense", dropout=0.3, dtype=torch.float32)
    ends = torch.cat([tensor.reshape(-1) for tensor in trained(start, half, divide).values()])
    both = [torch.empty_like(ends) for _ in range(2)]
    dist.all_gather(both, ends)
    split = network()
    split_stages(split)
    return out | {
        "pipeline agrees": torch.equal(*both),
        "pipeline order": order_of_parts(rank),
        "pipeline twice": refusal(lambda: split_stages(split)),
        "pipeline without attention": refusal(lambda: split_stages(network("none"))),
        "pipeline of none": refusal(lambda: split_stages(network(), micro_batches=0)),
    }


def order_of_parts(rank):
    """On the first worker: when the gradient of each part's tokens came, and when its encoder was done with it."""
    net, given, told = network(), examples(), []
    split_stages(net, micro_batches=3)
    encode = net.encode

    def watched(x, state, reset):
        part = int(x[0, 0, 0])
        x = x.clone().requires_grad_()
        tokens, state = encode(x, state, reset)
        tokens.register_hook(lambda _: told.append(f"came {part}"))
        x.register_hook(lambda _: told.append(f"done {part}"))
        return tokens, state

    net.encode = watched
    values = given.values.clone()
    values[:6, 0, 0] = torch.tensor([0.0, 0, 1, 1, 2, 2])
    state = net.encoder.empty(14)
    scores, _ = chunk_scores(net, replace(given, values=values), [range(6)], state, TimeReading(steps=6))
    scores.sum().backward()
    net.stages.add_up([torch.zeros(1)])
    return told if rank == 0 else None


def check_axes_of_fits(forecaster, panel, fold, features):
    """Whole fits; those with the encoder on another worker know its state at the end, too."""
    context, out = FitContext(features=features, seed=7), {}
    plain = replace(forecaster, dropout=0.0)
    for axis, ours in (("features", forecaster), ("pipeline", plain)):
        alone = ours.fit(panel, fold, context=context)
        shared = fit_share(ours, panel, fold, context=context, axes=Axes(row=2, split=(axis,)))
        ends = [fitted.checkpoint.state.lstm.hidden for fitted in (shared, alone)]
        out[f"fit by {axis}"] = max(apart(shared, alone), float((ends[0] - ends[1]).abs().max()))
    return out | {
        "fit refused": refusal(
            lambda: fit_share(
                replace(plain, attention="none"), panel, fold, context=context, axes=Axes(row=2, split=("pipeline",))
            )
        )
    }
