"""A few hundred of the examples that ``benchmarks/bench_fuzz.py`` tries by the thousand."""

import pytest
from _hostile import tried


@pytest.mark.parametrize(
    ("kind", "examples"), [("settings", 60), ("changes", 200), ("command lines", 50), ("bars", 150)]
)
def test_whatever_comes_in_is_read_or_refused_in_a_line(kind, examples):
    outcome = tried(kind, examples, number=0)
    assert not outcome.finds
    assert outcome.examples > 0.9 * examples
    assert len(outcome.refusals) > 3
