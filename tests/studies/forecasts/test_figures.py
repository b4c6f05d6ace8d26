import numpy as np
import pytest

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.studies.forecasts.figures import cumulative_skill, differences, quantile_bars, skill
from quantray.studies.forecasts.report import ForecastRow

DAYS = 40


def found(mean, width=0.01):
    return Estimate(mean, width / 2, Interval(mean - width, mean + width, 0.95), 0.5, DAYS)


def row_of(name="GAT", *, control=False, told=True, seeds=(0.01, 0.03), **gains):
    rng = np.random.default_rng(1)
    return ForecastRow(
        name=name,
        is_control=control,
        ic=found(0.0234 if told else 0.0),
        rank_ic=found(0.0345) if told else None,
        icir=0.456 if told else None,
        positive_days=0.567 if told else None,
        seed_ic=np.array(seeds),
        epochs=4.5 if told else np.nan,
        daily=rng.normal(size=DAYS),
        deciles=np.linspace(-0.001, 0.002, 10) if told else None,
        differences={control: found(mean) for control, mean in gains.items()},
    )


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
