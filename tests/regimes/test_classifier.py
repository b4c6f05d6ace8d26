from dataclasses import replace

import numpy as np
import pytest
from _chains import chain
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import DataError, InputError
from quantray.regimes.classifier import ClassifierSettings, classifier_regimes, forward_labels, forward_measure
from quantray.regimes.observations import smoothed
from quantray.regimes.schedule import RefitSchedule

NAN = np.nan
QUICK = ClassifierSettings(states=2, horizon=5, trees=20, schedule=RefitSchedule(first=300, every=200))


@pytest.fixture(scope="module")
def made():
    return chain(800, 2, stay=0.98)


@pytest.fixture(scope="module")
def indicators(made):
    return smoothed(made.observations, fast=4, slow=20)


def test_what_lies_ahead_begins_tomorrow():
    returns = np.array([NAN, 0.5, 0.03, -0.04, 0.0, 0.0])
    ahead = [np.sqrt(0.2509 / 2), 0.05 / np.sqrt(2), 0.04 / np.sqrt(2), 0, NAN, NAN]
    assert_allclose(forward_measure(returns, 2, "volatility"), ahead)
    trend = [0.53 / np.sqrt(0.2509), -0.2, -1, 0, NAN, NAN]
    assert_allclose(forward_measure(returns, 2, "trend"), trend, atol=1e-12)


def test_borders_belong_to_the_class_above():
    assert_array_equal(forward_labels(np.array([0.1, 0.2, 0.3]), np.array([0.2])), [0, 1, 1])


def test_labels_of_the_training_end_before_the_fit(made, indicators):
    for fit in classifier_regimes(indicators, QUICK).fits:
        assert fit.date - fit.last_label == np.timedelta64(5, "D")
        assert fit.last_label < fit.date
    settings = replace(QUICK, horizon=30)
    assert all(f.date - f.last_label == np.timedelta64(30, "D") for f in classifier_regimes(indicators, settings).fits)


@pytest.mark.parametrize("row", [319, 499, 650])
@pytest.mark.parametrize("target", ["volatility", "trend"])
def test_no_label_looks_ahead(indicators, row, target):
    settings = replace(QUICK, target=target, states=2 if target == "volatility" else 3)
    whole, early = classifier_regimes(indicators, settings), classifier_regimes(indicators.until(row), settings)
    assert_array_equal(early.path.probabilities, whole.path.probabilities[: row + 1])
    assert_array_equal(early.path.labels, whole.path.labels[: row + 1])


def test_the_future_that_a_fit_must_not_see_does_not_move_it(indicators):
    """Returns after the fit's own day are changed: the probabilities up to the next fit stay."""
    whole = classifier_regimes(indicators, QUICK)
    first, second = np.searchsorted(indicators.dates, [fit.date for fit in whole.fits[:2]])
    returns = indicators.returns.copy()
    returns[first + 1 :] *= -7
    other = classifier_regimes(replace(indicators, returns=returns), QUICK)
    assert_array_equal(other.path.probabilities[:second], whole.path.probabilities[:second])
    assert other.fits[1].borders != whole.fits[1].borders
    returns[first] *= -7
    assert classifier_regimes(replace(indicators, returns=returns), QUICK).fits[0].borders != whole.fits[0].borders


@pytest.mark.parametrize("model", ["boosting", "forest", "logistic"])
def test_every_model_foresees_regimes_that_last(made, indicators, model):
    calm = float((made.truth[:300] == 0).mean())
    path = classifier_regimes(indicators, replace(QUICK, models=(model,), shares=(calm,))).path
    known = path.known
    assert (path.labels[known] == made.truth[known]).mean() > 0.8


def test_the_score_is_better_than_that_of_equal_chances(indicators):
    found = classifier_regimes(indicators, QUICK)
    assert np.nanmean([fit.score for fit in found.fits]) < 0.4
    assert all(fit.not_converged == () for fit in found.fits)
    assert np.isnan(classifier_regimes(indicators.until(322), QUICK).fits[-1].score) or len(found.fits) > 1


def test_trends_have_their_own_names(indicators):
    settings = replace(QUICK, target="trend", states=3, models=("logistic",))
    assert classifier_regimes(indicators, settings).path.names.tolist() == ["bear", "neutral", "bull"]


def test_a_class_that_the_past_lacks_has_no_chance(made):
    """Labels of the first window are all below the last border only where shares say so; columns stay in place."""
    settings = replace(QUICK, states=4, models=("logistic",), schedule=RefitSchedule(first=300))
    path = classifier_regimes(smoothed(made.observations), settings).path
    assert path.probabilities.shape[1] == 4
    assert not classifier_regimes(smoothed(made.observations).until(100), settings).path.known.any()


def test_bad_input_is_refused(indicators):
    with pytest.raises(InputError, match="target 'size'"):
        ClassifierSettings(target="size")
    with pytest.raises(InputError, match="models"):
        ClassifierSettings(models=("oracle",))
    with pytest.raises(InputError, match="the trend has 3 states"):
        ClassifierSettings(target="trend", states=2)
    with pytest.raises(InputError, match=r"shares \(0.9, 0.1\)"):
        ClassifierSettings(shares=(0.9, 0.1))
    with pytest.raises(InputError, match="set first to 240 or more"):
        ClassifierSettings(horizon=200, schedule=RefitSchedule(first=200))
    with pytest.raises(InputError, match="horizon 0"):
        ClassifierSettings(horizon=0)
    silent = replace(indicators, returns=np.full(len(indicators.dates), NAN))
    with pytest.raises(DataError, match="0 rows up to"):
        classifier_regimes(silent, QUICK)
    still = replace(indicators, returns=np.zeros(len(indicators.dates)))
    with pytest.raises(DataError, match="all of one class"):
        classifier_regimes(still, QUICK)
