import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.arrays import frozen_copy
from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE, Categorical, Range, option_notes

NAMES = list(CATALOGUE)


@pytest.fixture(scope="module")
def whole(market):
    """What every rule decides on the market of 60 assets, with listings and delistings."""
    return {name: entry.strategy.run(market.panel) for name, entry in CATALOGUE.items()}


def test_three_of_each_family():
    families = [entry.family for entry in CATALOGUE.values()]
    assert len(CATALOGUE) == 12
    assert {family: families.count(family) for family in families} == dict.fromkeys(families, 3)
    assert all(entry.name == name and entry.literature for name, entry in CATALOGUE.items())


@pytest.mark.parametrize("name", NAMES)
def test_no_look_ahead(name, market, whole):
    entry = CATALOGUE[name]
    # Among them days on which pairs are formed, betas measured and options rolled, and the days before these.
    for t in (300, 314, 315, 451, 630):
        cut = entry.strategy.run(market.panel.until(t))
        assert_array_equal(cut.weights, whole[name].weights[: t + 1])
        assert_array_equal(cut.overlay_returns, whole[name].overlay_returns[: t + 1])


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_members_of_at_most_one_and_not_always_none(name, market, whole):
    weights = whole[name].weights
    usable = market.panel.member & ~np.isnan(market.panel.field("close"))
    assert np.isfinite(weights).all()
    assert not weights[~usable].any()
    assert (np.abs(weights).sum(axis=1) <= 1 + 1e-12).all()
    assert weights.any() or whole[name].overlay_returns.any()
    assert_array_equal(CATALOGUE[name].weights(market.panel), weights)


