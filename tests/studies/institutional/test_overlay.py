import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from quantray.studies.institutional.overlay import FULL, within_limits


def test_weights_within_the_limits_stay_and_others_are_cut_as_little_as_can_be():
    weights = np.array([[0.2, -0.2, 0.0], [0.5, -0.1, 0.1], [0.3, -0.3, 0.3]])
    found = within_limits(weights, gross=0.6, weight=0.4)
    assert_array_equal(found[0], weights[0])
    assert_allclose(found[1], [0.4, -0.1, 0.1], atol=1e-6)
    assert_allclose(np.abs(found[2]).sum(), 0.6, atol=1e-6)
    # Nothing grows or turns.
    assert (np.sign(found) * np.sign(weights) >= 0).all()
    assert (np.abs(found) <= np.abs(weights) + 1e-12).all()


def test_every_rule_is_tried_and_full_exposure_first(study):
    _, record = study
    tried = next(each.choice for each in record.choices if each.phase == "risk")
    assert [each.name for each in tried.candidates] == [
        FULL,
        "protection 1",
        "volatility 5.0%",
        "volatility 5.0%, protection 1",
    ]
