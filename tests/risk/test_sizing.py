import numpy as np
import pytest
from model_book import factor_model

from quantray.errors import InputError
from quantray.risk.sizing import fractional_kelly, risk_based_size, volatility_exposure


def test_exposure_halves_where_volatility_is_twice_the_target():
    # A return of 1 % up and down every day: a yearly volatility of 15.87 %.
    returns = np.tile([0.01, -0.01], 100)
    exposure = volatility_exposure(returns, target=0.01 * np.sqrt(252) / 2, warm_up=20)
    assert exposure[:20].tolist() == [1] * 20
    assert np.allclose(exposure[20:], 0.5)
    assert volatility_exposure(returns, target=1.0, most=1.5).max() == 1.5


def test_the_target_is_met_on_the_whole_and_the_future_has_no_part_in_it():
    generator = np.random.default_rng(0)
    returns = generator.normal(0, 0.01, 4000) * np.repeat([1, 3, 0.5, 2], 1000)
    exposure = volatility_exposure(returns, target=0.05, most=5.0)
    assert np.isclose((exposure * returns)[60:].std() * np.sqrt(252), 0.05, rtol=0.1)
    assert exposure[:501].tolist() == volatility_exposure(np.append(returns[:500], 9.0), target=0.05, most=5.0).tolist()
    late = volatility_exposure(returns, target=0.05, most=5.0, lag=3)
    assert late[63:].tolist() == exposure[60:-3].tolist()


def test_kelly_of_one_bet_is_mean_over_variance():
    assert np.allclose(fractional_kelly(np.array([0.02]), np.array([[0.04]]), fraction=1.0), 0.5)
    assert np.allclose(fractional_kelly(np.array([0.02]), np.array([[0.04]]), fraction=0.5), 0.25)


def test_kelly_is_cut_to_its_caps():
    model, means = factor_model(5, 2), np.array([0.01, 0.02, -0.01, 0.0, 0.01])
    free = fractional_kelly(means, model, gross=1e9)
    assert np.allclose(model.apply(free), 0.5 * means)
    capped = fractional_kelly(means, model, gross=1.0)
    assert np.allclose(capped, free / np.abs(free).sum())
    assert np.abs(fractional_kelly(means, model, gross=1e9, weight=0.1)).max() == 0.1


def test_sizes_lose_no_more_than_the_budget():
    units = risk_based_size(10_000, np.array([0.02, 0.01]), np.array([100.0, 2500.0]))
    lost = units * 2.3263478740 * np.array([0.02, 0.01]) * np.array([100.0, 2500.0])
    assert (lost <= 10_000).all()
    assert units.tolist() == [2149, 171]
    assert risk_based_size(10_000, np.array([0.02]), np.array([100.0]), adv_units=np.array([500.5])).tolist() == [500]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: volatility_exposure(np.zeros(100), target=0), "target 0"),
        (lambda: volatility_exposure(np.zeros(100), warm_up=1), "warm_up 1 at least 2"),
        (lambda: fractional_kelly(np.ones(2), np.ones((2, 2))), "not positive definite"),
        (
            lambda: fractional_kelly(np.ones(2), np.array([[1.0, 2.0], [2.0, 1.0]])),
            r"not positive definite \(an eigenvalue is -1\)",
        ),
        (lambda: fractional_kelly(np.ones(1), np.eye(1), fraction=1.5), "fraction 1.5"),
        (lambda: risk_based_size(1, np.array([0.0]), np.ones(1)), "must be positive and alike"),
        (lambda: risk_based_size(1, np.ones(1), np.ones(1), level=0.5), "a level of 0.5"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
