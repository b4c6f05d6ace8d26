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
