"""AdamW as torch has it, without torch's compiler, which its optimisers load on their first use.

That takes as long as torch itself, in each worker and each program that trains, and nothing here is compiled.
"""

import inspect
from typing import Any

import torch

__all__ = ["AdamW"]


class AdamW(torch.optim.AdamW):
    """The same numbers and the same state; around its methods torch only keeps its compiler away from them."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """A step along the gradients."""
        _STEP(self, closure)


_STEP: Any = inspect.unwrap(torch.optim.AdamW.step)
