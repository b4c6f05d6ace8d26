import numpy as np
import pytest
from small_books import small_book, table

from quantray.daily.book import empty_table
from quantray.errors import InputError
from quantray.serving.schemas import OptimiseRequest
from quantray.serving.what_ifs.optimising import optimise


def test_the_least_variance_of_uncorrelated_names_is_known():
    model = small_book().tables["model"].to_pydict() | {"cost": [0.0] * 3, "loadings": [[0.0]] * 3}
    book = small_book(tables={**small_book().tables, "model": table("model", **model)})
    found = optimise(book, OptimiseRequest(alpha={"AAA": 0.0}, max_weight=1.0))
    # Inverse to the variances 1, 2, 1.
    assert np.allclose(found.weights, [0.4, 0.2, 0.4], atol=1e-6)
    assert found.volatility == pytest.approx(np.sqrt(0.4 * 1e-4), rel=1e-6)


def test_turnover_is_counted_from_the_holdings_before_the_trades():
    found = optimise(small_book(), OptimiseRequest(alpha={"CCC": 1.0}, max_weight=1.0, max_turnover=0.2))
    assert found.turnover == pytest.approx(0.2, abs=1e-6)
    assert np.abs(found.weights - [0.5, 0.3, 0.1]).sum() / 2 == pytest.approx(found.turnover)


def test_long_and_short():
    request = OptimiseRequest(alpha={"AAA": -0.01, "CCC": 0.01}, long_only=False, gross=0.5, max_weight=0.2)
    found = optimise(small_book(), request)
    assert found.weights[0] == pytest.approx(-0.2, abs=1e-6)
    assert found.weights[2] == pytest.approx(0.2, abs=1e-6)
    assert np.abs(found.weights).sum() <= 0.5 + 1e-6


def test_a_book_without_a_model_says_so():
    book = small_book(tables={**small_book().tables, "model": empty_table("model")})
    with pytest.raises(InputError, match="the book has no model of risk"):
        optimise(book, OptimiseRequest(alpha={"AAA": 0.1}))
