import numpy as np
import pytest
from mixed_book import mixed_book
from numpy.testing import assert_allclose
from share_market import share_market, share_model, shares

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.forecasting.second_order import normal_tail
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.stressing.correlation_stress import correlation_stress, stressed_model

PLAIN = FactorModel(np.zeros((4, 0)), np.zeros((0, 0)), np.array([1.0, 4.0, 9.0, 16.0]) * 1e-4)


def correlations(model):
    dense = model.dense()
    size = np.sqrt(np.diagonal(dense))
    return dense / np.outer(size, size)


def test_independent_drivers_go_half_of_the_way_to_one():
    found = stressed_model(PLAIN, share=0.5)
    expected = np.full((4, 4), 0.5)
    np.fill_diagonal(expected, 1)
    assert_allclose(correlations(found), expected)
    assert_allclose(found.variances, PLAIN.variances)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_correlations_move_in_a_straight_line_and_stay_possible(share):
    model = share_model()
    found = stressed_model(model, share=share, volatility=2.0)
    assert_allclose(correlations(found), (1 - share) * correlations(model) + share, atol=1e-12)
    assert_allclose(found.variances, 4 * model.variances)
    assert np.linalg.eigvalsh(found.dense())[0] > -1e-15


@pytest.mark.parametrize("kind", ["matrix", "model"])
def test_towards_a_crisis(kind):
    model, generator = share_model(), np.random.default_rng(0)
    crisis = FactorModel(generator.normal(0, 1, (4, 2)), np.eye(2), generator.uniform(0.1, 1, 4))
    target = correlations(crisis)
    found = stressed_model(model, share=0.4, towards=target if kind == "matrix" else crisis, volatility=np.arange(1, 5))
    assert_allclose(correlations(found), 0.6 * correlations(model) + 0.4 * target, atol=1e-12)
    assert_allclose(found.variances, model.variances * np.arange(1, 5) ** 2)


def test_only_the_chosen_move_together():
    model = share_model()
    chosen = np.array([True, True, False, False])
    before, after = correlations(model), correlations(stressed_model(model, share=0.36, chosen=chosen))
    assert_allclose(after[0, 1], 0.64 * before[0, 1] + 0.36)
    assert_allclose(after[:2, 2:], 0.8 * before[:2, 2:])
    assert_allclose(after[2:, 2:], before[2:, 2:])


def test_diversification_goes_and_hedges_gain():
    market = share_market()
    long = correlation_stress(shares([0.25] * 4), market, PLAIN, share=0.5)
    hedged = correlation_stress(shares([0.5, -0.25, 0, 0]), market, PLAIN, share=0.5)
    assert long.var_after > long.var_before
    assert hedged.var_after < hedged.var_before
    assert_allclose([long.correlation_before, long.correlation_after], [0, 0.5], atol=1e-15)
    everything = correlation_stress(shares([0.25] * 4), market, PLAIN, share=1.0)
    # All as one: volatilities add up.
    assert_allclose(everything.var_after, 2.3263478740408408 * 0.25 * 0.1, rtol=1e-9)


def test_yields_keep_their_correlations_with_one_another():
    holdings, market = mixed_book()
    model = FactorModel(np.full((7, 1), 0.5), np.array([[1e-4]]), np.full(7, 1e-4))
    found = correlation_stress(holdings, market, model, share=0.75)
    before, after = correlations(model), correlations(found.model)
    absolute = market.absolute
    assert_allclose(after[np.ix_(absolute, absolute)], before[np.ix_(absolute, absolute)])
    assert_allclose(after[np.ix_(absolute, ~absolute)], 0.5 * before[np.ix_(absolute, ~absolute)])
    seen = sensitivities(holdings, market)
    assert_allclose(found.var_before, normal_tail(model, seen.exposure, seen, level=0.99).var)
    # The put is short and the call long: by deltas alone more would be lost.
    assert found.var_before < 2.3263478740408408 * np.sqrt(seen.exposure @ model.dense() @ seen.exposure)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"share": 1.5}, "share 1.5 must lie between 0 and 1"),
        ({"volatility": -1.0}, "volatility be one positive number or 4"),
        ({"towards": np.eye(3)}, r"give \(4, 4\) correlations"),
        ({"towards": 2 * np.eye(4)}, "ones on the diagonal"),
        ({"towards": np.eye(4) * 2.5 - 1.5}, "towards has an eigenvalue of -3.5"),
        ({"towards": share_model().select(np.arange(2))}, "towards is of 2 drivers"),
        ({"towards": np.eye(4), "chosen": np.ones(4, bool)}, "leave them out where towards is given"),
    ],
)
def test_what_is_no_correlation_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        stressed_model(share_model(), **({"share": 0.5} | changed))
