"""Bacon's example, laws, and records of daily holdings."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.brinson import TRADING, attribute_sectors, brinson, brinson_of_parts
from quantray.analytics.attribution.holdings import by_sector, held_days
from quantray.analytics.attribution.linking import compounded
from quantray.errors import InputError

# Bacon (2008), ch. 5: United Kingdom, Japan, United States.
BACON = ([0.4, 0.3, 0.3], [0.2, -0.05, 0.06], [0.4, 0.2, 0.4], [0.1, -0.04, 0.08])


def test_bacons_example():
    found = brinson(*BACON)
    assert_allclose([found.returns[0], found.benchmark[0]], [0.083, 0.064])
    assert_allclose(found.allocation[0], [0, -0.0104, -0.0016], atol=1e-15)
    assert_allclose(found.selection[0], [0.04, -0.002, -0.008], atol=1e-15)
    assert_allclose(found.interaction[0], [0, -0.001, 0.002], atol=1e-15)
    assert_allclose(found.active, [0.019])


def test_hood_allocates_by_the_sectors_own_return():
    found = brinson(*BACON, model="hood")
    assert_allclose(found.allocation[0], [0, -0.004, -0.008], atol=1e-15)
    assert_allclose(found.allocation.sum(), -0.012)


def test_bacons_geometric_form():
    """Bacon (2008), ch. 5: semi-notional 5.2 %, allocation -1.1 %, selection 2.9 %, excess 1.083 / 1.064 - 1."""
    found = brinson(*BACON, model="geometric")
    assert_allclose(found.allocation.sum(), 1.052 / 1.064 - 1)
    assert_allclose(found.selection.sum(), 1.083 / 1.052 - 1)
    assert_allclose(found.selection[0], np.array([0.04, -0.003, -0.006]) / 1.052, atol=1e-15)
    assert_allclose(found.active, 1.083 / 1.064 - 1)
    total = found.compounded(np.array([0.003]))
    assert_allclose((1 + total.allocation) * (1 + total.selection) * (1 + total.trading), 1.08 / 1.064)
    with pytest.raises(InputError, match="effects of the model fachler add up"):
        brinson(*BACON).compounded()


@pytest.mark.parametrize("model", ["fachler", "hood", "geometric"])
def test_exact_on_a_thousand_periods_with_zero_and_negative_weights(model):
    """Sectors come and go on both sides; one may be held on one side only, or long and short to nothing."""
    rng = np.random.default_rng(3)
    weights, benchmark = rng.normal(0.2, 0.5, (2, 1000, 5)) * (rng.random((2, 1000, 5)) < 0.6)
    for side in (weights, benchmark):
        side[:, -1] = 1 - side[:, :-1].sum(axis=1)
    parts, theirs = (side * rng.normal(0, 0.02, side.shape) for side in (weights, benchmark))
    parts[::7, 2] += 0.001
    weights[::7, 4] += weights[::7, 2]
    weights[::7, 2] = 0.0
    found = brinson_of_parts("abcde", weights, parts, benchmark, theirs, model=model)
    assert np.isfinite(found.allocation).all()
    if model == "geometric":
        growth = (1 + found.allocation.sum(axis=1)) * (1 + found.selection.sum(axis=1))
        assert_allclose(growth, (1 + parts.sum(axis=1)) / (1 + theirs.sum(axis=1)), atol=1e-12)
    else:
        effects = found.allocation + found.selection + found.interaction
        assert_allclose(effects.sum(axis=1), (parts - theirs).sum(axis=1), atol=1e-12)


def test_a_sector_on_one_side_only():
    # Held by the portfolio alone: to be there was the decision.
    found = brinson([0.5, 0.5], [0.0, 0.1], [1.0, 0.0], [0.0, np.nan])
    assert_allclose([found.allocation[0, 1], found.selection[0, 1]], [0.05, 0.0])
    # Held by the benchmark alone: to be away was.
    found = brinson([1.0, 0.0], [0.0, np.nan], [0.5, 0.5], [0.0, 0.1])
    assert_allclose(found.allocation[0], [-0.025, -0.025])
    assert_allclose([found.selection.sum(), found.interaction.sum()], [0, 0])


def test_records_close_with_trading_and_a_row_for_names_without_sector(accounts):
    own, other = (held_days(r, accounts.panel) for r in (accounts.record, accounts.benchmark))
    found = attribute_sectors(own, other, accounts.sectors)
    assert_allclose(found.total, compounded(own.returns) - compounded(other.returns))
    assert_allclose(found.linked.sum(), found.total, atol=1e-12)
    assert "1 of the names held have no sector" in found.notes[0]
    assert found.cell("no sector", "selection") != 0
    assert found.by_effect()[TRADING] < 0


def test_daily_holdings_against_the_plain_formula(accounts):
    """Where no weight is near zero, sector returns are contributions over weights."""
    other = held_days(accounts.benchmark, accounts.panel)
    whole = by_sector(other, accounts.sectors)
    found = attribute_sectors(other, other, accounts.sectors)
    assert_allclose(found.linked, 0, atol=1e-14)
    tilt = whole.weights.copy()
    tilt[:, 0] += 0.1
    tilt[:, 1] -= 0.1
    with np.errstate(invalid="ignore"):
        returns = np.where(whole.weights > 1e-6, whole.contributions / whole.weights, 0.0)
    # What cash earns while it is nothing is no return of a sector.
    days = (whole.weights > 1e-6).all(axis=1)
    tilted = brinson(tilt[days], returns[days], whole.weights[days], returns[days])
    plain = (tilt - whole.weights)[days] * (returns - whole.contributions.sum(axis=1, keepdims=True))[days]
    assert_allclose(tilted.allocation, plain, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({0: [0.4, 0.3, 0.2]}, "sum to amounts that differ by 0.1; give cash as a sector"),
        ({1: [0.2, np.nan, 0.1]}, "portfolio weight 0.3 of sector 1 in period 0 has no return"),
        ({2: [0.4, 0.6]}, "all four must have one shape"),
        ({2: [0.4, np.nan, 0.6]}, "benchmark weights are unknown"),
    ],
)
def test_bad_input(change, said):
    with pytest.raises(InputError, match=said):
        brinson(*(change.get(i, value) for i, value in enumerate(BACON)))


def test_unknown_models_and_missing_days(accounts):
    with pytest.raises(InputError, match="model 'brison' is unknown"):
        brinson(*BACON, model="brison")
    with pytest.raises(InputError, match="2 names for 3 sectors"):
        brinson(*BACON, sectors=["a", "b"])
    own = held_days(accounts.record)
    other = held_days(accounts.benchmark)
    short = type(other)(**{k: v if k in ("name", "assets") else v[:-3] for k, v in vars(other).items()})
    with pytest.raises(InputError, match=f"benchmark Equal lacks 3 days, first {own.dates[-3]}"):
        attribute_sectors(own, short, {})
