"""The sweep on markets where it is known whether regimes help, and how."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.bootstrap import Resampling
from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import NetReturns, net_returns
from quantray.data.calendar import trading_days
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.strategies.catalogue import CATALOGUE
from quantray.strategies.rule import StrategyResult
from quantray.studies.evaluation.families import CrossFamily, RuleFamily, TradingTerms
from quantray.studies.evaluation.search import Axis, Space
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.regime_search import BEST, MIX, Design, Regimes, SearchCell, Task
from quantray.studies.sweep.study import sweep

DAYS = 900
DESIGN = Design(
    train_days=250, test_days=100, warm_up_days=20, min_days=40, blocks=8, resampling=Resampling(n_samples=300)
)


@dataclass(frozen=True)
class Tilt:
    """So much of NAV in every name, whatever happens."""

    name: str = "Tilt"
    default: tuple = (("side", 0.5),)

    @property
    def space(self):
        return Space((Axis("side", (-1.0, -0.5, 0.5, 1.0)),), self.allows)

    def allows(self, parameters):
        return True

    def identity(self, parameters):
        return repr(parameters)

    def group(self, parameters):
        return 0

    def targets(self, panel, sets, terms) -> Iterator[StrategyResult]:
        for ((_, side),) in sets:
            yield StrategyResult(np.full(panel.shape, side / panel.shape[1]), np.zeros(len(panel.dates)))

    def evaluate(self, panel, sets, terms) -> list[NetReturns]:
        close = panel.field("close")
        return [
            net_returns(target.weights, close, costs_bps=terms.costs.bps(panel.fields), lag=terms.lag)
            for target in self.targets(panel, sets, terms)
        ]


@dataclass(frozen=True)
class Dice(Tilt):
    """Weights drawn anew each day: no set is better than another, and all lose their costs."""

    name: str = "Dice"
    default: tuple = (("throw", 0),)

    @property
    def space(self):
        return Space((Axis("throw", tuple(range(24))),), self.allows)

    def targets(self, panel, sets, terms) -> Iterator[StrategyResult]:
        for ((_, throw),) in sets:
            draws = np.random.default_rng(1000 + throw).normal(0, 0.1, panel.shape)
            yield StrategyResult(draws, np.zeros(len(panel.dates)))


def panel_of(drift, seed=0):
    """Four names whose mean returns of each day are given; a decision at t earns drift[t + 2]."""
    returns = np.random.default_rng(seed).normal(0, 0.01, (len(drift), 4)) + drift[:, None]
    dates = trading_days("2019-01-01", "2024-12-31")[: len(drift)]
    close = 100 * np.cumprod(1 + returns, axis=0)
    return Panel(dates, np.array(["A", "B", "C", "D"]), {"close": close}, np.ones(close.shape, dtype=bool))


def alternating(length=30):
    return (np.arange(DAYS) // length) % 2


@pytest.fixture(scope="module")
def helpful(tmp_path_factory):
    """Up in the first regime and down in the second, by a fifth of a percent a day."""
    labels = alternating()
    earned = np.roll(labels, 2)
    panel = panel_of(np.where(earned == 0, 0.002, -0.002))
    store = ResultStore(tmp_path_factory.mktemp("results"))
    regimes = Regimes(("up", "down"), labels)
    return panel, regimes, store, sweep(panel, regimes, [Tilt()], Serial(), store, design=DESIGN)


def test_conditioning_helps_where_regimes_matter(helpful):
    _, _, _, record = helpful
    outcome = record.outcome("Tilt")
    assert outcome.sharpe["conditional"].mean > 3
    assert outcome.over_unconditional.interval.low > 0
    assert outcome.over_default.interval.low > 0
    by_regime = {c.scope: dict(c.parameters)["side"] for c in record.choices if c.fold == 1}
    assert by_regime["up"] > 0 > by_regime["down"]
    assert all(c.own for c in record.choices)
    assert record.overfitting["Tilt", "up"].probability < 0.05
    assert record.scores() == {
        (scope, "Tilt"): record.outcome("Tilt", scope).sharpe["conditional"].mean for scope in ("up", "down")
    }


def test_conditioning_does_not_help_where_they_do_not(tmp_path):
    labels = np.random.default_rng(5).integers(0, 2, DAYS)
    panel = panel_of(np.full(DAYS, 0.001), seed=6)
    record = sweep(panel, Regimes(("a", "b"), labels), [Tilt()], Serial(), ResultStore(tmp_path), design=DESIGN)
    assert record.outcome("Tilt").over_unconditional.interval.low <= 0


def test_luck_is_called_luck(tmp_path):
    """Choosing among dice looks fine in training, and nowhere else."""
    panel = panel_of(np.zeros(DAYS), seed=7)
    free = replace(DESIGN, terms=TradingTerms(costs=LinearCosts(0.0)))
    record = sweep(panel, Regimes(("a", "b"), alternating()), [Dice()], Serial(), ResultStore(tmp_path), design=free)
    own = [c for c in record.choices if c.own]
    assert np.mean([c.train_sharpe for c in own]) > 1.0
    assert abs(np.nanmean([c.test_sharpe for c in own])) < 0.8
    assert np.mean([c.deflated.probability >= 0.95 for c in own]) <= 0.05
    assert np.mean([o.probability for o in record.overfitting.values()]) > 0.1
    assert all(c.n_trials == c.deflated.n_trials == 24 for c in own)
    assert 0.0 in record.outcome("Dice").over_unconditional.interval


@pytest.mark.slow
def test_the_winner_among_averages_is_refused_where_prices_are_noise(tmp_path):
    """Sets of one rule are much alike: their number must not be talked down."""
    design = replace(
        DESIGN,
        train_days=400,
        warm_up_days=200,
        terms=TradingTerms(costs=LinearCosts(0.0)),
        resampling=Resampling(n_samples=100),
    )
    accepted = 0
    for seed in range(50):
        panel = panel_of(np.zeros(640), seed=seed)
        regimes = Regimes(("a",), np.full(640, -1))
        record = sweep(panel, regimes, [CrossFamily()], Serial(), ResultStore(tmp_path), design=design)
        accepted += record.choices[0].deflated.probability >= 0.95
    assert accepted <= 2, accepted


def test_the_winner_among_all_strategies_answers_for_the_sets_of_all(tmp_path):
    labels = alternating()
    panel = panel_of(np.where(np.roll(labels, 2) == 0, 0.002, -0.002))
    families, regimes = [Dice(), Tilt()], Regimes(("up", "down"), labels)
    record = sweep(panel, regimes, families, Serial(), ResultStore(tmp_path), design=DESIGN)
    chosen = {(c.strategy, c.fold, c.scope): c for c in record.choices}
    for fold in range(len(record.folds)):
        for scope in (ALL, "up", "down"):
            winner = chosen[BEST, fold, scope]
            rivals = [chosen[family.name, fold, scope] for family in families]
            better = max(rivals, key=lambda choice: choice.train_sharpe)
            assert winner.parameters == (("strategy", better.strategy), *better.parameters)
            assert (winner.train_sharpe, winner.test_sharpe) == (better.train_sharpe, better.test_sharpe)
            assert winner.n_trials == winner.deflated.n_trials == sum(choice.n_trials for choice in rivals) == 28
    assert record.overfitting[BEST, "up"].n_trials == 28
    assert record.searched == ("Dice", "Tilt")
    assert {strategy for _, strategy in record.scores()} == {"Dice", "Tilt"}


def test_the_streams_are_those_of_the_choices(helpful):
    """Rebuilt with plain loops: each day's position is that of the regime known when it was decided."""
    panel, regimes, _, record = helpful
    task = Task.of(panel, regimes, (Tilt(),), DESIGN)
    weights = np.zeros(panel.shape)
    for fold, split in enumerate(task.splits):
        rows = split.rows(panel.dates)
        for t in range(rows.test.start, rows.test.stop):
            scope = regimes.names[regimes.labels[t]]
            (choice,) = [c for c in record.choices if (c.fold, c.scope) == (fold, scope)]
            weights[t] = dict(choice.parameters)["side"] / 4
    expected = net_returns(weights, panel.field("close"), costs_bps=LinearCosts(5.0).bps(panel.fields), lag=1)
    start = task.splits[0].rows(panel.dates).test.start + 2
    assert_allclose(record.stream("Tilt", "conditional").returns, expected.returns[start:], atol=1e-15)
    assert record.dates[0] == panel.dates[start]