@pytest.mark.parametrize("name", NAMES)
def test_leaving_the_universe_ends_a_position(name, market, whole):
    member = market.panel.member.copy()
    member[500:, ::2] = False
    weights = CATALOGUE[name].weights(market.panel.with_member(member))
    assert not weights[500:, ::2].any()
    assert_array_equal(weights[:500], whole[name].weights[:500])


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_assets_does_not_matter(name, market, whole):
    order = np.random.default_rng(0).permutation(len(market.panel.assets))
    mixed = CATALOGUE[name].strategy.run(market.panel.select(market.panel.assets[order]))
    assert_allclose(mixed.weights, whole[name].weights[:, order], atol=1e-10)
    assert_allclose(mixed.overlay_returns, whole[name].overlay_returns, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_of_prices_does_not_matter(name, market, whole):
    scale = 2.0 ** np.random.default_rng(0).integers(-4, 5, len(market.panel.assets))
    panel = market.panel.with_fields(close=market.panel.field("close") * scale)
    scaled = CATALOGUE[name].strategy.run(panel)
    assert_allclose(scaled.weights, whole[name].weights, atol=1e-10)
    assert_allclose(scaled.overlay_returns, whole[name].overlay_returns, atol=1e-12)


def _holes(close):
    generator = np.random.default_rng(1)
    close = np.where(generator.random(close.shape) < 0.1, np.nan, close)
    close[:, :5], close[300:, 5:10], close[:400, 10:15] = np.nan, np.nan, np.nan
    return close


@pytest.mark.parametrize("name", NAMES)
def test_panels_with_too_little_give_no_positions_and_no_trouble(name, make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (450, 36)), axis=0))
    nothing = [close[:0], close[:1], close[:5], close[:, :0], np.full(close.shape, np.nan)]
    panels = [make_panel(values) for values in nothing] + [make_panel(close, member=np.zeros(close.shape, dtype=bool))]
    for panel in panels:
        result = CATALOGUE[name].strategy.run(panel)
        assert not result.weights.any()
        assert not result.overlay_returns.any()
    twins = close.copy()
    twins[:, 1], twins[:, 3] = twins[:, 0], 2 * twins[:, 2]
    for values in (close[:, :1], np.full(close.shape, 100.0), _holes(close), twins):
        result = CATALOGUE[name].strategy.run(make_panel(values))
        assert np.isfinite(result.weights).all()
        assert np.isfinite(result.overlay_returns).all()
        assert (np.abs(result.weights).sum(axis=1) <= 1 + 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_signals_are_shared_by_what_they_depend_on(name, market, whole):
    rule = CATALOGUE[name].strategy
    other = CATALOGUE[name].build({"max_weight": 0.05})
    assert rule.signal_key == other.signal_key
    assert hash(rule.signal_key) == hash(other.signal_key)
    signal = other.signal(market.panel)
    assert_array_equal(rule.run(market.panel, signal=signal).weights, whole[name].weights)
    for parameter in rule.signal_parameters:
        assert hasattr(rule, parameter)


@pytest.mark.parametrize("name", NAMES)
def test_rules_travel_to_workers(name, market):
    entry = frozen_copy(CATALOGUE[name])
    assert entry.strategy.signal_key == CATALOGUE[name].strategy.signal_key


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_can_be_searched(name):
    entry = CATALOGUE[name]
    defaults = entry.defaults()
    assert list(defaults) == list(entry.parameters)
    assert entry.build(defaults).signal_key == entry.strategy.signal_key
    grid = list(entry.grid())
    assert 10 <= len(grid) <= 250
    assert all(set(combination) == set(entry.parameters) for combination in grid)
    keys = {entry.build(combination).signal_key for combination in grid}
    assert len(keys) <= len(grid)


def test_parameters_reach_controls_and_terms():
    built = CATALOGUE["delta_neutral_options"].build({"threshold": 0.02, "every": 10, "stop": None, "premium": 0.05})
    assert built.threshold == 0.02
    assert built.terms.every == 10
    assert built.terms.pricing.premium == 0.05
    assert built.controls.stop is None


def test_invalid_combinations_are_left_out_of_grids():
    pairs = [(c["fast"], c["slow"]) for c in CATALOGUE["momentum_5_20"].grid()]
    assert (5, 20) in pairs
    assert all(fast < slow for fast, slow in pairs)
    assert all(isinstance(fast, int) for fast, _ in pairs)


def test_ranges():
    assert Range(5, 20, 5).values == (5, 10, 15, 20)
    assert Range(0.1, 0.3, 0.1).values == (0.1, 0.2, 0.3)
    assert Range(5, 20, 5).whole
    assert not Range(1.0, 2.0, 1.0).whole
    assert Categorical((None, 4.0)).values == (None, 4.0)
    with pytest.raises(InputError, match="must rise in positive steps"):
        Range(2, 1, 1)


def test_unknown_parameters_are_refused():
    with pytest.raises(InputError, match="momentum_5_20 has no parameter speed; it has fast, max_weight"):
        CATALOGUE["momentum_5_20"].build({"speed": 3})
    with pytest.raises(InputError, match="fast 30 must be shorter"):
        CATALOGUE["momentum_5_20"].build({"fast": 30})


def test_how_options_are_priced_is_told(market, make_panel):
    modelled, index = option_notes(CATALOGUE, market.panel)
    assert modelled.startswith(
        "delta_neutral_options, volatility_arbitrage: options priced at 21- and 126-day realised"
    )
    assert "which is an assumption" in modelled
    assert index.startswith("tail_hedge: puts on the equally weighted members; options priced at 21- and")
    close = np.full((5, 2), 100.0)
    quoted = make_panel(close, implied_volatility=np.full(close.shape, 0.2))
    assert option_notes(["delta_neutral_options", "rsi_14"], quoted) == (
        "delta_neutral_options: options priced at the panel's implied_volatility.",
    )
    assert option_notes(["rsi_14"], quoted) == ()
    with pytest.raises(InputError, match=r"unknown rules \['rsi'\]"):
        option_notes(["rsi"], quoted)


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_reads_a_delisting_return(name, market, whole):
    """It stands on the day of the last close, when nobody knew it."""
    panel = market.panel.with_fields(delist_return=np.full(market.panel.shape, -0.9))
    told = CATALOGUE[name].strategy.run(panel)
    assert_array_equal(told.weights, whole[name].weights)
    assert_array_equal(told.overlay_returns, whole[name].overlay_returns)
