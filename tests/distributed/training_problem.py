"""What processes that train together are given, and how far they end from one; see training_pair."""

import copy

import numpy as np
import torch

from quantray.errors import InputError
from quantray.models.examples import Examples, Graphs
from quantray.models.networks import Network, NetworkSettings
from quantray.models.training import train

N_NAMES, N_DAYS, N_INPUTS = 14, 48, 3


def examples(dtype=torch.float64):
    draw = torch.Generator().manual_seed(5)
    values = torch.randn(N_DAYS, N_NAMES, N_INPUTS, generator=draw, dtype=dtype)
    labels = values[..., 0] * 0.3 + torch.randn(N_DAYS, N_NAMES, generator=draw, dtype=dtype)
    labels[torch.rand(N_DAYS, N_NAMES, generator=draw) < 0.1] = torch.nan
    member = torch.rand(N_DAYS, N_NAMES, generator=draw) < 0.9
    reset = torch.rand(N_DAYS, N_NAMES, generator=draw) < 0.02
    neighbours = torch.randint(-1, N_NAMES, (1, N_NAMES, 4), generator=draw, dtype=torch.int32)
    clusters = torch.randperm(N_NAMES, generator=draw).to(torch.int32).view(1, 2, 7)
    return Examples(values, reset, member, labels, Graphs(torch.zeros(N_DAYS, dtype=torch.int64), neighbours, clusters))


def network(attention="neighbours", *, dtype=torch.float64, **shape):
    torch.manual_seed(3)
    usual = {"inputs": N_INPUTS, "width": 8, "layers": 1, "heads": 4, "dropout": 0.0}
    return Network(NetworkSettings(attention=attention, **usual | shape)).to(dtype)


def trained(start, settings, divide=None, workers=None):
    net = copy.deepcopy(start)
    if divide is not None:
        divide(net)
    done = train(net, examples(next(net.parameters()).dtype), slice(8, 38), slice(40, 48), settings, workers=workers)
    return done.network.state_dict()


def distance(ours, theirs):
    assert list(ours) == list(theirs)
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours if ours[name].numel())


def refusal(act):
    """What the refusal of an act says; empty where it is not refused."""
    try:
        act()
    except InputError as error:
        return str(error)
    return ""


def apart(ours, theirs):
    """The largest difference between the losses and coefficients of two fits."""
    pairs = zip(ours.checkpoint.progress.history, theirs.checkpoint.progress.history, strict=True)
    return float(np.max([[abs(a.loss - b.loss), abs(a.valid_ic - b.valid_ic)] for a, b in pairs]))
