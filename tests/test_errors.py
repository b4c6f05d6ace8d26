"""Errors are one family, and cross a cluster unchanged."""

import pickle

import pytest

from quantray import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_errors_are_one_family_and_survive_pickling(name):
    error = getattr(errors, name)("covariance is (2, 2) for 3 weights; estimate both from one panel.")
    assert isinstance(error, errors.QuantrayError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_the_docstring_draws_the_whole_tree():
    assert all(name in errors.__doc__ for name in errors.__all__)