def test_training_ends_before_its_test_begins(helpful):
    panel, regimes, _, _ = helpful
    task = Task.of(panel, regimes, (Tilt(),), DESIGN)
    for fold in range(len(task.splits)):
        train, test = (np.flatnonzero(task.days(part, SearchCell("Tilt", fold, -1))) for part in ("train", "test"))
        # The first test decision comes after the embargo; what it earns, two days later still.
        assert test[0] - 2 - train[-1] > DESIGN.embargo + 2
        assert train[0] >= DESIGN.warm_up_days + 2


def test_the_future_changes_nothing(helpful, tmp_path):
    panel, regimes, _, record = helpful
    cut = 600
    short = sweep(
        panel.until(cut - 1),
        Regimes(regimes.names, regimes.labels[:cut]),
        [Tilt()],
        Serial(),
        ResultStore(tmp_path),
        design=DESIGN,
    )
    for ours, theirs in zip(short.streams, record.streams, strict=True):
        assert_allclose(ours.returns, theirs.returns[: len(ours.returns)], atol=1e-16)
    for choice in short.choices[:6]:
        (same,) = [c for c in record.choices if (c.fold, c.scope) == (choice.fold, choice.scope)]
        assert choice.parameters == same.parameters
        assert choice.train_sharpe == same.train_sharpe


