"""Portfolios on forecasts: hand-checked cases, no look-ahead, and a signal that is known to be there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.backtest.drift import drifted
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.panel import Panel
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.errors import DataError, InputError, SolverError
from quantray.portfolio.constraints import MARKET_NEUTRAL
from quantray.portfolio.solve import InfeasibleError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.results import ResultStore
from quantray.research.run import write
from quantray.studies.forecasts.store import Forecasts, ForecastStore
from quantray.studies.portfolios.alpha import Start, alpha_decisions, expected_returns, read_forecasts
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.findings import find_portfolios
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.portfolios.trial import DayModel, eligible, models_from, study_trials, trial_key

FREE = LinearCosts(0.0)
FORECASTS = ForecastChoice(store="forecasts", model="m")


def allocator(rule="mean_variance", max_weight=1.0, name="MV", **alpha):
    given = AlphaSettings(**({"forecasts": FORECASTS} | alpha))
    return AllocatorSettings(name=name, rule=rule, estimator="statistical", max_weight=max_weight, alpha=given)


def pair(closes):
    """Two assets with given closes from 2024-01-02 on, and models of independent returns for each date."""
    closes = np.array(closes, dtype=np.float64)
    dates = np.datetime64("2024-01-02") + np.arange(len(closes))
    panel = Panel(dates, np.array(["A", "B"]), {"close": closes}, np.ones(closes.shape, dtype=np.bool_))
    model = FactorModel(np.zeros((2, 1)), np.eye(1), np.array([0.04, 0.04]) / 252)
    return panel, [DayModel(day, panel.assets, model) for day in dates]


def scored(panel, values):
    return Forecasts("m", panel.dates, panel.assets, np.array(values, dtype=np.float64))


def decide(panel, models, forecasts, settings, *, costs=FREE, lag=1):
    return alpha_decisions(panel, models, forecasts, settings, costs=costs, accounting=Accounting(lag=lag))


def test_expected_returns_are_coefficient_times_volatility_times_score():
    """Scores of 1 and 3 are -1 and 1 once standardised; quarterly scores say four times a year what they say."""
    got = expected_returns(np.array([1.0, 3.0]), np.array([0.2, 0.4]), ic=0.05, horizon_days=63)
    assert_allclose(got, np.array([-0.2, 0.4]) * 0.05 * 2)
    yearly = expected_returns(np.array([1.0, 3.0]), np.array([0.2, 0.4]), ic=0.05, horizon_days=252)
    assert_allclose(yearly, [-0.01, 0.02])


def test_expected_returns_without_or_with_extreme_scores():
    volatility = np.full(4, 0.2)
    got = expected_returns(np.array([1.0, np.nan, 3.0, np.nan]), volatility, ic=0.05, horizon_days=252)
    assert_allclose(got, [-0.01, 0, 0.01, 0])
    assert_array_equal(expected_returns(np.full(4, np.nan), volatility, ic=0.05, horizon_days=5), np.zeros(4))
    assert_array_equal(expected_returns(np.full(4, 7.0), volatility, ic=0.05, horizon_days=5), np.zeros(4))
    scores = np.append(np.zeros(99), 1e6)
    got = expected_returns(scores, np.ones(100), ic=1.0, horizon_days=252, largest_score=3.0)
    assert got[-1] == 3.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scores_n": np.zeros(3)}, r"scores are \(3,\) and volatilities \(2,\)"),
        ({"residual_volatility_n": np.array([0.1, np.nan])}, "volatilities must be finite"),
        ({"scores_n": np.array([0.0, np.inf])}, "scores finite or NaN"),
        ({"ic": 1.5}, "ic 1.5 must lie between 0 and 1"),
        ({"horizon_days": 0}, "horizon_days 0 be at least 1"),
    ],
)
def test_expected_returns_of_nonsense_are_refused(changes, text):
    given = {"scores_n": np.zeros(2), "residual_volatility_n": np.ones(2), "ic": 0.1, "horizon_days": 5} | changes
    with pytest.raises(InputError, match=text):
        expected_returns(**given)


def test_two_assets_by_hand():
    """Utility ``a (w1 - w2) - g / 2 s2 (w1^2 + w2^2)`` on ``w1 + w2 = 1`` is best at ``w1 = 1/2 + a / (g s2)``."""
    panel, models = pair(np.ones((2, 2)))
    settings = allocator(ic=0.01, horizon_days=252, risk_aversion=0.5)
    made = decide(panel, models, scored(panel, [[5.0, 3.0], [-1.0, 1.0]]), settings)
    tilt = 0.01 * 0.2 / (0.5 * 0.04)
    assert_allclose(made.decisions.weights, [[0.5 + tilt, 0.5 - tilt], [0.5 - tilt, 0.5 + tilt]], atol=1e-6)
    assert_allclose(made.turnover, [0.5, 2 * tilt], atol=1e-6)
    assert_array_equal(made.candidates, [2, 2])
    assert_array_equal(made.unscored, [0, 0])


def test_a_trade_must_pay_its_cost_within_the_horizon():
    """Moving x from one to the other gains ``2 a x - g s2 x^2`` in a year, and costs ``2 c x`` in every horizon."""
    panel, models = pair(np.ones((2, 2)))
    ic, horizon, aversion, bps = 0.02, 63, 0.5, 10.0
    settings = allocator(ic=ic, horizon_days=horizon, risk_aversion=aversion)
    made = decide(panel, models, scored(panel, [[np.nan, np.nan], [1.0, -1.0]]), settings, costs=LinearCosts(bps))
    alpha, cost = ic * 0.2 * np.sqrt(252 / horizon), bps * 1e-4 * 252 / horizon
    assert_allclose(made.decisions.weights[0], [0.5, 0.5], atol=1e-6)
    assert_allclose(made.decisions.weights[1, 0], 0.5 + (alpha - cost) / (aversion * 0.04), atol=1e-6)
    expensive = decide(panel, models, scored(panel, [[np.nan, np.nan], [1.0, -1.0]]), settings, costs=LinearCosts(30.0))
    assert_allclose(expensive.decisions.weights[1], [0.5, 0.5], atol=1e-6)
    assert_array_equal(made.unscored, [2, 0])
    assert made.summary.startswith("50.0% of scores missing, 1 of 2 decisions without any")


def test_the_weights_before_a_decision_have_drifted_since_they_were_established():
    """A rises by a fifth before the trades of the first decision, which no longer matters, and by half after them."""
    panel, models = pair([[1.0, 1.0], [1.2, 1.0], [1.5, 1.0], [1.8, 1.0]])
    huge = LinearCosts(9000.0)
    made = decide(panel, [models[0], models[3]], scored(panel, np.full((4, 2), [1.0, 1.0])), allocator(), costs=huge)
    # Costs forbid any trade, so the second decision is what the first has become: 1.8 / 1.2 = 1.5 of its half.
    assert_allclose(made.decisions.weights, [[0.5, 0.5], [0.75 / 1.25, 0.5 / 1.25]], atol=1e-6)
    assert made.turnover[1] == pytest.approx(0, abs=1e-6)
    slow = decide(panel, [models[0], models[3]], scored(panel, np.ones((4, 2))), allocator(), costs=huge, lag=2)
    assert_allclose(slow.decisions.weights[1], [0.6 / 1.1, 0.5 / 1.1], atol=1e-6)
    # With daily decisions the one before is established at the very close at which the next is made.
    daily = decide(panel, models[:2], scored(panel, np.ones((4, 2))), allocator(), costs=huge)
    assert_allclose(daily.decisions.weights[1], [0.5, 0.5], atol=1e-6)


def test_a_missing_close_counts_as_no_return_and_a_leaver_is_sold():
    panel, models = pair([[1.0, 1.0], [1.0, 1.0], [2.0, np.nan], [2.0, np.nan]])
    only_a = DayModel(panel.dates[3], panel.assets[:1], models[0].model.select(np.array([0])))
    made = decide(panel, [models[0], only_a], scored(panel, np.ones((4, 2))), allocator())
    assert_allclose(made.decisions.weights, [[0.5, 0.5], [1.0, 0.0]], atol=1e-6)
    # A had become two thirds, and B, still at its last close, a third.
    assert made.turnover[1] == pytest.approx(1 / 3)


def test_the_highest_sharpe_ratio_by_hand():
    """Without correlation, weights are in proportion to expected return over variance where that is positive."""
    dates = np.array(["2024-01-02"], dtype="datetime64[D]")
    panel = Panel(dates, np.array(["A", "B", "C"]), {"close": np.ones((1, 3))}, np.ones((1, 3), dtype=np.bool_))
    variance = np.array([0.04, 0.01, 0.09]) / 252
    day = DayModel(dates[0], panel.assets, FactorModel(np.zeros((3, 1)), np.eye(1), variance))
    made = decide(panel, [day], scored(panel, [[1.0, 2.0, -3.0]]), allocator("max_sharpe"))
    ratio = np.array([1.0, 2.0, 0.0]) / np.array([0.2, 0.1, 0.3])
    assert_allclose(made.decisions.weights[0], ratio / ratio.sum(), atol=2e-4)


def test_what_cannot_be_decided_names_allocator_and_date():
    panel, models = pair(np.ones((2, 2)))
    with pytest.raises(DataError, match=r"MV: no forecast of m \(2024-01-02..2024-01-03\) is on one of 2 decision"):
        decide(panel, models, scored(panel, np.full((2, 2), np.nan)), allocator())
    with pytest.raises(InputError, match="MV: max_weight 0.3 invests at most 60% in 2 names"):
        decide(panel, models, scored(panel, np.ones((2, 2))), allocator(max_weight=0.3))
    with pytest.raises(InputError, match="model of 2024-01-02 comes after a later one"):
        decide(panel, models[::-1], scored(panel, np.ones((2, 2))), allocator())
    with pytest.raises(InputError, match="MV on 2024-01-02: no portfolio within the limits has an expected return"):
        decide(panel, models, scored(panel, np.ones((2, 2))), allocator("max_sharpe"))
    with pytest.raises(DataError, match="MV: market_neutral needs volumes"):
        decide(panel, models, scored(panel, np.ones((2, 2))), allocator(mandate="market_neutral"))
    with pytest.raises(DataError, match="model of 2024-01-02 has B, which is not in the panel"):
        decide(panel.select(["A"]), models, scored(panel, np.ones((2, 2))), allocator())
    plain = AllocatorSettings(name="HRP", rule="hrp")
    with pytest.raises(InputError, match="HRP: hrp does not act on forecasts"):
        decide(panel, models, scored(panel, np.ones((2, 2))), plain)


def test_failed_solves_are_raised(monkeypatch):
    panel, models = pair(np.ones((2, 2)))
    for error in (InfeasibleError("too tight"), SolverError("no luck")):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr("quantray.studies.portfolios.alpha.MeanVariance.solve", fail)
        with pytest.raises(type(error), match=f"MV on 2024-01-02: {error}"):
            decide(panel, models, scored(panel, np.ones((2, 2))), allocator())


@pytest.fixture(scope="module")
def planted():
    """A market with a planted signal, daily models of risk over its last 120 days, and the truth as forecasts."""
    market = simulate_market(40, 330, seed=3, lead_lag=LeadLag(), listing_share=0.1, delisting_share=0.1)
    panel = market.panel
    fields = {name: panel.field(name) for name in ("close", "volume")}
    panel = Panel(panel.dates, panel.assets, fields, panel.member)
    close, models = panel.field("close"), []
    for row in range(210, 330):
        returns = close[row - 200 : row + 1][1:] / close[row - 200 : row + 1][:-1] - 1
        chosen = np.flatnonzero((~np.isnan(returns)).mean(axis=0) > 0.9)
        chosen = chosen[~np.isnan(close[row, chosen])]
        models.append(DayModel(panel.dates[row], panel.assets[chosen], statistical_factors(returns[:, chosen], 4)))
    forecasts = Forecasts("truth", panel.dates, panel.assets, market.truth.expected_returns)
    return panel, models, forecasts


LONG = allocator(max_weight=0.15, ic=0.2, horizon_days=1, risk_aversion=10.0)


def sharpe(panel, made, costs):
    returns = backtest(panel, made.decisions, costs=costs, accounting=Accounting()).returns
    return returns.mean() / returns.std() * np.sqrt(252)


def test_a_known_signal_beats_equal_weight_and_itself_shuffled(planted):
    panel, models, forecasts = planted
    costs = LinearCosts(1.0)
    made = decide(panel, models, forecasts, LONG, costs=costs)
    order = np.random.default_rng(5).permuted(np.arange(40)[None].repeat(len(panel.dates), 0), axis=1)
    shuffled = replace(forecasts, values=np.take_along_axis(forecasts.values, order, axis=1))
    blind = decide(panel, models, shuffled, LONG, costs=costs)
    equal = [np.isin(panel.assets, day.assets) / len(day.assets) for day in models]
    even = replace(made, decisions=Decisions(made.decisions.dates, panel.assets, np.array(equal)))
    known, unknown, market = (sharpe(panel, which, costs) for which in (made, blind, even))
    assert known > unknown + 1
    assert known > market + 1
    weights = made.decisions.weights
    assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert 0 <= weights.min() <= weights.max() <= 0.15 + 1e-6


def test_costs_reduce_turnover(planted):
    panel, models, forecasts = planted

    def traded(bps, **changes):
        settings = allocator(**({"max_weight": 0.15, "ic": 0.05, "horizon_days": 1} | changes))
        return decide(panel, models[:40], forecasts, settings, costs=LinearCosts(bps)).turnover[1:].sum()

    assert traded(0.0) > 1.5 * traded(10.0) > 3 * traded(30.0)
    assert traded(30.0, cost_aversion=0.0) == pytest.approx(traded(0.0))


@pytest.mark.parametrize("mandate", ["long_only", "market_neutral"])
def test_no_decision_looks_ahead(planted, mandate):
    panel, models, forecasts = planted
    settings = allocator(max_weight=0.15, ic=0.2, horizon_days=1, mandate=mandate)
    whole = decide(panel, models[:24:6], forecasts, settings, costs=LinearCosts(1.0))
    last = panel.row(models[18].date)
    cut = replace(forecasts, dates=forecasts.dates[: last + 1], values=forecasts.values[: last + 1])
    part = decide(panel.until(last), models[:24:6], cut, settings, costs=LinearCosts(1.0))
    assert_array_equal(part.decisions.weights, whole.decisions.weights)


def test_permuting_assets_permutes_decisions(planted):
    panel, models, forecasts = planted
    order = np.random.default_rng(8).permutation(40)
    turned = panel.select(panel.assets[order])
    some = [
        DayModel(day.date, day.assets[::-1], day.model.select(np.arange(len(day.assets))[::-1])) for day in models[:3]
    ]
    got = decide(turned, some, forecasts, LONG, costs=LinearCosts(1.0)).decisions.weights
    assert_allclose(
        got, decide(panel, models[:3], forecasts, LONG, costs=LinearCosts(1.0)).decisions.weights[:, order], atol=2e-6
    )


def test_a_market_neutral_mandate_keeps_its_limits(planted):
    panel, models, forecasts = planted
    settings = allocator(ic=0.2, horizon_days=1, mandate="market_neutral")
    made = decide(panel, models, forecasts, settings, costs=LinearCosts(1.0))
    weights = made.decisions.weights
    assert np.abs(weights.sum(axis=1)).max() < 1e-5
    assert np.abs(weights).max() <= 0.05 + 1e-6
    assert weights.min() < 0
    assert np.abs(weights).sum(axis=1).max() <= 2 + 1e-5
    for day, held in zip(models, weights, strict=True):
        own = held[np.isin(panel.assets, day.assets)]
        even = np.full(len(own), 1 / len(own))
        beta = day.model.apply(even) @ own / day.model.variance(even)
        assert abs(beta) <= 0.10 + 1e-5
    # All dates are of one year, and what is left after the first purchase is spread over it.
    assert made.turnover[0] <= 1 + 1e-5
    assert made.turnover[1:].max() < 0.06
    assert made.turnover.sum() <= MARKET_NEUTRAL.annual_turnover + 1e-6
    # Once a name is delisted, and what replaces it is more than a day's share.
    assert len(made.relaxed) == 1
    assert "2024-09-12: turnover" in made.relaxed[0]
    assert "limits that gave way: 1, first 2024-09-12: turnover" in made.summary


def test_a_years_turnover_is_spread_over_its_rest_and_begins_anew_with_the_next():
    """Scores that change sign want to turn everything over each time, and get what the calendar leaves them.

    Of the 3 of a year the first purchase takes 1 (a gross of 2 from cash). On 28 December 28 of 31 days have gone by,
    and that share of the other 2 may be used; on the 29th it is one of three days. The new year has 3 again, of which
    a decision on its second day, four days after the last, may use 4 of 368.
    """
    dates = np.array(["2023-11-30", "2023-12-28", "2023-12-29", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    assets = np.array([f"A{i:02d}" for i in range(50)])
    shape = len(dates), len(assets)
    fields = {"close": np.ones(shape), "volume": np.full(shape, 1e12)}
    panel = Panel(dates, assets, fields, np.ones(shape, dtype=np.bool_))
    model = FactorModel(np.zeros((50, 1)), np.eye(1), np.full(50, 0.04 / 252))
    signs = np.where(np.arange(50) % 2, 1.0, -1.0)
    scores = np.outer([1, -1, 1, -1, 1], signs)
    settings = allocator(ic=0.5, horizon_days=1, risk_aversion=1.0, mandate="market_neutral")
    made = decide(panel, [DayModel(day, assets, model) for day in dates], scored(panel, scores), settings)
    used = [1.0, 2.0 * 28 / 31]
    used.append((3 - sum(used)) / 3)
    used.append(3 * 4 / 368)
    used.append((3 - used[-1]) / 364)
    assert_allclose(made.turnover, used, atol=2e-5)
    assert made.relaxed == ()


def study_settings(folder, *allocators, **changes):
    values = {
        "name": "learned",
        "data": SimulatedData(n_assets=30, n_days=420, seed=2),
        "allocators": (*allocators, AllocatorSettings(name="Equal weight", rule="equal_weight")),
        "benchmark": "Equal weight",
        "rebalance": "weekly",
        "folds": FoldSettings(lookback_days=252, test_days=63),
        "runs": str(folder),
    }
    return PortfolioSettings(**(values | changes))


REVERSAL = ForecastChoice(control="reversal")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Reversal, the same from a store, and a market-neutral one, beside equal weight."""
    folder = tmp_path_factory.mktemp("learned")
    calm = allocator(name="Reversal", max_weight=0.2, forecasts=REVERSAL)
    source = load_portfolios(study_settings(folder / "runs", calm))
    scores = read_forecasts(
        REVERSAL, source.panel, study_trials(source.settings, source.panel)["Reversal"][0].split, folder
    )
    store = ForecastStore(folder / "forecasts")
    store.write("gat", scores.dates[:-30], scores.assets, scores.values[:-30], {"fit": "none"})
    stored = ForecastChoice(store=store.uri, model="gat")
    settings = study_settings(
        folder / "runs",
        calm,
        allocator(name="Stored", max_weight=0.2, forecasts=stored),
        allocator(name="Neutral", forecasts=REVERSAL, mandate="market_neutral"),
    )
    source = load_portfolios(settings)
    return source, run_portfolios(source, Serial()), store


