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
    expected, gaussian = {}, replace(QUICK, tails=np.inf)
    for count in (2, 3):
        fit = fit_hmm(given, given.complete, replace(gaussian, states=(count,)))
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
    together = fit_hmm(given, given.complete, replace(gaussian, states=(2, 3)))
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
    values = made.observations.values.copy()
    values[40, 0] = 3.0
    with pytest.raises(SolverError, match="could be fitted up to 2001-02-05: 2 states, start 0: .* positive") as error:
        fit_hmm(replace(made.observations, values=values), rows, QUICK)
    assert f"The farthest value is return 3 on {made.observations.dates[40]} (row 40)" in str(error.value)
    assert "extreme_move: drop_cell" in str(error.value)


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
    with pytest.raises(InputError, match="regimes 2 must be 3"):
        HmmSettings(states=(2, 3), regimes=2)
    with pytest.raises(InputError, match="tails 2.0 must be above 2"):
        HmmSettings(tails=2.0)
    made = chain(300, 9)
    flat = replace(made.observations, values=np.column_stack([np.zeros(300), made.observations.values[:, 1]]))
    with pytest.raises(DataError, match="return does not vary in the rows up to"):
        hmm_regimes(flat, QUICK)
    with pytest.raises(DataError, match="10 rows are too few for 2 states"):
        fit_hmm(made.observations, np.arange(10), QUICK)


@pytest.mark.parametrize("tails", [None, np.inf])
@pytest.mark.parametrize("value", [0.3, 3.0, 1e9])
def test_a_row_far_out_does_not_become_a_regime(value, tails):
    made = chain(700, 4)
    values = made.observations.values.copy()
    values[150, 0] = value
    path = hmm_regimes(replace(made.observations, values=values), replace(QUICK, tails=tails)).path
    assert (path.labels == made.truth)[path.known].mean() > 0.99


def test_one_regime_with_fat_tails_is_not_taken_for_two():
    """Two regimes whose returns have four degrees of freedom: Gaussian states split one, Student-t states do not."""
    generator = np.random.default_rng(3)
    truth = (np.arange(1500) // 150) % 2
    fat = generator.standard_t(4, (1500, 2)) * [0.01, 0.2]
    values = fat * (1 + truth)[:, None] + np.column_stack([np.zeros(1500), truth])
    made = Observations(chain(1500, 0).observations.dates, ("return", "volatility"), values, values[:, 0])
    found = {
        tails: fit_hmm(made, made.complete, replace(QUICK, states=(2, 3), tails=tails)) for tails in (None, np.inf)
    }
    assert len(found[None].parameters.means) == 2
    assert found[None].parameters.tails in (3, 4, 5)
    assert len(found[np.inf].parameters.means) == 3


def test_regimes_that_have_not_come_leave_their_names_open():
    """Of three named regimes two have come; the rarest, the wild one, is likeliest the one that has not."""
    made = chain(1500, 5)
    settings = HmmSettings.of_regimes(3, schedule=RefitSchedule(first=500, every=500), seed=0)
    found = hmm_regimes(made.observations, settings)
    assert [len(fit.parameters.means) for fit in found.fits] == [2, 2, 2]
    assert found.path.names.tolist() == ["low", "medium", "high"]
    known = found.path.known
    assert (found.path.labels == made.truth)[known].mean() > 0.98
    wild = found.path.probabilities[known & (made.truth == 1), 2]
    assert 0 < wild[-1] < wild[0] < 0.5, "the longer it has not come, the less"
    early = hmm_regimes(made.observations.until(999), settings).path
    assert_array_equal(early.probabilities, found.path.probabilities[:1000])
