"""The words for torch's kernels follow what the environment fixes."""

import torch

from quantray.models.kernels import torch_kernels


def test_what_the_environment_fixes_is_said(monkeypatch):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    free = torch_kernels()
    assert free.split(", ")[0] == torch.backends.cpu.get_cpu_capability()
    assert "MKL" not in free
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    fixed = torch_kernels()
    assert ", MKL AVX2, oneDNN AVX2" in fixed
    assert fixed.replace(", MKL AVX2, oneDNN AVX2", "") == free
