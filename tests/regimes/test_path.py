import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import adjusted_rand_score

from quantray.errors import DataError, InputError
from quantray.regimes.path import RegimePath, adjusted_rand, by_costs, minimum_dwell, regroup

NAN = np.nan
DATES = np.arange("2024-01-01", "2024-04-01", dtype="datetime64[D]")


def path_of(labels, names=("calm", "wild")):
    return RegimePath.certain(DATES[: len(labels)], names, np.array(labels))


def test_what_a_path_says_of_itself():
    path = path_of([-1, 0, 0, 0, 1, 1, 0, 1])
    assert_allclose(path.shares, [4 / 7, 3 / 7])
    assert_allclose(path.transitions, [[2 / 4, 2 / 4], [1 / 2, 1 / 2]])
    assert_allclose(path.mean_dwell, [2, 1.5])
    spells = path.spells
    assert_array_equal(spells.labels, [0, 1, 0, 1])
    assert_array_equal(spells.lengths, [3, 2, 1, 1])
    assert_array_equal(spells.first, DATES[[1, 4, 6, 7]])
    assert_array_equal(spells.last, DATES[[3, 5, 6, 7]])
    assert path.named.tolist() == ["unknown", "calm", "calm", "calm", "wild", "wild", "calm", "wild"]


def test_a_regime_that_never_came_has_no_dwell_and_no_transitions():
    path = path_of([0, 0], names=("calm", "wild"))
    assert_allclose(path.mean_dwell, [2, NAN])
    assert_allclose(path.transitions, [[1, 0], [NAN, NAN]])
    assert len(path_of([-1, -1]).spells.labels) == 0


def test_at_looks_back_only():
    path = RegimePath.certain(DATES[[0, 4, 7]], ("calm", "wild"), np.array([-1, 0, 1]))
    assert path.at(DATES[2]) == "unknown"
    assert path.at(DATES[6]) == "calm"
    assert path.at("2024-01-08") == "wild"
    with pytest.raises(DataError, match=r"nothing is known on 2023-12-31: the regime path begins on 2024-01-01"):
        path.at("2023-12-31")
    assert len(path.until("2024-01-06").labels) == 2


def test_times_of_day_are_rows_too():
    times = np.array(["2024-01-02T10:30", "2024-01-02T11:30"], dtype="datetime64[m]")
    path = RegimePath.certain(times, ("calm", "wild"), np.array([0, 1]))
    assert path.at("2024-01-02T11:00") == "calm"
    with pytest.raises(InputError, match="not a time"):
        path.at("2024-01-02T1x")


def test_the_likeliest_regime_is_the_label():
    path = RegimePath.likeliest(DATES[:3], ("a", "b"), np.array([[NAN, NAN], [0.3, 0.7], [0.5, 0.5]]))
    assert_array_equal(path.labels, [-1, 1, 0])


def test_agreement_counts_names_on_common_known_dates():
    one = path_of([-1, 0, 0, 1, 1])
    other = RegimePath.certain(DATES[:5], ("wild", "calm"), np.array([0, 1, 1, 1, 0]))
    found = one.agreement(other)
    assert (found.rows, found.same) == (4, 0.75)
    foreign = RegimePath.certain(DATES[:5], ("up", "down"), np.array([0, 0, 0, 1, 1]))
    assert np.isnan(one.agreement(foreign).same)
    assert one.agreement(foreign).adjusted_rand == 1.0
    assert one.agreement(path_of([-1, -1, -1, -1, -1])).rows == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_adjusted_rand_is_that_of_scikit_learn(pairs):
    left, right = np.array(pairs).T
    assert adjusted_rand(left, right) == pytest.approx(adjusted_rand_score(left, right), abs=1e-12)


def test_a_new_regime_counts_once_it_has_lasted():
    path = path_of([-1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0])
    assert_array_equal(minimum_dwell(path, 3).labels, [-1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    assert_array_equal(minimum_dwell(path, 1).labels, path.labels)
    assert len(minimum_dwell(path_of([]), 3).labels) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 6), st.data())
