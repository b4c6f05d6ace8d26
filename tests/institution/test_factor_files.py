"""A factor model in whole numbers, kept in a file and told to a log."""

import json

import numpy as np
import pytest

from quantray.covariance.factor import FactorModel
from quantray.errors import DataError, InputError
from quantray.institution.factor_files import read_factors, whole_factors, write_factors
from quantray.institution.firm_factors import FirmFactors

MODEL = FactorModel(np.array([[1.0, 0.5], [-0.25, 0.0]]), np.diag([4e-4, 1e-4]), np.array([1e-4, 0.0]))


def test_rounded_to_whole_numbers():
    it = whole_factors(["AAA", "BBB"], MODEL)
    assert it.factors == ("factor 1", "factor 2")
    assert it.names["AAA"].loadings == (10**9, 5 * 10**8)
    assert it.names["BBB"].loadings == (-25 * 10**7, 0)
    assert it.names["AAA"].specific == 10**14
    # A rotation of the loadings times volatilities of 2 % and 1 %.
    assert sum(r * r for r in it.names["AAA"].rotated) == pytest.approx((0.02**2 + 0.005**2) * 10**18)


def test_through_a_file_and_a_log_the_same(tmp_path):
    write_factors(tmp_path / "factors.npz", ["AAA", "BBB"], MODEL)
    it = read_factors(tmp_path / "factors.npz")
    assert it == whole_factors(["AAA", "BBB"], MODEL)
    again = FirmFactors.of(json.loads(json.dumps(it.body())))
    assert again == it
    assert again.digest == it.digest


def test_without_factors():
    it = whole_factors(["AAA"], FactorModel(np.zeros((1, 0)), np.zeros((0, 0)), np.array([1e-4])))
    assert it.names["AAA"].rotated == ()


def test_symbols_that_do_not_fit():
    with pytest.raises(InputError, match="give each its own"):
        whole_factors(["AAA", "AAA"], MODEL)
    with pytest.raises(InputError, match="is no return"):
        whole_factors(["AAA"], FactorModel(np.full((1, 1), 1e7), np.eye(1), np.ones(1)))


def test_a_file_that_holds_none(tmp_path):
    path = tmp_path / "no.npz"
    with pytest.raises(DataError, match="holds no factors"):
        read_factors(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no factors"):
        read_factors(path)
