"""Devices by torch's names, tried before any work is done on them."""

from contextlib import suppress
from importlib import import_module

import torch

from quantray.errors import InputError, first_line

__all__ = ["torch_device"]


def torch_device(name: str) -> torch.device:
    """The device of a name, after a sum was computed there.

    Parameters
    ----------
    name : as torch has it: ``cpu``, ``cuda`` (NVIDIA, or AMD under ROCm), ``cuda:1``, ``xpu`` (Intel), ``mps`` (Apple),
        ``xla`` (TPU, where torch_xla is installed), or that of another back end.

    Raises
    ------
    InputError
        Torch does not know it, or cannot compute on it here.
    """
    if name.partition(":")[0] == "xla":
        # It registers its devices when it is imported; without it torch says what is missing.
        with suppress(ImportError):
            import_module("torch_xla")
    try:
        device = torch.device(name)
        # Some back ends allocate and cannot compute; and only a number that comes back shows that it was computed.
        whole = float((torch.ones(2, device=device) + 1).sum())
    except Exception as error:
        raise _refused(name, first_line(error).partition(". ")[0].rstrip(".") or type(error).__name__) from error
    if whole != 4.0:
        raise _refused(name, f"two ones, and one more each, add up to {whole:g}")
    return device


def _refused(name: str, why: str) -> InputError:
    return InputError(f"device {name!r} cannot be computed on here ({why}); there is {_there()}.")


def _there() -> str:
    """The devices of this machine, in words."""
    kind = torch.accelerator.current_accelerator(check_available=True)
    found = [] if kind is None else [f"{kind.type}:{place}" for place in range(torch.accelerator.device_count())]
    return ", ".join(["cpu", *found])