def test_the_filter_equals_a_loop_and_looks_back_only(labels, days, data):
    path = path_of(labels, names=("a", "b", "c"))
    expected, held, run = [], labels[0], 0
    for t, label in enumerate(labels):
        run = run + 1 if t and label == labels[t - 1] else 1
        held = label if run >= days else held
        expected.append(held)
    found = minimum_dwell(path, days).labels
    assert_array_equal(found, expected)
    cut = data.draw(st.integers(1, len(labels)))
    assert_array_equal(minimum_dwell(path_of(labels[:cut], names=("a", "b", "c")), days).labels, found[:cut])


def test_regrouped_probabilities_add_up():
    chances = np.array([[NAN] * 3, [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    path = RegimePath(DATES[:3], np.array(["low", "high", "extreme"]), np.array([-1, 2, 0]), chances)
    coarse = regroup(path, {"low": "calm", "high": "wild", "extreme": "wild"})
    assert coarse.names.tolist() == ["calm", "wild"]
    assert_array_equal(coarse.labels, [-1, 1, 0])
    assert_allclose(coarse.probabilities[1:], [[0.2, 0.8], [0.6, 0.4]])
    with pytest.raises(InputError, match=r"regimes \['extreme'\] have no group"):
        regroup(path, {"low": "calm", "high": "wild"})


def test_what_is_no_path_is_refused():
    with pytest.raises(InputError, match="-1 after known ones"):
        path_of([0, -1])
    with pytest.raises(InputError, match="must lie between -1 and 1"):
        path_of([0, -2])
    with pytest.raises(InputError, match="must be unique"):
        path_of([0], names=("a", "a"))
    with pytest.raises(InputError, match="must be unique"):
        path_of([0], names=("a", "unknown"))
    with pytest.raises(InputError, match="strictly increasing"):
        RegimePath.certain(DATES[[1, 0]], ("a",), np.array([0, 0]))
    with pytest.raises(InputError, match="one integer each"):
        RegimePath(DATES[:2], np.array(["a"]), np.array([0.0, 0.0]), np.ones((2, 1)))
    with pytest.raises(InputError, match=r"must have sum one"):
        RegimePath(DATES[:1], np.array(["a", "b"]), np.array([0]), np.array([[0.5, 0.6]]))
    with pytest.raises(InputError, match="make them NaN"):
        RegimePath(DATES[:1], np.array(["a"]), np.array([-1]), np.array([[1.0]]))
    with pytest.raises(InputError, match=r"for 2 dates and 1 regimes"):
        RegimePath(DATES[:2], np.array(["a"]), np.array([0, 0]), np.ones((3, 1)))
    with pytest.raises(InputError, match="days 0 must be 1"):
        minimum_dwell(path_of([0]), 0)
    with pytest.raises(InputError, match="cannot be compared"):
        adjusted_rand([1, 2], [1])


def test_a_path_is_read_only():
    path = path_of([0, 1])
    with pytest.raises(ValueError, match="read-only"):
        path.labels[0] = 1


def test_a_label_is_what_costs_most_to_miss_and_changes_when_another_leads():
    stress = np.array([np.nan, 0.2, 0.3, 0.48, 0.52, 0.56, 0.46, 0.44])
    chances = np.column_stack([1 - stress, stress])
    dates = np.arange("2024-01-01", "2024-01-09", dtype="datetime64[D]")
    labels = by_costs(dates, ("normal", "stressed"), chances, (1, 1)).labels
    assert_array_equal(labels, [-1, 0, 0, 0, 1, 1, 0, 0])
    held = by_costs(dates, ("normal", "stressed"), chances, (1, 1), 0.1).labels
    assert_array_equal(held, [-1, 0, 0, 0, 0, 1, 1, 0])
    wary = by_costs(dates, ("normal", "stressed"), chances, (1, 3)).labels
    assert_array_equal(wary, [-1, 0, 1, 1, 1, 1, 1, 1])
    with pytest.raises(InputError, match="must be 2, all positive"):
        by_costs(dates, ("normal", "stressed"), chances, (1, 0))
