import copy
import inspect
import sys

import pytest
import torch

from quantray.models.optimiser import AdamW


@pytest.fixture
def no_compiler(monkeypatch):
    """Torch's compiler cannot be loaded, and nothing remembers that it was."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
        monkeypatch.delattr(inspect.unwrap(getattr(torch.optim.Optimizer, name)), "__dynamo_disable", raising=False)


def steps(kind, count, *, state=None):
    """Parameters and state of an optimiser after so many steps on gradients that are the same each time."""
    draw = torch.Generator().manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(shape, generator=draw)) for shape in ((4, 3), (5,))]
    optimiser = kind(weights, lr=0.01, weight_decay=0.1)
    if state is not None:
        optimiser.load_state_dict(copy.deepcopy(state))
    for _ in range(count):
        optimiser.zero_grad()
        sum((weight**2 * torch.randn(weight.shape, generator=draw)).sum() for weight in weights).backward()
        optimiser.step()
    return weights, optimiser.state_dict()


def same(ours, theirs):
    for mine, other in zip(ours[0], theirs[0], strict=True):
        assert torch.equal(mine, other)
    assert ours[1]["param_groups"] == theirs[1]["param_groups"]
    for mine, other in zip(ours[1]["state"].values(), theirs[1]["state"].values(), strict=True):
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_it_steps_as_torch_does_to_the_last_bit():
    same(steps(AdamW, 5), steps(torch.optim.AdamW, 5))
    kept = steps(torch.optim.AdamW, 3)[1]
    same(steps(AdamW, 2, state=kept), steps(torch.optim.AdamW, 2, state=kept))


def test_it_needs_no_compiler(no_compiler):
    kept = steps(AdamW, 1)[1]
    assert len(steps(AdamW, 1, state=kept)[1]["state"]) == 2
    with pytest.raises(ImportError):
        steps(torch.optim.AdamW, 1)
