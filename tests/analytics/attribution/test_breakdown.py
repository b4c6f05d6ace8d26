import numpy as np
import pytest

from quantray.analytics.attribution.breakdown import break_down, closed, known
from quantray.errors import DataError, InputError

DAYS = np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]")


def test_rows_effects_and_cells_sum_to_the_total():
    parts = np.array([[0.01, 0.02, -0.01], [0.0, 0.01, 0.02]])
    found = break_down("Test", DAYS, ["a", "a", "b"], ["x", "y", "x"], parts, parts.sum(axis=1))
    assert found.total == pytest.approx(1.02 * 1.03 - 1)
    assert sum(found.by_row().values()) == pytest.approx(found.total, abs=1e-14)
    assert sum(found.by_effect().values()) == pytest.approx(found.total, abs=1e-14)
    assert found.cell("a", "x") + found.cell("a", "y") == pytest.approx(found.by_row()["a"])
    assert found.cell("b", "y") == 0
    assert abs(found.gap) < 1e-14


def test_a_sum_that_does_not_close_says_by_how_much_and_when():
    parts = np.array([[0.01], [0.02]])
    with pytest.raises(DataError, match="sum to 0.02 on 2020-01-03 where 0.0203 was earned, a gap of -0.0003;"):
        break_down("Test", DAYS, ["a"], "x", parts, np.array([0.01, 0.0203]))


def test_the_gap_may_be_rounding_of_large_numbers_only():
    closed(np.array([1e6 + 1e-5]), np.array([1e6]), "test")
    with pytest.raises(DataError):
        closed(np.array([2e-10]), np.array([0.0]), "test")
    with pytest.raises(DataError):
        closed(np.array([np.nan]), np.array([0.0]), "test")


def test_bad_input():
    with pytest.raises(InputError, match="returns are unknown in 1 of 2 periods, first on 2020-01-03"):
        known(np.array([0.0, np.nan]), DAYS, "returns")
    with pytest.raises(InputError, match=r"are \(3,\) for 2 periods"):
        known(np.zeros(3), DAYS, "returns")
    with pytest.raises(InputError, match="2 periods and 2 rows"):
        break_down("Test", DAYS, ["a", "b"], "x", np.zeros((2, 1)), np.zeros(2))