def test_a_study_records_the_version_of_its_forecasts(study):
    source, result, store = study
    assert source.settings.allocators[1].alpha.forecasts.version == 0
    folder = write("portfolios", source, find_portfolios(source, result))
    assert "version: 0\n" in (folder / "settings.yaml").read_text()
    for file in ("study.json", "report.html"):
        assert "Stored on forecasts of gat, version 0: " in (folder / file).read_text()
    # A later version is another run, and the first can be had again.
    first = store.load("gat")
    store.write("gat", first.dates, first.assets, -first.values)
    later = run_portfolios(load_portfolios(source.settings.model_copy(deep=True)), Serial())
    assert later.digest == result.digest
    unpinned = allocator(name="Stored", max_weight=0.2, forecasts=ForecastChoice(store=store.uri, model="gat"))
    moved = load_portfolios(study_settings(source.settings.runs, unpinned))
    assert moved.settings.allocators[0].alpha.forecasts.version == 1
    assert run_portfolios(moved, Serial()).records[0].digest() != result.records[1].digest()


def test_stored_forecasts_are_the_control_until_they_end(study):
    _, result, _ = study
    control, stored, neutral, _ = result.records
    same = len(control.nav) - 30
    assert_array_equal(control.nav[:same], stored.nav[:same])
    assert control.nav[-1] != stored.nav[-1]
    assert "Reversal on forecasts of the control reversal: 0.0% of scores missing, 0 of" in result.notes[0]
    assert "0.0% of scores" not in result.notes[1]
    assert neutral.weights.min() < 0


