import numpy as np
import pytest
from forecast_rows import row_of

from quantray.studies.forecasts.figures import cumulative_skill, differences, quantile_bars, skill

ROWS = (
    row_of(zero=0.02, ridge=0.0),
    row_of("ridge", control=True, zero=0.02),
    row_of("zero", control=True, told=False),
)


def test_pictures_carry_the_numbers():
    bars = skill(
        {row.name: row.ic for row in ROWS}, {row.name: row.seed_ic for row in ROWS}, frozenset({"zero", "ridge"})
    )
    by_name = {trace.y[0]: trace for trace in bars.figure.data if len(trace.x) == 1}
    assert by_name["GAT"].x[0] == 0.0234
    assert by_name["GAT"].error_x.array[0] == pytest.approx(0.01)
    assert by_name["zero"].marker.color == by_name["ridge"].marker.color != by_name["GAT"].marker.color
    pairs = differences({"GAT": ROWS[0].differences}).figure.data
    assert {trace.y[0]: trace.x[0] for trace in pairs} == {"GAT − zero": 0.02, "GAT − ridge": 0.0}
    daily = np.array([0.1, np.nan, -0.3])
    (line,) = cumulative_skill(np.arange(3), {"GAT": daily}).figure.data
    assert list(line.y) == pytest.approx([0.1, 0.1, -0.2])
    (tenths,) = quantile_bars({"GAT": np.array([0.0, 0.001, 0.002])}, 5).figure.data
    assert list(tenths.y) == pytest.approx([-10, 0, 10])
