"""Every method is exact, on hand-checkable cases and on a thousand random ones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.linking import compounded, link
from quantray.errors import InputError

METHODS = ("carino", "menchero", "grap", "frongello", "geometric")


def target(returns, benchmark, method):
    own, other = compounded(returns), compounded(benchmark)
    return (1 + own) / (1 + other) - 1 if method == "geometric" else own - other


def random_case(seed):
    """Periods of a portfolio and a benchmark with parts of any sign, rows that appear and vanish, and zero rows."""
    rng = np.random.default_rng(seed)
    n_periods, n_rows = rng.integers(1, 40), rng.integers(1, 8)
    weights = rng.normal(0, 1, (n_periods, n_rows)) * (rng.random((n_periods, n_rows)) < 0.7)
    parts = weights * rng.normal(0, 0.05, (n_periods, n_rows))
    benchmark = np.clip(rng.normal(0, 0.05, n_periods), -0.5, 0.5)
    # Growth after the loss of everything stays nothing.
    parts *= np.minimum(1, 0.9 / np.maximum(np.abs(parts).sum(axis=1) + np.abs(benchmark), 1e-12))[:, None]
    if seed % 4 == 0:
        t = rng.integers(n_periods)
        parts[t] = 0.0
        parts[t, 0] = -1 - benchmark[t]
    returns = parts.sum(axis=1) + benchmark
    if seed % 4 == 0:
        returns[t] = -1.0
    return parts, returns, benchmark


@pytest.mark.parametrize("method", METHODS)
def test_exact_on_a_thousand_random_cases(method):
    worst = 0.0
    for seed in range(1000):
        parts, returns, benchmark = random_case(seed)
        linked = link(parts, returns, benchmark, method=method)
        assert_allclose(linked.total, target(returns, benchmark, method), atol=1e-12)
        worst = max(worst, abs(linked.parts.sum() - linked.total))
    assert worst < 1e-10


def test_ruin_is_among_the_random_cases():
    assert sum((random_case(seed)[1] == -1).any() for seed in range(1000)) == 250


@pytest.mark.parametrize("method", METHODS)
def test_one_period_needs_no_linking(method):
    parts = np.array([[0.03, -0.01]])
    linked = link(parts, np.array([0.07]), np.array([0.05]), method=method)
    assert_allclose(linked.parts, parts / (1.05 if method == "geometric" else 1.0), rtol=1e-12)


def test_two_periods_by_hand():
    """Contributions of 10 % and 20 % in a row: 32 % in all."""
    parts, returns = np.diag([0.1, 0.2]), np.array([0.1, 0.2])
    # GRAP: the money that each became. A dollar earned 10 cents, and 1.10 dollars earned 22.
    assert_allclose(link(parts, returns, method="grap").parts.sum(axis=0), [0.1, 0.22])
    # Carino: shares of the logarithmic return.
    logs = np.log([1.1, 1.2])
    assert_allclose(link(parts, returns).parts.sum(axis=0), 0.32 * logs / logs.sum())


def test_frongello_over_all_periods_is_grap_and_never_revises_the_past():
    parts, returns, benchmark = random_case(7)
    frongello, grap = (link(parts, returns, benchmark, method=m).parts for m in ("frongello", "grap"))
    assert_allclose(frongello.sum(axis=0), grap.sum(axis=0), atol=1e-12)
    earlier = link(parts[:-1], returns[:-1], benchmark[:-1], method="frongello").parts
    assert_allclose(frongello[:-1], earlier)


def test_order_does_not_matter_to_carino_and_menchero():
    parts, returns, benchmark = random_case(5)
    for method in ("carino", "menchero"):
        there = link(parts, returns, benchmark, method=method).parts.sum(axis=0)
        back = link(parts[::-1], returns[::-1], benchmark[::-1], method=method).parts.sum(axis=0)
        assert_allclose(there, back, atol=1e-12)


def test_carino_at_ruin_is_the_limit_of_near_ruin():
    parts, benchmark = np.array([[0.02, 0.01], [-0.6, -0.43], [0.02, -0.05]]), np.array([0.01, 0.03, -0.02])
    nearly = parts.copy()
    nearly[1, 0] += 1e-12
    found = link(parts, parts.sum(axis=1) + benchmark, benchmark).parts.sum(axis=0)
    # Logarithms go to infinity slowly.
    close = link(nearly, nearly.sum(axis=1) + benchmark, benchmark).parts.sum(axis=0)
    assert_allclose(found, close, rtol=0.1)
    assert_allclose(found, (-1 - compounded(benchmark)) * np.array([0.6, 0.43]) / 1.03)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "karino"}, "linking 'karino' is unknown; choose one of carino"),
        ({"returns": np.array([0.1, np.nan])}, "1 of the returns are not known"),
        ({"returns": np.array([0.1, -1.2])}, "nothing is left to link below -100 %"),
        ({"benchmark": np.array([0.1, -1.0])}, "the benchmark lost all in a period, which carino cannot link"),
        ({"parts": np.zeros((3, 1))}, r"parts \(3, 1\), returns \(2,\)"),
        ({"parts": np.zeros((0, 1)), "returns": np.zeros(0), "benchmark": np.zeros(0)}, "one period or more"),
    ],
)
def test_bad_input(change, said):
    given = {"parts": np.zeros((2, 1)), "returns": np.zeros(2), "benchmark": np.zeros(2)} | change
    with pytest.raises(InputError, match=said):
        link(**given)
