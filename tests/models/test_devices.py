"""Devices by name are tried, and refused in one line that names what is there."""

import pytest
import torch

from quantray.errors import InputError
from quantray.models import devices
from quantray.models.devices import torch_device

NO_GPU = not torch.accelerator.is_available()


def test_a_device_that_computes():
    assert torch_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tpu", "Expected one of cpu, cuda, .*"),
        ("", "Device string must not be empty"),
        ("cuda:x", "Invalid device string: 'cuda:x'"),
        # It allocates, and has no numbers.
        ("meta", r"Tensor\.item\(\) cannot be called on meta tensors"),
        ("vulkan", "Could not run .* from the 'Vulkan' backend"),
    ],
)
def test_what_torch_does_not_know_or_cannot_compute_on(name, why):
    with pytest.raises(InputError, match=rf"^device '{name}' cannot be computed on here \({why}\); there is cpu"):
        torch_device(name)


@pytest.mark.skipif(not NO_GPU, reason="there is an accelerator here")
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "xpu", "mps", "xla", "hpu"])
def test_accelerators_that_are_not_here(name):
    with pytest.raises(InputError, match=rf"^device '{name}' cannot be computed on here \(.+\); there is cpu\.$"):
        torch_device(name)


def test_accelerators_that_are_here_are_named(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("xpu"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with pytest.raises(InputError, match=r"; there is cpu, xpu:0, xpu:1\.$"):
        torch_device("tpu")


def test_one_that_computes_wrongly(monkeypatch):
    monkeypatch.setattr(devices.torch, "ones", lambda count, device: torch.zeros(count))
    with pytest.raises(InputError, match="add up to 2"):
        torch_device("cpu")
