import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.regimes.observations import (
    Observations,
    daily_observations,
    indicator_observations,
    smoothed,
    state_names,
)

DATES = np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]")
COLUMNS = ("return", "volatility")


@pytest.fixture(scope="module")
def panel():
    return simulate_market(20, 300, seed=4).panel


@pytest.mark.parametrize(
    "make", [daily_observations, indicator_observations, lambda p: smoothed(daily_observations(p))]
)
def test_no_column_looks_ahead(make, panel):
    whole = make(panel)
    assert_array_equal(make(panel.until(200)).values, whole.values[:201])
    assert len(whole.complete) > 230
    mixed = make(panel.select(panel.assets[::-1]))
    assert_allclose(mixed.values, whole.values, rtol=1e-8, atol=1e-12)


def test_smoothed_columns_are_trailing_means():
    values = np.column_stack([np.arange(5.0), [1.0, 2, 4, 8, 16]])
    out = smoothed(Observations(DATES, COLUMNS, values, values[:, 0]), fast=2, slow=4)
    assert out.names == ("return", "volatility", "volatility_change")
    assert_allclose(out.values[-1], [2.5, 12, 12 - 7.5])
    with pytest.raises(InputError, match="fast 4 must be"):
        smoothed(out, fast=4, slow=4)


def test_states_are_ordered_by_volatility_and_then_by_return():
    zeros = np.zeros((5, 2))
    found = Observations(DATES, COLUMNS, zeros, zeros[:, 0])
    assert_array_equal(found.order(np.array([[0.1, 2.0], [0.2, 1.0], [0.1, 1.0]])), [2, 1, 0])
    assert state_names(3).tolist() == ["low", "medium", "high"]
    with pytest.raises(InputError, match="5 states have no names"):
        state_names(5)


def test_bad_observations_are_refused(panel):
    zeros = np.zeros((5, 2))
    with pytest.raises(InputError, match="must be unique and hold"):
        Observations(DATES, ("return", "width"), zeros, zeros[:, 0])
    with pytest.raises(InputError, match="for 5 rows and 2 names"):
        Observations(DATES, COLUMNS, zeros[:4], zeros[:, 0])
    with pytest.raises(InputError, match="volatility is infinite on 2024-01-02"):
        Observations(DATES, COLUMNS, np.array([[0, 0], [0, np.inf], [0, 0], [0, 0], [0, 0]]), zeros[:, 0])
    with pytest.raises(InputError, match="not strictly increasing"):
        Observations(DATES[::-1], COLUMNS, zeros, zeros[:, 0])
    nobody = panel.with_member(np.zeros(panel.shape, dtype=bool))
    with pytest.raises(DataError, match="no day of the panel has the return of a member"):
        daily_observations(nobody)
    alone = panel.select([panel.assets[np.argmax(panel.member.sum(axis=0))]])
    for make in (daily_observations, indicator_observations):
        with pytest.raises(DataError, match="it needs two assets or more"):
            make(alone)
