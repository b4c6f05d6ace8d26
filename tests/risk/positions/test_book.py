from dataclasses import replace

import numpy as np
import pytest
from mixed_book import changes_of_drivers, mixed_book
from model_book import factor_model, model_book

from quantray.covariance.factor import statistical_factors
from quantray.errors import InputError
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.tail import component_var, gaussian_var


def test_a_book_of_every_kind_of_position_keeps_the_sum_of_its_parts():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    seen = sensitivities(holdings, market)
    book = Book.of(holdings, market, model, seen, scenarios={"crash": np.full(6, 0.01)})
    assert book.weights.tolist() == seen.notional.tolist()
    assert np.allclose(book.part(np.ones(6)), seen.exposure)
    halves = book.part(np.eye(6)[0]) + book.part(np.array([0, 1, 1, 1, 1, 1.0]))
    assert np.allclose(halves, book.exposure)
    marginal = model.apply(book.exposure)
    assert np.isclose(book.per_position(marginal).sum(), model.variance(book.exposure))
    assert book.groups["sector"].tolist() == ["Technology", "Energy", "", "", "Technology", ""]


def test_positions_of_one_driver_share_its_volume():
    holdings, market = mixed_book()
    market = type(market)(
        market.date,
        market.drivers,
        market.levels,
        market.dates,
        market.changes,
        absolute=market.absolute,
        adv=np.full(7, 1e6),
    )
    book = Book.of(holdings, market, statistical_factors(market.changes, 2), sensitivities(holdings, market))
    shared = book.adv[[0, 4]]
    assert np.isclose(shared.sum(), 1e6 / holdings.nav)
    assert np.isclose(shared[0] / shared[1], abs(book.weights[0] / book.weights[4]))
    assert np.isclose(book.adv[3], 1e6 / holdings.nav)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"names": ["A", "A"]}, "names of the book repeat"),
        ({"weights": [0.5, np.nan]}, "weights of B is missing"),
        ({"weights": [0.5]}, r"weights of the book is \(1,\) for 2 names"),
        ({"groups": {"sector": ["Tech"]}}, r"sector of the book is \(1,\) for 2 names"),
        ({"scenarios": {"crash": [0.1, np.inf]}}, "crash of B is missing"),
        ({"adv": [1.0, -1.0]}, "adv of B is negative"),
        ({"model": factor_model(3, 1)}, "the risk model is of 3 drivers, the book follows 2"),
    ],
)
def test_what_does_not_fit_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        Book(**({"names": ["A", "B"], "weights": [0.5, 0.5]} | changed))


def test_positions_without_size_stay_so_at_other_sizes():
    book = model_book(3, 1, weights=np.array([0.5, 0.0, -0.2]), scenarios={"crash": np.array([0.1, 0.0, -0.04])})
    half = book.at(book.weights / 2)
    assert half.scenarios["crash"].tolist() == [0.05, 0.0, -0.02]
    assert half.volatility.tolist() == book.volatility.tolist()
    with pytest.raises(InputError, match="nothing is held of S0001"):
        book.at(np.array([0.5, 0.1, -0.2]))


def test_what_a_use_needs_is_asked_for():
    with pytest.raises(InputError, match=r"this needs Book\(model=...\)"):
        model_book(model=None).needed("model", "this")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"returns": np.array([np.nan])}, r"returns of the book are \(1,\) or incomplete"),
        ({"strategy_returns": {"trend": np.array([0.1, np.inf])}}, r"returns of trend are \(2,\) or incomplete"),
        (
            {"strategy_returns": {"trend": np.zeros(3), "value": np.zeros(2)}},
            "strategy_returns of value are of 2 days, those of trend of 3; give all of the same days",
        ),
    ],
)
def test_returns_are_whole_and_of_the_same_days(given, said):
    with pytest.raises(InputError, match=said):
        model_book(**given)


def test_var_slopes_of_a_linear_book_are_marginal():
    book, sizes = model_book(), np.linspace(0.5, 1.5, 40)
    held = book.at(book.weights * sizes)
    assert np.isclose(book.tail(0.99, sizes).var, gaussian_var(held.weights, book.model))
    assert np.allclose(book.var_parts(0.99, sizes), component_var(held.weights, book.model).parts)
    assert not model_book(gross=0.0).var_parts(0.99).any()


def test_growth_with_a_trade():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    seen = sensitivities(holdings, market)
    straight = replace(seen, gamma=np.zeros(len(seen.gamma)), cross=np.zeros(len(seen.cross)))
    bent, line = (Book.of(holdings, market, model, each) for each in (seen, straight))
    some = np.array([0, 0, 0.1, 0, 0, 0])
    marginal = model.apply(seen.exposure) / np.sqrt(model.variance(seen.exposure))
    closed = 2.3263479 * marginal @ straight.resized(some).exposure
    assert line.growth(straight.resized(some), 0.99) == pytest.approx(closed)
    assert bent.growth(seen.resized(some), 0.99) == pytest.approx(closed, rel=0.1)
    assert bent.growth(seen.resized(some), 0.99) == pytest.approx(bent.var_slopes(0.99) @ some)
    assert line.at(np.zeros(6)).growth(straight.resized(some), 0.99) == 0
