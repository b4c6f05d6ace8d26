import logging
from dataclasses import replace

import numpy as np
import pytest
from _chains import MEANS, chain
from hmmlearn.hmm import GaussianHMM
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError, SolverError
from quantray.regimes import hmm
from quantray.regimes.hmm import HmmSettings, fit_hmm, hmm_regimes
from quantray.regimes.observations import Observations, daily_observations
from quantray.regimes.path import adjusted_rand
from quantray.regimes.schedule import RefitSchedule

QUICK = HmmSettings(states=(2,), restarts=2, schedule=RefitSchedule(first=300, every=200))


def test_a_fit_recovers_the_chain_that_made_the_data():
    made = chain(3000, 0)
    fit = fit_hmm(made.observations, made.observations.complete, QUICK)
    assert_allclose(fit.parameters.means[:, 1], MEANS[:2, 1], atol=0.05)
    assert_allclose(np.diagonal(fit.parameters.transition), 0.985, atol=0.007)
    assert fit.converged
    assert not fit.failed


@pytest.mark.parametrize("states", [2, 3])
def test_regimes_well_apart_are_found_on_the_day_nine_times_in_ten(states):
    for seed in range(3):
        made = chain(1200, seed, states=states)
        path = hmm_regimes(made.observations, replace(QUICK, states=(2, 3), schedule=RefitSchedule(first=500))).path
        assert len(path.names) == states, "BIC finds the number of states"
        right = path.labels[path.known] == made.truth[path.known]
        assert right.mean() > 0.95
        assert adjusted_rand(path.labels[path.known], made.truth[path.known]) > 0.85


def test_every_fit_comes_to_rest_on_the_highest_hill():
    """A market on which starting points that stopped early lost to one that had merged two regimes."""
    made = chain(2520, 8, states=3)
    found = hmm_regimes(made.observations, replace(QUICK, states=(3,), restarts=4, schedule=RefitSchedule(every=252)))
    assert all(fit.converged for fit in found.fits)
    assert (found.path.labels == made.truth)[found.path.known].mean() > 0.98


@pytest.mark.parametrize("columns", [2, 3])
def test_bic_by_hand(columns):
    """The parameters of Gaussian states: shares at the start, transitions, means and covariances."""
    made = chain(600, 2, states=3).observations
    noise = np.random.default_rng(0).normal(size=(600, columns - 2))
    given = replace(made, names=(*made.names, "noise")[:columns], values=np.hstack([made.values, noise]))
    scaled = (given.values - given.values.mean(axis=0)) / given.values.std(axis=0)
    expected = {}
    for count in (2, 3):
        fit = fit_hmm(given, given.complete, replace(QUICK, states=(count,)))
        known, scale = fit.parameters, given.values.std(axis=0)
        oracle = GaussianHMM(count, covariance_type="full")
        oracle.startprob_, oracle.transmat_ = known.start, known.transition
        oracle.means_ = (known.means - given.values.mean(axis=0)) / scale
        oracle.covars_ = known.covariances / np.outer(scale, scale)
        likelihood = oracle.score(scaled)
        free = (count - 1) + count * (count - 1) + count * columns + count * columns * (columns + 1) // 2
        expected[count] = pytest.approx(free * np.log(600) - 2 * likelihood)
        assert fit.log_likelihood == pytest.approx(likelihood)
        assert fit.bic == {count: expected[count]}
    together = fit_hmm(given, given.complete, replace(QUICK, states=(2, 3)))
    assert together.bic == expected
    assert len(together.parameters.means) == min(together.bic, key=together.bic.get)


@pytest.mark.parametrize("row", [299, 450, 699])
def test_no_label_looks_ahead(row):
    made = chain(700, 4)
    whole = hmm_regimes(made.observations, QUICK)
    early = hmm_regimes(made.observations.until(row), QUICK)
    assert_array_equal(early.path.probabilities, whole.path.probabilities[: row + 1])
    assert_array_equal(early.path.labels, whole.path.labels[: row + 1])
    assert [f.date for f in early.fits] == [f.date for f in whole.fits][: len(early.fits)]
    assert not whole.path.known[:299].any()
    assert whole.path.known[299:].all()


def test_names_keep_their_meaning_from_fit_to_fit():
    made = chain(1500, 5)
    fits = hmm_regimes(made.observations, replace(QUICK, seed=9)).fits
    assert len(fits) == 7
    for fit in fits:
        assert fit.parameters.means[0, 1] < fit.parameters.means[1, 1]