def test_a_regime_with_too_few_days_takes_the_choice_for_all_days(tmp_path):
    labels = np.zeros(DAYS, dtype=np.int64)
    labels[:30] = -1
    labels[500:520] = 1
    panel = panel_of(np.full(DAYS, 0.001))
    record = sweep(panel, Regimes(("a", "b"), labels), [Tilt()], Serial(), ResultStore(tmp_path), design=DESIGN)
    by_scope = {(c.fold, c.scope): c for c in record.choices}
    assert not any(c.own for c in record.choices if c.scope == "b")
    assert by_scope[2, "b"].parameters == by_scope[2, ALL].parameters
    assert [s.scope for s in record.stability] == [ALL, "a"]


FAMILIES = [RuleFamily(CATALOGUE["momentum_10_50"]), CrossFamily(fast=(5, 10, 20), slow=(30, 60))]


@pytest.fixture(scope="module", params=["grid", "random", "tpe"])
def swept(request, market, tmp_path_factory):
    panel = market.panel.select(market.panel.assets[:12])
    regimes = Regimes(("first", "second"), alternating()[:700])
    design = replace(DESIGN, method=request.param, trials=6, generation=3, test_days=150, batch=7)
    families = FAMILIES[1:] if request.param == "grid" else FAMILIES
    store = ResultStore(tmp_path_factory.mktemp("results"))
    return panel, regimes, families, design, store, sweep(panel, regimes, families, Serial(), store, design=design)


def test_the_same_call_again_computes_nothing(swept):
    panel, regimes, families, design, store, record = swept
    again = sweep(panel, regimes, families, Serial(), store, design=design)
    assert (again.n_computed, again.n_reused) == (0, record.n_computed + record.n_reused)
    assert again.digest == record.digest


def test_an_interrupted_sweep_computes_only_the_rest(swept):
    panel, regimes, families, design, store, record = swept
    lost = sorted(store.root.rglob("*.parquet"))[::3]
    for file in lost:
        file.unlink()
    again = sweep(panel, regimes, families, Serial(), store, design=design)
    assert again.n_computed == len(lost)
    assert again.digest == record.digest


@pytest.mark.slow
def test_units_of_another_size_give_the_same_digest(swept, tmp_path):
    panel, regimes, families, design, _, record = swept
    other = sweep(panel, regimes, families, Serial(), ResultStore(tmp_path), design=replace(design, batch=1))
    assert other.digest == record.digest


