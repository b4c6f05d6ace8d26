from dataclasses import replace

import numpy as np
import pytest
from _chains import chain
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import DataError, InputError
from quantray.regimes.clustering import ClusteringSettings, cluster_regimes
from quantray.regimes.observations import smoothed
from quantray.regimes.path import adjusted_rand
from quantray.regimes.schedule import RefitSchedule

METHODS = ("kmeans", "mixture")
QUICK = ClusteringSettings(states=2, restarts=2, schedule=RefitSchedule(first=300, every=150))


@pytest.fixture(scope="module")
def made():
    return chain(900, 1, stay=0.99)


@pytest.mark.parametrize("method", METHODS)
def test_clusters_well_apart_are_found(made, method):
    found = cluster_regimes(smoothed(made.observations, fast=3, slow=6), replace(QUICK, method=method))
    known = found.path.known
    assert (found.path.labels[known] == made.truth[known]).mean() > 0.9
    assert adjusted_rand(found.path.labels[known], made.truth[known]) > 0.65
    assert all(fit.converged for fit in found.fits)
    assert all(fit.renamed == 0 and fit.drift < 1 for fit in found.fits)
    assert found.fits[0].drift == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", [299, 449, 700])
def test_no_label_looks_ahead(made, method, row):
    settings = replace(QUICK, method=method)
    observations = smoothed(made.observations)
    whole, early = cluster_regimes(observations, settings), cluster_regimes(observations.until(row), settings)
    assert_array_equal(early.path.probabilities, whole.path.probabilities[: row + 1])
    assert_array_equal(early.path.labels, whole.path.labels[: row + 1])


@pytest.mark.parametrize("method", METHODS)
def test_names_are_in_order_of_volatility_at_every_fit(made, method):
    observations = smoothed(made.observations)
    column = observations.column("volatility")
    for fit in cluster_regimes(observations, replace(QUICK, method=method, states=3)).fits:
        assert (np.diff(fit.centres[:, column]) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_units_of_the_indicators_do_not_matter(made, method):
    observations = made.observations
    other = replace(observations, values=observations.values * [100.0, 3.0] + [1.0, -5.0])
    one, two = (cluster_regimes(given, replace(QUICK, method=method)).path for given in (observations, other))
    assert_array_equal(one.labels, two.labels)
    assert_allclose(one.probabilities, two.probabilities, atol=1e-8)


def test_one_crash_does_not_own_a_cluster(made):
    values = made.observations.values.copy()
    values[250] = [-30.0, 40.0]
    struck = cluster_regimes(replace(made.observations, values=values), replace(QUICK, method="kmeans"))
    assert min(struck.path.shares) > 0.1


def test_missing_rows_hold_the_last_probabilities_and_short_histories_are_unknown(made):
    values = made.observations.values.copy()
    values[500:503, 1] = np.nan
    path = cluster_regimes(replace(made.observations, values=values), QUICK).path
    assert_array_equal(path.probabilities[502], path.probabilities[499])
    assert not cluster_regimes(made.observations.until(100), QUICK).path.known.any()


def test_bad_input_is_refused(made):
    with pytest.raises(InputError, match="method 'dbscan' is not one of"):
        ClusteringSettings(method="dbscan")
    with pytest.raises(InputError, match="states 7 must be 2, 3 or 4"):
        ClusteringSettings(states=7)
    flat = replace(made.observations, values=made.observations.values * [1, 0])
    with pytest.raises(DataError, match="volatility does not vary"):
        cluster_regimes(flat, QUICK)
