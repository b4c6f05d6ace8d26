import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_book import changes_of_drivers, mixed_book
from model_book import model_book

from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.errors import InputError
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.scaling import dynamic_scaling, var_budget
from quantray.risk.tail import component_var, gaussian_var


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), short=st.floats(0, 0.5), ratio=st.floats(0.05, 0.99), illiquid=st.booleans())
def test_the_book_lands_on_its_budget_and_nothing_grows(seed, short, ratio, illiquid):
    book = model_book(seed=seed, short=short, gross=2.0)
    var = gaussian_var(book.weights, book.model)
    scores = np.linspace(0, 1, 40) if illiquid else None
    found = dynamic_scaling(book, risk_budget=ratio * var / 0.02, scores=scores)
    assert np.isclose(gaussian_var(found.weights, book.model), ratio * var, rtol=1e-10)
    assert np.isclose(found.factor, ratio)
    assert ((found.factors > 0) & (found.factors <= 1)).all()


def test_a_book_within_its_budget_stays_as_it_is():
    found = dynamic_scaling(model_book(gross=0.1), risk_budget=1.0)
    assert found.factors.tolist() == [1] * 40
    assert found.var_after == found.var_before <= found.budget == var_budget() == 0.02


def test_what_adds_most_is_cut_most_and_hedges_are_kept():
    model = FactorModel(np.ones((3, 1)), np.array([[4e-4]]), np.full(3, 1e-4))
    book = Book(names=["large", "small", "hedge"], weights=np.array([1.0, 0.4, -0.3]), model=model)
    found = dynamic_scaling(book, risk_budget=1.4)
    large, small, hedge = found.factors
    assert large < small < 1
    assert hedge == 1
    assert found.contributions[2] < 0
    assert np.allclose(found.contributions, component_var(book.weights, model).parts / found.var_before)


def test_liquid_positions_go_first():
    model = FactorModel(np.zeros((2, 0)), np.zeros((0, 0)), np.full(2, 4e-4))
    book = Book(names=["liquid", "not"], weights=np.array([1.0, 1.0]), model=model)
    found = dynamic_scaling(book, risk_budget=1.5, scores=np.array([1.0, 0.1]))
    assert found.factors[0] < 0.8 * found.factors[1]


def test_rows_are_those_of_the_requirement():
    found = dynamic_scaling(model_book(gross=2.0), risk_budget=0.2)
    row = found.rows()[3]
    assert (row.name, row.current_size) == ("S0003", found.sizes[3])
    assert np.isclose(row.scaled_size, row.current_size * row.scaling_factor)
    assert np.isclose(sum(row.risk_contribution for row in found.rows()), 1)


def test_a_book_of_every_kind_of_position_lands_too():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    book = Book.of(holdings, market, model, sensitivities(holdings, market))
    var = gaussian_var(book.exposure, model)
    found = dynamic_scaling(book, risk_budget=0.5 * var / 0.02)
    assert np.isclose(book.at(found.weights).tail(0.99).var, var / 2)
    # Convexity and options are in what each position adds, too.
    assert np.isclose(found.var_before, book.tail(0.99).var)
    assert not np.isclose(found.var_before, var, rtol=0.01)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="a risk budget of 0"):
        dynamic_scaling(model_book(), risk_budget=0)
    with pytest.raises(InputError, match="scores run from 0 to 2"):
        dynamic_scaling(model_book(), scores=np.linspace(0, 2, 40))
    with pytest.raises(InputError, match="a level of 0.5"):
        dynamic_scaling(model_book(), level=0.5)
    with pytest.raises(InputError, match=r"needs Book\(model=...\)"):
        dynamic_scaling(model_book(model=None))
