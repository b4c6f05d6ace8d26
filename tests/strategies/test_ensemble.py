import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.errors import InputError
from quantray.regimes.indicators import five_lenses
from quantray.strategies.catalogue import CATALOGUE
from quantray.strategies.ensemble import RegimeAwareEnsemble
from quantray.strategies.regime_map import LABELS, LENSES, MapRule, RegimeMap, read_map
from quantray.strategies.rule import Adjustments
from quantray.strategies.trend import Breakout, MovingAverageCross

CALM = {"market": "bull", "volatility": "low", "liquidity": "normal", "correlation": "normal", "sector": "broad"}
RULES = {"cross": MovingAverageCross(), "breakout": Breakout()}


def ensemble(*rules, default=None):
    chosen = RegimeMap(rules=rules, default=default or {"cross": 1.0}, adjustments=read_map().adjustments)
    return RegimeAwareEnsemble(chosen, RULES)


def labels(n_days, **changes):
    """Calm on all days, but for (first row, last row, label) of some lenses."""
    out = {lens: np.full(n_days, label, dtype="<U12") for lens, label in CALM.items()}
    for lens, (first, last, label) in changes.items():
        out[lens][first:last] = label
    return out


@pytest.fixture(scope="module")
def panel(market):
    return market.panel.until(399)


def test_calm_markets_leave_strategies_as_they_are(panel):
    decided = ensemble().decide(panel, labels(400))
    assert_array_equal(decided.weights, RULES["cross"].weights(panel))
    assert not decided.overlay_returns.any()


@pytest.mark.parametrize(("label", "size", "stops"), [("high", 0.5, 1.5), ("extreme", 0.25, 2.0)])
def test_volatility_shrinks_positions_and_widens_stops(panel, label, size, stops):
    decided = ensemble().decide(panel, labels(400, volatility=(0, 400, label)))
    ones = np.ones(400)
    wider = RULES["cross"].run(panel, adjust=Adjustments(stops * ones, ones)).weights
    assert_array_equal(decided.weights, size * wider)
    assert (wider != RULES["cross"].weights(panel)).any()
    total = ensemble().select({**CALM, "volatility": label}).total
    assert (total.size, total.stops, total.min_signal, total.turnover) == (size, stops, 1, 1)
    assert decided.explain(399).controls["cross"].stop == stops * 6.0


def test_stressed_liquidity_raises_the_least_signal_and_halves_trades(panel):
    decided = ensemble().decide(panel, labels(400, liquidity=(0, 400, "stressed")))
    ones = np.ones(400)
    target = RULES["cross"].run(panel, adjust=Adjustments(ones, 1.5 * ones)).weights
    usable = panel.member & ~np.isnan(panel.field("close"))
    before = np.vstack([np.zeros(60), decided.weights[:-1]])
    assert_allclose(decided.weights, np.where(usable, before + 0.5 * (target - before), 0.0), atol=1e-15)
    total = ensemble().select({**CALM, "liquidity": "stressed"}).total
    assert (total.size, total.stops, total.min_signal, total.turnover) == (1, 1, 1.5, 0.5)
    assert decided.explain(399).controls["cross"].min_signal == 1.5
    # Half of each day's way is traded; the rest is caught up with unless the signal turns before.
    assert np.abs(np.diff(decided.weights, axis=0)).sum() < 0.9 * np.abs(np.diff(target, axis=0)).sum()


def test_a_sudden_stress_acts_on_the_day_and_not_before(panel):
    calm = ensemble().decide(panel, labels(400))
    stressed = ensemble().decide(panel, labels(400, volatility=(300, 310, "extreme"), liquidity=(300, 310, "stressed")))
    assert_array_equal(stressed.weights[:300], calm.weights[:300])
    # Half the way from the former weights to a quarter of the target.
    change = stressed.weights[300] - calm.weights[299]
    kept = np.sign(calm.weights[299]) == np.sign(calm.weights[300])
    assert_allclose(change[kept], 0.5 * (0.25 * calm.weights[300] - calm.weights[299])[kept], atol=1e-3)
    assert np.abs(stressed.weights[309]).sum() < 0.35
    assert np.abs(stressed.weights[311]).sum() > 0.9


def test_the_regime_chooses_the_strategies(panel):
    bear = MapRule(when={"market": "bear"}, strategies={"breakout": 0.6, "cross": 0.2}, because="falls last")
    decided = ensemble(bear).decide(panel, labels(400, market=(200, 300, "bear")))
    cross, breakout = RULES["cross"].weights(panel), RULES["breakout"].weights(panel)
    assert_array_equal(decided.weights[:200], cross[:200])
    assert_allclose(decided.weights[200:300], 0.6 * breakout[200:300] + 0.2 * cross[200:300], atol=1e-15)
    assert_array_equal(decided.names, ["breakout", "cross"])
    assert_array_equal(decided.shares[[0, 250]], [[0, 1], [0.6, 0.2]])


