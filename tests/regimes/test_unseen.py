import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.regimes.unseen import USUAL_SHARES, chances_of_names, usual_cuts


def test_two_states_of_three_regimes_by_hand():
    """After one spell: medium stayed away with 0.6, low with 0.6, high with 0.8."""
    assert_allclose(chances_of_names(2, 3, 1.0), [[0.7, 0.3, 0], [0, 0.4, 0.6]])


def test_the_longer_the_past_the_surer_that_the_rarest_are_missing():
    assert_allclose(chances_of_names(2, 4, 0.0).sum(axis=1), 1)
    assert_allclose(chances_of_names(2, 4, 500.0)[:, :2], np.eye(2), atol=1e-9)
    assert_allclose(chances_of_names(3, 3, 7.0), np.eye(3))


@pytest.mark.parametrize("names", [2, 3, 4])
def test_shares_and_the_borders_between_them(names):
    assert sum(USUAL_SHARES[names]) == pytest.approx(1)
    assert_allclose(np.diff([0, *usual_cuts(names), 1]), USUAL_SHARES[names])