def test_missing_rows_hold_the_last_probabilities():
    made = chain(500, 6)
    values = made.observations.values.copy()
    values[400] = np.nan
    path = hmm_regimes(replace(made.observations, values=values), QUICK).path
    assert_array_equal(path.probabilities[400], path.probabilities[399])


def test_too_short_a_history_is_unknown_throughout():
    path = hmm_regimes(chain(200, 0).observations, QUICK).path
    assert not path.known.any()
    assert path.at("2000-07-01") == "unknown"


def test_poor_convergence_is_recorded_and_nothing_is_printed(caplog, capfd):
    made = chain(400, 7)
    with caplog.at_level(logging.WARNING):
        fit = fit_hmm(made.observations, made.observations.complete, replace(QUICK, iterations=2, tolerance=1e-9))
    assert not fit.converged
    assert fit.not_converged == 2
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_failed_fits_keep_the_one_before_and_say_so(monkeypatch):
    made = chain(400, 8)
    rows = made.observations.complete
    first = fit_hmm(made.observations, rows[:300], QUICK)

    def fails(*_):
        raise ValueError("covars must be positive definite")

    monkeypatch.setattr(hmm, "_expectation_maximisation", fails)
    kept = fit_hmm(made.observations, rows, QUICK, previous=first)
    assert kept.kept
    assert kept.parameters is first.parameters
    assert len(kept.failed) == 2
    assert "positive definite" in kept.failed[0]
    with pytest.raises(
        SolverError, match=r"no hidden Markov model could be fitted up to 2001-02-05: 2 states, start 0"
    ):
        fit_hmm(made.observations, rows, QUICK)


def test_a_simulated_market_gives_up_its_volatility():
    market = simulate_market(60, 1500, seed=1)
    settings = HmmSettings(states=(3,), restarts=2, schedule=RefitSchedule(every=252))
    path = hmm_regimes(daily_observations(market.panel), settings).path
    # Calm, bull, and bear or volatile, in order of volatility.
    truth = np.array([1, 2, 0, 2])[market.truth.regimes]
    assert (path.labels[path.known] == truth[path.known]).mean() > 0.85


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"states \(5,\)"):
        HmmSettings(states=(5,))
    with pytest.raises(InputError, match="restarts 0"):
        HmmSettings(restarts=0)
    made = chain(300, 9)
    flat = replace(made.observations, values=np.column_stack([np.zeros(300), made.observations.values[:, 1]]))
    with pytest.raises(DataError, match="return does not vary in the rows up to"):
        hmm_regimes(flat, QUICK)
    with pytest.raises(DataError, match="10 rows are too few for 2 states"):
        fit_hmm(made.observations, np.arange(10), QUICK)


def outlier(value, row=150, *, seed=0):
    """Three columns, one of which is far out on one row."""
    values = np.random.default_rng(seed).normal(size=(400, 3)) * [0.01, 1.0, 0.3]
    values[row, 0] = value
    names = ("return", "volatility", "dispersion")
    return Observations(np.datetime64("2020-01-01") + np.arange(400), names, values, values[:, 0])


@pytest.mark.parametrize("row", [40, 299])
def test_a_row_that_no_state_can_hold_is_named(row):
    made = outlier(3.0, row)
    with pytest.raises(
        SolverError, match=r"farthest value is return 3 on .* deviations .* extreme_move: drop_cell"
    ) as e:
        hmm_regimes(made, QUICK)
    assert f"on {made.dates[row]} (row {row})" in str(e.value)
    # What the message advises helps.
    values = made.values.copy()
    values[row, 0] = np.nan
    assert len(hmm_regimes(replace(made, values=values), QUICK).fits) == 1


def test_a_state_of_one_row_is_a_failed_start_whatever_the_units():
    """One start ends where a state is positive definite in standardised units only; the other one is taken."""
    taken = 0
    for seed in (6, 12, 23):
        # On some processors rounding lets the other start of a seed end there, too.
        try:
            found = hmm_regimes(outlier(0.3, seed=seed).until(299), QUICK)
        except SolverError as error:
            assert str(error).count("not positive definite") == 2  # noqa: PT017
            continue
        assert np.isfinite(found.path.probabilities[-1]).all()
        assert "not positive definite" in found.fits[0].failed[0]
        taken += 1
    assert taken