def test_forecasters_share_models_of_risk(study):
    source, result, _ = study
    trials = study_trials(source.settings, source.panel)
    keys = {name: [trial_key(source.panel, trial) for trial in group] for name, group in trials.items()}
    assert keys["Reversal"] == keys["Stored"] == keys["Neutral"] != keys["Equal weight"]
    assert (result.n_computed, result.n_reused) == (2 * len(keys["Reversal"]) + len(trials), 0)
    other = trials["Reversal"][0]
    fewer = replace(other, allocator=other.allocator.model_copy(update={"n_factors": 2}))
    assert trial_key(source.panel, fewer) != keys["Reversal"][0]
    again = run_portfolios(source, Serial())
    assert (again.n_computed, again.n_reused, again.digest) == (0, result.n_computed, result.digest)


def test_models_come_back_as_they_were_made(study):
    source, _, _ = study
    trials = study_trials(source.settings, source.panel)["Reversal"]
    results = ResultStore(Path(source.settings.runs) / "results")
    days = list(models_from(results, [trial_key(source.panel, trial) for trial in trials]))
    assert_array_equal([d.date for d in days], np.concatenate([t.decision_dates(source.panel.dates) for t in trials]))
    history = trials[0].history(source.panel)
    among = eligible(history, history.row(days[0].date), trials[0])
    made = statistical_factors(among.returns)
    assert_array_equal(days[0].assets, history.assets[among.columns])
    assert_array_equal(days[0].model.loadings, made.loadings)
    assert_array_equal(days[0].model.specific_variance, made.specific_variance)


