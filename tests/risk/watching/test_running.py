import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_book import model_book

from quantray.errors import InputError
from quantray.risk.watching.running import GroupSums, RunningRisk

BOOK = model_book(10, 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-0.9, 3.0)), max_size=40))
def test_sums_after_any_moves_are_those_of_the_moved_book(moves):
    risk, change = RunningRisk(BOOK, np.zeros(10, dtype=bool)), np.zeros(10)
    for driver, to in moves:
        risk.move(driver, to)
        change[driver] = to
    weights = BOOK.weights * (1 + change)
    assert np.isclose(risk.volatility**2, BOOK.model.variance(weights), rtol=0, atol=1e-12)
    assert np.allclose(risk.factors, BOOK.model.loadings.T @ weights, rtol=0, atol=1e-12)
    assert np.isclose(risk.gain, BOOK.weights @ change, rtol=0, atol=1e-12)
    assert np.isclose(risk.net, weights.sum(), rtol=0, atol=1e-12)
    assert np.isclose(risk.gross, np.abs(weights).sum(), rtol=0, atol=1e-12)
    fresh = GroupSums.of(BOOK)
    fresh.make(weights)
    assert np.allclose(risk.groups.net, fresh.net, rtol=0, atol=1e-12)
    assert np.allclose(risk.groups.gross, fresh.gross, rtol=0, atol=1e-12)


def test_settling_leaves_all_as_it_is():
    risk = RunningRisk(BOOK, np.zeros(10, dtype=bool))
    for driver in range(10):
        risk.move(driver, 0.3)
    before = (risk.volatility, risk.net, risk.gross, risk.factors.tolist())
    risk.settle()
    assert np.isclose(risk.volatility, before[0])
    assert np.allclose([risk.net, risk.gross, *risk.factors], [*before[1:3], *before[3]])


def test_positions_without_a_label_are_in_no_group():
    book = model_book(4, 1, weights=np.array([0.4, -0.2, 0.3, 0.1]), groups={"sector": ["Tech", "", "Tech", "Energy"]})
    sums = GroupSums.of(book)
    sums.make(book.weights)
    names, span = sums.kinds["sector"]
    assert names.tolist() == ["Energy", "Tech"]
    assert np.allclose(sums.net[span], [0.1, 0.7])
    sums.add(np.array([1, 2]), np.array([-0.1, -0.3]), np.array([0.1, -0.3]))
    assert np.allclose(sums.gross[span], [0.1, 0.4])


def test_a_model_is_needed():
    with pytest.raises(InputError, match=r"a monitor needs Book\(model=...\)"):
        RunningRisk(model_book(model=None), np.zeros(40, dtype=bool))
