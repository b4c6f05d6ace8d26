from dataclasses import replace

import numpy as np
import pytest
from _horizons import basket, fading, random_horizon

from quantray.portfolio.horizon_relaxations import check_reachable, horizon_relaxations
from quantray.portfolio.solve import InfeasibleError


@pytest.mark.parametrize("seed", range(20))
def test_nothing_gives_way_where_there_is_a_plan(seed):
    problem, _ = random_horizon(seed)
    check_reachable(problem)
    names = [f"row {row}" for row in range(problem.row_lower.shape[1])]
    assert horizon_relaxations(problem, names) == ()


def test_caps_are_relaxed_all_alike():
    # Each period must trade a full position of one asset and back, of which the caps allow a fifth.
    rows = np.array([[[1.0, 0.0]], [[1.0, 0.0]]])
    problem = replace(
        fading(2, 2, 1, 0),
        previous=np.zeros(2),
        upper=np.ones((2, 2)),
        cap=np.full((2, 2), 0.2),
        rows=rows,
        row_lower=np.array([[1.0], [0.0]]),
        row_upper=np.array([[1.0], [0.0]]),
    )
    (change,) = horizon_relaxations(problem, ["first"], only=["trade size"])
    assert change.name == "trade size in multiples of every cap"
    assert change.needed == pytest.approx(5.0)
    assert horizon_relaxations(problem, ["first"], only=["gross"]) is None


def test_an_order_that_does_not_fit_into_its_periods():
    problem = basket(5, 4, 2, 0, power=False)
    check_reachable(problem)
    with pytest.raises(
        InfeasibleError, match=r"asset \d must be between 0 and 0 in period 4.* or more periods"
    ) as caught:
        check_reachable(replace(problem, cap=problem.cap / 10))
    (change,) = caught.value.conflicts
    assert change.needed == pytest.approx(np.abs(problem.previous).max(), rel=1)


def test_bounds_that_exclude_each_other():
    problem = fading(4, 2, 1, 0)
    with pytest.raises(InfeasibleError, match="its bounds exclude each other"):
        check_reachable(replace(problem, cap=None, lower=problem.upper + 0.1))
