import numpy as np
import pytest
from model_book import model_book

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.concentration import concentration, concentration_report, effective_bets, highest_correlation


def test_shares_by_hand():
    found = concentration(np.array([0.5, -0.25, 0.25, 0.0]), ["A", "B", "C", "D"], top=2)
    assert np.isclose(found.herfindahl, 0.375)
    assert np.isclose(found.effective, 1 / 0.375)
    assert found.largest == (("A", 0.5), ("B", 0.25))


def test_amounts_of_one_name_add_up_and_those_without_one_do_not_count():
    found = concentration(np.array([0.2, 0.3, -0.5, 0.7]), ["Tech", "Tech", "Energy", ""])
    assert found.largest == (("Energy", 0.5), ("Tech", 0.5))
    assert concentration(np.zeros(2), ["A", "B"]).effective == 0


def test_a_book_is_as_concentrated_as_its_weights_and_its_risk():
    book = model_book()
    found = concentration_report(book)
    assert np.isclose(found.names.herfindahl, (book.weights**2).sum())
    assert set(found.groups) == {"sector", "strategy"}
    assert np.isclose(sum(share for _, share in found.groups["sector"].largest), 1)
    assert found.factors.largest[0][0] == "factor 1"
    assert 1 < found.risk.effective < 40
    assert concentration_report(model_book(model=None)).risk is None


def test_bets_are_counted_as_they_differ():
    assert np.isclose(effective_bets(np.diag([1.0, 1.0, 1.0, 1.0]), np.full(4, 0.25)), 4)
    one = FactorModel(np.ones((4, 1)), np.ones((1, 1)), np.full(4, 1e-9))
    assert np.isclose(effective_bets(one, np.full(4, 0.25)), 1, atol=1e-4)
    assert np.isclose(effective_bets(np.diag([4.0, 1.0]), np.array([0.5, 1.0])), 2)


def test_the_two_that_are_most_alike():
    generator = np.random.default_rng(0)
    returns = generator.normal(size=(500, 3))
    returns[:, 2] = returns[:, 0] * 0.8 + 0.6 * returns[:, 2]
    found = highest_correlation(returns, ["trend", "value", "carry"])
    assert (found.first, found.second) == ("trend", "carry")
    assert np.isclose(found.value, np.corrcoef(returns[:, 0], returns[:, 2])[0, 1])
    assert highest_correlation(returns[:10], ["trend", "value", "carry"]) is None


def test_names_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"returns are \(3, 2\) for 1 names"):
        highest_correlation(np.zeros((3, 2)), ["A"])
    with pytest.raises(InputError, match="amounts are"):
        concentration(np.array([np.nan]), ["A"])
