"""What is freed inside a block stays with the process: the system has no pages to clear again."""

import resource
import subprocess
import sys

import pytest
import torch

from quantray import memory
from quantray.memory import hold_memory, kept_memory

PIECE = 1 << 24
"""Numbers; far beyond what glibc keeps by itself."""

needs_glibc = pytest.mark.skipif(memory._mallopt() is None, reason="another C library")


def faults():
    """Pages that had to be given to this process, while pieces were taken and freed."""
    torch.ones(PIECE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(PIECE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs_glibc
def test_pages_are_cleared_once():
    """Once there is room that fits, beside what other tests left in the heap."""
    with kept_memory():
        assert min(faults() for _ in range(6)) < 3 * 4 * PIECE / resource.getpagesize() / 4


@needs_glibc
def test_what_is_usual_comes_back_when_the_last_block_ends(monkeypatch):
    told = []
    monkeypatch.setattr(memory, "_mallopt", lambda: lambda parameter, value: told.append((parameter, value)))
    with kept_memory():
        with kept_memory():
            pass
        assert told == [*memory._KEEP.items()] * 2
    assert told[-3:] == [*memory._USUAL.items()]


def test_without_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory, "_mallopt", lambda: None)
    with kept_memory():
        assert float(torch.ones(2).sum()) == 2.0


HOLDING = """
import resource, numpy as np
from quantray.memory import hold_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [np.ones(2_500_000) for _ in range(6)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
{hold}
print(min(faults() for _ in range(4)))
"""


@needs_glibc
def test_a_process_that_holds_memory_is_not_given_the_same_pages_again():
    """Six pieces of 20 MB, which glibc gives back when all of them are free."""
    given = {}
    for hold in ("", "hold_memory()"):
        run = subprocess.run(
            [sys.executable, "-c", HOLDING.format(hold=hold)], capture_output=True, text=True, check=True
        )
        given[hold] = int(run.stdout)
    assert given["hold_memory()"] < 100 < given[""]


@needs_glibc
def test_a_block_within_decides_while_it_lasts(monkeypatch):
    told = []
    monkeypatch.setattr(memory, "_mallopt", lambda: lambda parameter, value: told.append((parameter, value)))
    with kept_memory():
        hold_memory()
        assert told == [*memory._KEEP.items()]
    hold_memory()
    assert told[-3:] == [*memory._USUAL.items()]
