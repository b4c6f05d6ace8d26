import numpy as np
import pytest
from scipy import sparse

from quantray.errors import InputError
from quantray.portfolio.smallest_trade import Cap, smallest_trade
from quantray.portfolio.solve import InfeasibleError


def trade(weights, *caps, **more):
    weights = np.array(weights, dtype=np.float64)
    bounds = {"lower": np.minimum(weights, 0), "upper": np.maximum(weights, 0)} | more
    return smallest_trade(weights, caps, **bounds)


def cap(form, matrix, most, **more):
    return Cap(name=more.pop("name", form), form=form, matrix=np.atleast_2d(np.array(matrix)), most=most, **more)


def test_caps_by_hand():
    assert np.allclose(trade([0.3, -0.2], cap("each", np.eye(2), 0.25)), [-0.05, 0], atol=1e-6)
    assert np.allclose(trade([0.3, -0.4], cap("above", [[1.0, 0.0]], 0.1)), [-0.2, 0], atol=1e-6)
    assert np.isclose(np.abs(trade([0.3, -0.4], cap("sum", np.eye(2), 0.5))).sum(), 0.2, atol=1e-5)
    # The cheapest way to a length of 0.5 from (0.6, 0.3) is along the longer side.
    found = trade([0.6, 0.3], cap("root", np.eye(2), 0.5))
    assert np.allclose(found, [-0.2, 0], atol=1e-5)


def test_nothing_is_traded_where_all_caps_hold():
    assert trade([0.3, -0.2], Cap(name="each", form="each", matrix=sparse.identity(2), most=0.3)).tolist() == [0, 0]


def test_prices_say_what_is_traded():
    found = trade([0.5, 0.5], cap("sum", np.eye(2), 0.9), price=np.array([3.0, 1.0]))
    assert np.allclose(found, [0, -0.1], atol=1e-5)


def test_a_cap_may_be_about_a_centre_or_zero():
    centre = np.array([0.2, 0.2])
    found = trade([0.5, 0.2], cap("sum", np.eye(2), 0.1, centre=centre))
    assert np.allclose(found, [-0.2, 0], atol=1e-5)
    assert np.allclose(trade([0.5, 0.2], cap("each", [[1.0, 0.0]], 0.0)), [-0.5, 0], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_trade_that_cures_is_smaller(seed):
    generator = np.random.default_rng(seed)
    weights, root = generator.normal(0, 0.1, 12), generator.normal(0, 1, (15, 12))
    risk, gross = cap("root", root, 0.6 * np.linalg.norm(root @ weights)), cap("sum", np.eye(12), 0.9)
    found = trade(weights, risk, gross)
    best = np.abs(found).sum()
    for rule in (risk, gross):
        assert rule.value(weights + found) <= rule.most * (1 + 1e-8)
    for _ in range(300):
        other = -weights * np.clip(generator.normal(0.3, 0.4, 12), 0, 1)
        if all(rule.value(weights + other) <= rule.most for rule in (risk, gross)):
            assert np.abs(other).sum() >= best * (1 - 1e-5)


def test_caps_that_exclude_each_other_are_named():
    most, least = cap("above", [[1.0, 1.0]], 0.4, name="net"), cap("above", [[-1.0, -1.0]], 0.0, name="short")
    with pytest.raises(InfeasibleError, match="brings the portfolio within net; ease net 0.4 -> 0.8") as error:
        trade([0.5, 0.5], most, least, lower=np.array([0.4, 0.4]))
    assert [conflict.name for conflict in error.value.conflicts] == ["net"]
    assert np.isclose(error.value.conflicts[0].needed, 0.8, atol=1e-5)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="1 ranges are empty"):
        trade([0.5, 0.5], lower=np.array([0.6, 0.0]))
    with pytest.raises(InputError, match="the least price is 0"):
        trade([0.5, 0.5], price=np.zeros(2))
    with pytest.raises(InputError, match="upper are"):
        trade([0.5, 0.5], upper=np.ones(3))