@pytest.mark.ray
def test_on_ray_the_digest_is_the_same(swept, tmp_path, ray_cluster):
    from quantray.distributed.executor import OnRay

    panel, regimes, families, design, _, record = swept
    other = sweep(panel, regimes, families, OnRay(), ResultStore(tmp_path), design=design)
    assert other.digest == record.digest


def test_tables_and_mixtures(swept):
    _, regimes, families, design, _, record = swept
    names = [family.name for family in families]
    assert record.strategies == tuple(names) + ((BEST, MIX) if len(names) > 1 else ())
    shares = [record.stream(name, "default").returns for name in names]
    if len(names) > 1:
        assert_allclose(record.stream(MIX, "default").returns, np.mean(shares, axis=0))
    for table in record.stability:
        assert table.sharpe.shape == (len(table.sets), len(record.folds))
        assert -1 <= table.persistence <= 1 or np.isnan(table.persistence)
        for fold, chosen in enumerate(table.chosen):
            (choice,) = [
                c for c in record.choices if (c.strategy, c.scope, c.fold) == (table.strategy, table.scope, fold)
            ]
            assert choice.own == (chosen >= 0)
            if chosen >= 0:
                assert choice.parameters == table.sets[chosen]
                assert choice.train_sharpe == np.nanmax(table.sharpe[:, fold])
    assert all(0 <= o.probability <= 1 for o in record.overfitting.values())
    assert record.n_sets == len({(t.strategy, s) for t in record.stability for s in t.sets})


def test_the_best_in_training_holds_one_of_the_strategies(swept):
    _, _, families, _, _, record = swept
    if len(families) > 1:
        best = record.stream(BEST, "unconditional").returns
        others = np.stack([record.stream(f.name, "unconditional").returns for f in families])
        # On most days it earns what one of them does; days after a change differ by its costs.
        assert np.mean(np.isclose(best, others, atol=1e-12).any(axis=0)) > 0.95


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"families": []}, "one or more with different names"),
        ({"families": [Tilt(), Tilt()]}, "one or more with different names"),
        ({"families": [Tilt(name=BEST)]}, "none 'Best in training'"),
        ({"regimes": Regimes(("a",), np.zeros(5, dtype=np.int64))}, "5 labels for 900 days"),
        ({"design": replace(DESIGN, train_days=5000)}, "trading days are too few"),
    ],
)
def test_wrong_input_is_refused(helpful, change, text):
    panel, regimes, store, _ = helpful
    values = {"panel": panel, "regimes": regimes, "families": [Tilt()], "design": DESIGN} | change
    with pytest.raises(InputError, match=text):
        sweep(values["panel"], values["regimes"], values["families"], Serial(), store, design=values["design"])


def test_sharpe_ratios_are_of_a_year_of_the_panel(helpful, tmp_path):
    """A longer year changes no choice and no stream, and every yearly ratio by the root of its length."""
    panel, regimes, _, usual = helpful
    other = sweep(
        replace(panel, periods_per_year=365), regimes, [Tilt()], Serial(), ResultStore(tmp_path), design=DESIGN
    )
    root = np.sqrt(365 / 252)
    assert other.periods_per_year == 365
    for one, two in zip(other.streams, usual.streams, strict=True):
        assert_allclose(one.returns, two.returns)
    for one, two in zip(other.choices, usual.choices, strict=True):
        assert one.parameters == two.parameters
        assert_allclose([one.train_sharpe, one.test_sharpe], np.array([two.train_sharpe, two.test_sharpe]) * root)
        assert one.deflated.probability == pytest.approx(two.deflated.probability)
    for one, two in zip(other.outcomes, usual.outcomes, strict=True):
        assert one.sharpe["conditional"].interval.low == pytest.approx(two.sharpe["conditional"].interval.low * root)
        assert one.over_default.mean == pytest.approx(two.over_default.mean * root)
    for key, found in other.overfitting.items():
        assert_allclose(found.chosen_inside, usual.overfitting[key].chosen_inside * root)