def test_truncating_the_future_changes_no_decision(study, tmp_path):
    source, result, _ = study
    settings = source.settings.model_copy(update={"runs": str(tmp_path)})
    shorter = replace(source, data=replace(source.data, panel=source.panel.until(370)), settings=settings)
    part = run_portfolios(shorter, Serial())
    for whole, short in zip(result.records, part.records, strict=True):
        assert_array_equal(short.nav, whole.nav[: len(short.nav)])


@pytest.mark.ray
def test_a_study_on_forecasts_gives_the_same_digest_on_ray(study, ray_cluster, tmp_path):
    from quantray.distributed.executor import OnRay

    source, result, _ = study
    settings = source.settings.model_copy(update={"runs": str(tmp_path)})
    assert run_portfolios(replace(source, settings=settings), OnRay()).digest == result.digest


def test_a_missing_store_of_forecasts_is_named_before_any_work(tmp_path):
    lost = allocator(forecasts=ForecastChoice(store=str(tmp_path / "none"), model="gat"))
    with pytest.raises(DataError, match="there is no forecast store at .*none"):
        load_portfolios(study_settings(tmp_path, lost))
    with pytest.raises(DataError, match="there is no forecast store at .*/runs/forecasts"):
        load_portfolios(study_settings(tmp_path / "runs", allocator(forecasts=ForecastChoice(model="gat"))))


