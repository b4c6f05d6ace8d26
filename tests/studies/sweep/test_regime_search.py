import numpy as np
import pytest

from quantray.errors import InputError
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.regime_search import Design, Regimes


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="min_days 5"):
        Design(min_days=5)
    with pytest.raises(InputError, match="give integers"):
        Regimes(("a",), np.zeros(3))
    with pytest.raises(InputError, match="no regime be called"):
        Regimes((ALL,), np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match="between -1 and 0"):
        Regimes(("a",), np.ones(3, dtype=np.int64))
