"""What operations say of symbols and factors: the same again is nothing new."""

import numpy as np
import pytest
from order_books import OPS, small_books

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.institution.factor_files import whole_factors
from quantray.institution.facts import NameFacts
from quantray.oms.reference import set_factors, set_facts

FACTORS = whole_factors(["BBB"], FactorModel(np.ones((1, 1)), np.eye(1) * 1e-4, np.ones(1) * 1e-4))


def test_the_same_again_is_nothing_new():
    books = small_books()
    set_facts(books, OPS, {"AAA": NameFacts(sector="Energy"), "BBB": NameFacts(sector="Banks")})
    set_factors(books, OPS, FACTORS)
    before = books.changes.chain.seq
    set_facts(books, OPS, {"AAA": NameFacts(sector="Energy")})
    set_factors(books, OPS, FACTORS)
    assert books.changes.chain.seq == before
    assert books.ledger.facts["BBB"].sector == "Banks"


def test_a_symbol_that_is_not_listed_changes_nothing():
    books = small_books()
    before = books.changes.chain.seq
    with pytest.raises(InputError, match="symbol 'XYZ' is not listed"):
        set_facts(books, OPS, {"AAA": NameFacts(sector="Energy"), "XYZ": NameFacts()})
    assert (books.changes.chain.seq, books.ledger.facts) == (before, {})


def test_names_held_without_factors_are_told():
    books = small_books()
    set_factors(books, OPS, FACTORS)
    assert books.alerts[0].text == "1 names are held that the factors do not know, such as AAA"
