"""Thresholds, and the flags that checks return."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from quantray.data.quality.check import Flags, Thresholds


def test_flags_on_some_rows_keep_their_cells():
    flags = Flags(np.array([True, True, False]), cells={"open": np.array([True, False, False])})
    some = flags.among(np.array([False, True, True]))
    assert_array_equal(some.rows, [False, True, False])
    assert not some.cells["open"].any()
    assert flags.cells["open"][0]


@pytest.mark.parametrize("values", [{"thin_share": 1.0}, {"stale_days": 1}, {"jump": 0.0}, {"no_such": 1}])
def test_thresholds_out_of_range(values):
    with pytest.raises(ValidationError):
        Thresholds(**values)
