import numpy as np
import pytest

from quantray.errors import InputError
from quantray.regimes.trend import trend_labels


def test_a_rise_a_crash_and_a_recovery_are_bull_bear_and_bull():
    returns = np.concatenate([np.full(150, 0.001), np.full(40, -0.01), np.full(150, 0.004)])
    labels = trend_labels(np.append(1.0, np.cumprod(1 + returns)), days=60)
    assert labels[[150, 190, -1]].tolist() == [2, 0, 2]
    assert (labels[:59] == -1).all()
    assert 1 in labels[151:190], "a bull market ends before a bear market begins"
    shallow = np.concatenate([np.full(150, 0.001), np.full(6, -0.01)])
    assert trend_labels(np.append(1.0, np.cumprod(1 + shallow)), days=60)[-1] == 1


def test_bad_terms_are_refused():
    with pytest.raises(InputError, match="fractions below 1"):
        trend_labels(np.ones(9), band=1.0)


def test_on_weeks_the_average_is_counted_in_days():
    labels = trend_labels(np.linspace(100, 150, 60), days=200, rows_a_day=0.2)
    assert (labels >= 0).tolist() == [False] * 39 + [True] * 21
    # A month of four weeks later it is seen to rise.
    assert labels[39:44].tolist() == [1, 1, 1, 1, 2]
