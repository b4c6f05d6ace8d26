"""What estimates ask of a history."""

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.forecasting.history import checked_level, complete_returns, long_enough


def test_as_many_days_as_one_in_the_tail():
    assert long_enough([0.01] * 20, 0.95).shape == (20,)
    with pytest.raises(InputError, match=r"19 returns say nothing of a level of 0\.95; give at least 20"):
        long_enough(np.zeros(19), 0.95)


def test_what_is_incomplete_is_refused():
    with pytest.raises(InputError, match=r"returns are \(2,\) or incomplete"):
        complete_returns([0.1, np.nan])
    with pytest.raises(InputError, match="a level of 1 must be at least 0.5 and below 1"):
        checked_level(1)
