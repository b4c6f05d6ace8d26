"""Designs say which of their numbers cannot be."""

import pytest

from quantray.errors import InputError
from quantray.studies.combination.design import MixDesign


@pytest.mark.parametrize("values", [{"min_days": 1}, {"min_days": 300}, {"lookback_days": 100}, {"warm_up_days": -1}])
def test_days_that_cannot_be(values):
    with pytest.raises(InputError, match=r"min_days \d+ must lie between 2 and lookback_days"):
        MixDesign(**values)


def test_all_of_the_look_back_may_be_asked_for():
    assert MixDesign(lookback_days=50, min_days=50).min_days == 50
