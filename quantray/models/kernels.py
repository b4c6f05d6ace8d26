"""Which kernels torch computes with on this machine."""

import os
from pathlib import Path

import torch

__all__ = ["torch_kernels"]

_FIXED = {"MKL_CBWR": "MKL", "ONEDNN_MAX_CPU_ISA": "oneDNN"}
"""Variable that fixes the kernels of a library that torch brings -> the library."""


def torch_kernels() -> str:
    """In words: torch's own vector instructions, those that the environment fixes, and who made a foreign processor.

    MKL looks at the maker of a processor, and keeps to a fixed branch on Intel's alone.

    Source: Intel, *oneMKL developer guide*, "Specifying code branches".
    """
    fixed = [f"{name} {os.environ[variable]}" for variable, name in _FIXED.items() if variable in os.environ]
    maker = _maker()
    words = [torch.backends.cpu.get_cpu_capability(), *fixed, *([] if maker == "GenuineIntel" else [f"on {maker}"])]
    return ", ".join(words)


def _maker() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "an unknown processor"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "another processor")
