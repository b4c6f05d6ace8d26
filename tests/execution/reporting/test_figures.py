import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.errors import InputError
from quantray.execution.reporting.figures import Point, cost_waterfall, frontier_with_points, trading_pace
from quantray.execution.tca import Executed, aggregate, shortfall


def test_the_waterfall_of_perolds_example_ends_at_its_total():
    order = Executed(ordered=1000, filled=700, decision=40.0, arrival=40.04, paid=40.05, last=40.08, fees=17)
    parts, _ = aggregate(shortfall(order))["all"]
    total = parts.pop("total")
    (fall,) = cost_waterfall(parts).figure.data
    assert list(fall.y) == ["Explicit", "Delay", "Execution", "Missed", "Total"]
    assert_allclose(fall.x, [4.25, 7.0, 1.75, 6.0, 19.0])
    assert fall.x[-1] == pytest.approx(total)
    assert fall.measure[-1] == "total"


def test_the_axis_has_room_for_what_was_gained():
    figure = cost_waterfall({"delay": -8.0, "execution": 5.0}).figure
    low, high = figure.layout.xaxis.range
    assert low < -8 < 0 < high


def test_points_stand_beside_a_frontier_in_order():
    points = [Point("TWAP", 30.0, 4.0), Point("AC", 20.0, 5.0, chosen=True), Point("AC", 21.0, 9.0, realised=True)]
    curve, *others = frontier_with_points(np.array([30.0, 10.0, 20.0]), np.array([4.0, 9.0, 5.0]), points).figure.data
    assert list(curve.x) == [10, 20, 30]
    assert list(curve.y) == [9, 5, 4]
    assert [each.name for each in others] == ["TWAP", "AC, chosen", "AC, realised"]
    assert [each.marker.symbol for each in others] == ["circle-open", "circle", "diamond"]


def test_the_pace_stacks_money_by_name():
    figure = trading_pace(["09:30", "10:30"], {"NYSE": np.array([2.0, 1.0]), "IEX": np.array([1.0, 0.0])}).figure
    assert [list(bar.y) for bar in figure.data] == [[2, 1], [1, 0]]
    assert figure.layout.barmode == "stack"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match="give a number of basis points for each"):
        cost_waterfall({"delay": float("nan")})
    with pytest.raises(InputError, match="parts of a cost are {}"):
        cost_waterfall({})
    with pytest.raises(InputError, match="give one of each"):
        frontier_with_points(np.ones(2), np.ones(3), [])
