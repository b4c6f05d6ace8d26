import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest

from quantray import errors
from quantray.arrays import as_day, digest, finite_square, frozen, frozen_copy
from quantray.errors import InputError


def test_frozen_is_read_only_and_shares_memory():
    array = np.arange(6.0).reshape(2, 3)
    view = frozen(array)
    assert np.shares_memory(view, array)
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1.0


def test_frozen_makes_rows_contiguous():
    assert frozen(np.asfortranarray(np.ones((3, 2)))).flags.c_contiguous


def test_frozen_copy_has_equal_read_only_arrays_in_the_same_memory():
    value = {"a": np.arange(1000.0), "b": ["text", 1]}
    copy = frozen_copy(value)
    np.testing.assert_array_equal(copy["a"], value["a"])
    assert copy["b"] == value["b"]
    assert copy["b"] is not value["b"]
    assert np.shares_memory(copy["a"], value["a"])
    with pytest.raises(ValueError, match="read-only"):
        copy["a"][0] = 5.0


def test_frozen_copy_refuses_what_a_worker_cannot_receive():
    with pytest.raises(InputError, match="function cannot be sent to a worker"):
        frozen_copy(lambda x: x)


def test_digest_knows_equal_numbers():
    assert digest([np.array([0.0, np.nan])]) == digest([np.array([-0.0, -np.nan])])
    assert digest([np.arange(6.0)[::2]]) == digest([np.array([0.0, 2.0, 4.0])])
    assert len(digest([])) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([np.zeros((2, 3))], [np.zeros((3, 2))]),
        ([np.zeros(3)], [np.zeros(3, dtype=np.int64)]),
        (["ab", "c"], ["a", "bc"]),
        ([np.array([1.0, 2.0])], [np.array([2.0, 1.0])]),
        ([np.empty((3, 0))], [np.empty((0, 3))]),
        (["a"], ["a", ""]),
    ],
    ids=["shape", "type", "borders of texts", "order", "empty shapes", "one part more"],
)
def test_digest_tells_different_parts_apart(one, other):
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    "value",
    [
        "2020-02-29",
        "2020-02-29T15:30",
        dt.date(2020, 2, 29),
        dt.datetime(2020, 2, 29, 15, 30),
        pd.Timestamp("2020-02-29 15:30"),
        np.datetime64("2020-02-29"),
        np.datetime64("2020-02-29T15:30:00.123"),
    ],
    ids=str,
)
def test_as_day_takes_dates_of_every_kind(value):
    day = as_day(value)
    assert day == np.datetime64("2020-02-29")
    assert day.dtype == np.dtype("datetime64[D]")


@pytest.mark.parametrize(
    "value",
    ["2021-02-29", "02/29/2020", "2020", "2020-02", "today", "", 20200229, 5, None, np.datetime64("NaT"), pd.NaT],
)
def test_as_day_refuses_what_is_no_full_date(value):
    with pytest.raises(InputError, match="is not a date; write YYYY-MM-DD"):
        as_day(value)


def test_finite_square_passes_symmetric_matrices_and_converts_them():
    matrix = finite_square(np.array([[2, 1], [1, 2]]), "covariance")
    assert matrix.dtype == np.float64
    # Rounding of the order 1e-16 is no asymmetry, whatever the scale.
    for scale in (1e-12, 1.0, 1e12):
        finite_square(scale * np.array([[2, 1 + 1e-15], [1, 2]]), "covariance")


def test_finite_square_finds_asymmetry_in_every_block():
    matrix = np.eye(600)
    for row, column in ((0, 599), (300, 280), (599, 598)):
        broken = matrix.copy()
        broken[row, column] = 1e-3
        with pytest.raises(InputError, match="covariance is not symmetric"):
            finite_square(broken, "covariance")


@pytest.mark.parametrize("shape", [(2, 3), (3,), (0, 0), (2, 2, 2)])
def test_finite_square_names_a_wrong_shape(shape):
    with pytest.raises(InputError, match=r"risk is \(.*\); it must be square"):
        finite_square(np.ones(shape), "risk")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_finite_square_counts_the_rows_without_numbers(value):
    matrix = np.eye(4)
    matrix[1, 2] = matrix[2, 1] = value
    with pytest.raises(InputError, match="NaN or infinite values in 2 of 4 rows"):
        finite_square(matrix, "covariance")


@pytest.mark.parametrize("name", sorted(name for name in errors.__all__ if name.endswith("Error")))
def test_errors_are_of_one_tree_and_survive_pickling(name):
    error = getattr(errors, name)("say what to do")
    assert isinstance(error, errors.QuantrayError)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == "say what to do"