def test_a_score_says_more_of_a_longer_year():
    """A year of 365 days holds 73 periods of five days."""
    got = expected_returns(np.array([1.0, 3.0]), np.array([0.2, 0.4]), ic=0.05, horizon_days=5, periods_per_year=365)
    assert_allclose(got, np.array([-0.2, 0.4]) * 0.05 * np.sqrt(73))


def test_a_sequence_may_be_cut_anywhere_and_gone_on_with(planted):
    """Decisions one at a time, each from what the one before left, are those of one go."""
    panel, models, forecasts = planted
    some = models[:12:4]
    neutral = allocator(max_weight=0.15, ic=0.2, horizon_days=1, mandate="market_neutral")
    for settings in (LONG, neutral):
        whole = decide(panel, some, forecasts, settings, costs=LinearCosts(1.0))
        start, terms = None, Accounting(lag=1)
        for number, day in enumerate(some):
            made = alpha_decisions(
                panel, [day], forecasts, settings, costs=LinearCosts(1.0), accounting=terms, start=start
            )
            assert_allclose(made.decisions.weights[0], whole.decisions.weights[number], atol=2e-6)
            if number + 1 < len(some):
                row, later = panel.row(day.date) + 1, panel.row(some[number + 1].date)
                growth = panel.field("close")[later] / panel.field("close")[row]
                held = drifted(made.decisions.weights[0], np.where(made.decisions.weights[0] != 0, growth, 1.0))
                used = whole.turnover[: number + 1].sum()
                start = Start(held, used_turnover=used, decided=day.date)


def test_holdings_of_other_assets_are_refused(planted):
    panel, models, forecasts = planted
    with pytest.raises(InputError, match="must be one weight for each asset of the panel"):
        alpha_decisions(
            panel,
            models[:1],
            forecasts,
            LONG,
            costs=LinearCosts(1.0),
            accounting=Accounting(),
            start=Start(np.zeros(3)),
        )
