"""Errors are one family, and cross a cluster unchanged."""

import pickle

import pytest

from quantray import errors

FAMILY = [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]


@pytest.mark.parametrize("name", FAMILY)
def test_errors_are_one_family_and_survive_pickling(name):
    error = getattr(errors, name)("covariance is (2, 2) for 3 weights; estimate both from one panel.")
    assert isinstance(error, errors.QuantrayError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_the_docstring_draws_the_whole_tree():
    assert all(name in errors.__doc__ for name in FAMILY)


def test_what_others_errors_say_fits_a_line():
    missing = FileNotFoundError(2, "No such file or directory", "/x/y")
    said = [errors.first_line(error) for error in (ValueError("\nfirst\nsecond"), ValueError(), missing)]
    assert said == ["first", "ValueError", "[Errno 2] No such file or directory: '/x/y'"]
    why = [errors.reason(error) for error in (missing, OSError("only this\nand that"), ValueError())]
    assert why == ["No such file or directory", "only this", "ValueError"]
