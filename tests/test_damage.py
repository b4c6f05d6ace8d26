"""Bits flipped in every kind of kept file: each is refused in a line, healed, or changes nothing at all.

``benchmarks/bench_damage.py`` flips hundreds in each.
"""

import numpy as np
import pytest
from _damage import KINDS, flipped

HEALED = ("results", "journals of searches")


@pytest.mark.parametrize("kind", KINDS)
def test_no_bit_is_flipped_in_silence(kind, tmp_path):
    draws = np.random.default_rng(7)
    for kept in KINDS[kind](tmp_path):
        found = flipped(kept, 24, draws)
        assert (found["silent"], found["crashed"]) == (0, 0), (kept.name, found)
        assert found["healed" if kept.name in HEALED else "seen"] > 0, (kept.name, found)
        if kept.name in HEALED:
            assert found["healed"] == found.total()