def test_no_look_ahead(market):
    whole = market.panel
    regimes = labels(700, volatility=(500, 600, "high"), liquidity=(550, 560, "stressed"), market=(400, 650, "bear"))
    decided = RegimeAwareEnsemble().decide(whole, regimes)
    for t in (450, 555, 640):
        cut = RegimeAwareEnsemble().decide(whole.until(t), {lens: values[: t + 1] for lens, values in regimes.items()})
        assert_array_equal(cut.weights, decided.weights[: t + 1])
        assert_array_equal(cut.overlay_returns, decided.overlay_returns[: t + 1])
    assert (np.abs(decided.weights).sum(axis=1) <= 1 + 1e-12).all()


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_options_earn_with_the_capital_they_had_when_decided(market, lag):
    hedge = CATALOGUE["tail_hedge"].strategy
    bear = MapRule(when={"market": "bear"}, strategies={"hedge": 0.4})
    chosen = RegimeAwareEnsemble(RegimeMap(rules=(bear,), default={}), {"hedge": hedge})
    decided = chosen.decide(market.panel, labels(700, market=(300, 400, "bear")), lag=lag)
    own = hedge.run(market.panel, lag=lag).overlay_returns
    rows = slice(301 + lag, 401 + lag)
    assert_allclose(decided.overlay_returns[rows], 0.4 * own[rows])
    assert not np.delete(decided.overlay_returns, np.arange(rows.start, rows.stop)).any()


def test_decisions_explain_themselves(panel):
    bear = MapRule(
        when={"market": "bear", "volatility": ["high", "extreme"]}, strategies={"breakout": 0.6}, because="why"
    )
    regimes = labels(400, market=(200, 300, "bear"), volatility=(200, 300, "high"), liquidity=(200, 300, "stressed"))
    decided = ensemble(bear).decide(panel, regimes)
    told = decided.explain(250)
    assert told.selection.regimes == {**CALM, "market": "bear", "volatility": "high", "liquidity": "stressed"}
    assert told.selection.rule == 0
    assert told.gross == pytest.approx(np.abs(decided.weights[250]).sum())
    assert told.text.splitlines() == [
        f"{panel.dates[250]}: market bear, volatility high, liquidity stressed, correlation normal, sector broad",
        "Decided by rule 1 (market bear, volatility high or extreme): why.",
        "  breakout 60%: stop 9 daily volatilities, least signal 1.5",
        "Adjusted for volatility high: positions x0.5, stops x1.5; "
        "liquidity stressed: least signal x1.5, turnover x0.5.",
        f"Gross exposure {told.gross:.1%}.",
    ]
    assert decided.explain(str(panel.dates[250])).text == told.text
    calm = decided.explain(100).text
    assert "Decided by the default, as no rule was met." in calm
    assert "Nothing adjusted." in calm


def test_what_stood_in_for_data_is_told(market):
    regimes = labels(700, volatility=(0, 700, "extreme"))
    text = RegimeAwareEnsemble().decide(market.panel, regimes).explain(600).text
    assert "tail_hedge 30%: no stop, any signal" in text
    assert "which is an assumption" in text


def test_the_lenses_of_the_regimes_room_fit(market):
    lenses = five_lenses(
        market.panel, dict(zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True))
    )
    decided = RegimeAwareEnsemble().decide(market.panel, lenses.labels)
    told = decided.explain(-1 + len(decided.dates))
    assert tuple(told.selection.regimes.values()) == lenses.fingerprint(decided.dates[-1])
    assert len(decided.selections) > 2
    for lens, known in LABELS.items():
        assert set(getattr(lenses, lens).path.names.tolist()) == set(known)


def test_cash_is_a_choice(panel):
    decided = ensemble(MapRule(when={"market": "bull"}, strategies={})).decide(panel, labels(400))
    assert not decided.weights.any()
    assert "  cash" in decided.explain(0).text


def test_unknown_regimes_get_the_default():
    selection = RegimeAwareEnsemble().select(dict.fromkeys(LENSES, "unknown"))
    assert selection.rule is None
    assert selection.strategies == read_map().default


def test_wrong_regimes_are_refused(panel):
    own = ensemble()
    with pytest.raises(InputError, match="regimes lack sector and hold the unknown nothing"):
        own.select({lens: label for lens, label in CALM.items() if lens != "sector"})
    with pytest.raises(InputError, match="hold the unknown mood"):
        own.decide(panel, labels(400) | {"mood": np.full(400, "bad")})
    with pytest.raises(InputError, match="volatility shows 'wild'"):
        own.select({**CALM, "volatility": "wild"})
    with pytest.raises(InputError, match="market has labels .399,. for 400 dates"):
        own.decide(panel, labels(400) | {"market": np.full(399, "bull")})
    with pytest.raises(InputError, match="the map names value, which is not among cross, breakout"):
        ensemble(default={"value": 1.0})
    with pytest.raises(InputError, match="no dates to decide on"):
        own.decide(panel.between("2000-01-01", "2000-01-02"), labels(0))
    decided = own.decide(panel, labels(400))
    for wrong in (400, -1, "2031-01-01", "2020-01-04"):
        with pytest.raises(InputError, match="is no date or row of these decisions"):
            decided.explain(wrong)
