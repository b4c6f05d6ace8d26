"""Routing against a conic solver, and dark pools that are learned from what they fill."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.execution.venues import VENUES, DarkFills, Venue, lit_quantities, named_venues, route

LIT = tuple(venue for venue in VENUES if venue.kind == "lit")


@pytest.mark.parametrize("quantity", [50.0, 900.0, 2300.0])
def test_lit_venues_as_a_conic_solver_says(quantity):
    depth, fee, cap = np.array([900.0, 700, 500, 100]), np.array([0.003, 0.003, 0.0028, -0.001]), np.array([800.0] * 4)
    cap[3] = 60
    found = lit_quantities(quantity, depth, fee, 0.01, cap)
    amounts = cp.Variable(4)
    cost = fee @ amounts + 0.01 * cp.sum(cp.multiply(amounts**2, 0.5 / depth))
    limits = [amounts >= 0, amounts <= cap, cp.sum(amounts) == quantity]
    cp.Problem(cp.Minimize(cost), limits).solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
    assert_allclose(found, amounts.value, atol=0.1)
    assert_allclose(found.sum(), quantity)


def test_many_slices_are_routed_as_each_alone():
    quantity, volume = np.array([100, 1000, 20_000]), np.array([10_000, 10_000, 100_000])
    together = route(quantity, volume)
    assert_array_equal(together, [route(q, v) for q, v in zip(quantity, volume, strict=True)])
    assert_array_equal(together.sum(axis=1), quantity)


@settings(deadline=None, max_examples=40)
@given(quantity=st.integers(1, 10**6), share=st.floats(0.001, 0.5), dark=st.floats(0, 1), lot=st.sampled_from([1, 100]))
def test_shares_are_conserved(quantity, share, dark, lot):
    parts = route(quantity, quantity / share, dark=dark, lot=lot)
    assert parts.sum() == quantity
    assert (parts >= 0).all()


def test_a_small_order_goes_where_the_fee_is_low():
    parts = route(10, 1_000_000, LIT)
    assert_array_equal(parts, [0, 0, 0, 10])


def test_one_empty_answer_does_not_condemn_a_pool():
    fills = DarkFills.none(2, 20).observed(0, sent=5, filled=0)
    assert fills.tails(least=1)[0, 0] == 0
    assert_array_equal(fills.tails()[0], np.ones(20))
    assert fills.allocate(10)[0] == 5
    for _ in range(9):
        fills = fills.observed(0, sent=5, filled=0)
    assert_array_equal(fills.allocate(10), [0, 10])


def test_a_full_fill_says_at_least():
    fills = DarkFills.none(1, 5).observed(0, 3, 3).observed(0, 3, 1)
    assert_array_equal(fills.trials[0], [2, 2, 1, 0, 0])
    assert_array_equal(fills.failures[0], [0, 1, 0, 0, 0])
    assert_allclose(fills.tails(least=1)[0], [1, 0.5, 0.5, 0.5, 0.5])


def test_what_pools_have_is_learned():
    rng = np.random.default_rng(0)
    fills, means = DarkFills.none(3, 40), np.array([2.0, 8.0, 20.0])
    for _ in range(600):
        for pool, sent in enumerate(fills.allocate(30)):
            if sent:
                fills = fills.observed(pool, int(sent), int(min(sent, rng.geometric(1 / (means[pool] + 1)) - 1)))
    truth = (1 - 1 / (means[:, None] + 1)) ** np.arange(1, 41)
    best = np.bincount(np.argsort(-truth.T.ravel(), kind="stable")[:30] % 3, minlength=3)
    assert np.abs(fills.allocate(30) - best).max() <= 4


def test_the_dark_part_follows_its_fills():
    dark = named_venues(["NYSE", "DARK_A", "DARK_B"])
    fills = DarkFills.none(2, 50)
    for _ in range(12):
        fills = fills.observed(0, 10, 0).observed(1, 10, 10)
    parts = route(10_000, 1_000_000, dark, dark=0.3, fills=fills)
    assert_array_equal(parts, [7000, 0, 3000])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: named_venues(["LSE"]), "'LSE' is not one of NYSE"),
        (lambda: route(1000, 100), "a slice is .* times what its venues may take"),
        (lambda: route(-1, 100), "-1 is negative"),
        (lambda: route(10, np.nan), "known volumes"),
        (lambda: route(10, 100, depth_cost=0.0), "depth_cost 0"),
        (lambda: route(10, 20, VENUES[-1:]), "add a lit venue"),
        (lambda: Venue(name="X", kind="grey"), "a kind"),
        (lambda: Venue(name="X", liquidity=0), "liquidity 0"),
        (lambda: DarkFills.none(1, 5).observed(0, 2, 3), "3 of 2 units"),
        (lambda: DarkFills.none(1, 5).allocate(6), "6 units for 1 pools"),
        (lambda: DarkFills.none(0, 5), "0 pools"),
        (lambda: route(1000, 1e6, fills=DarkFills.none(3, 5)), "fills are of 3 pools"),
    ],
)
def test_what_is_wrong_is_named(call, told):
    with pytest.raises(InputError, match=told):
        call()
