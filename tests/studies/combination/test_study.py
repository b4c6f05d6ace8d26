"""Capital on strategies: by hand, without a look ahead, and against a plain loop."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.bootstrap import Resampling
from quantray.backtest.costs import LinearCosts
from quantray.backtest.positions import Positions, execution_returns
from quantray.errors import DataError, InputError
from quantray.portfolio.strategy_mix import DrawdownRule, strategy_mix
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.strategies.catalogue import CATALOGUE
from quantray.strategies.rule import StrategyResult
from quantray.studies.combination.record import BEST, EQUAL, MIX, Member
from quantray.studies.combination.report import account_metrics
from quantray.studies.combination.study import MixDesign, Played, allocate, combine, decision_rows, hold_shares
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.families import RuleFamily, TradingTerms
from quantray.studies.evaluation.search import Axis, Space

DESIGN = MixDesign(
    lookback_days=80,
    min_days=40,
    warm_up_days=60,
    batch=2,
    drawdown=DrawdownRule(start=0.02, stop=0.1),
    resampling=Resampling(n_samples=200),
)
NAMES = ("momentum_5_20", "bollinger_20", "rsi_14", "crisis_alpha")


@dataclass(frozen=True)
class Tilt:
    """So much of NAV in every name, whatever happens."""

    name: str = "tilt"
    default: tuple = (("side", 0.5),)

    @property
    def space(self):
        return Space((Axis("side", (-0.5, 0.5)),), self.allows)

    def allows(self, parameters):
        return True

    def identity(self, parameters):
        return repr(parameters)

    def group(self, parameters):
        return 0

    def targets(self, panel, sets, terms) -> Iterator[StrategyResult]:
        for ((_, side),) in sets:
            yield StrategyResult(np.full(panel.shape, side / panel.shape[1]), np.zeros(len(panel.dates)))


def members_of(names=NAMES, count=3):
    found = []
    for name in names:
        family = RuleFamily(CATALOGUE[name])
        for i, parameters in enumerate(family.space.draw(count, seed=1)):
            found.append(Member(f"{name} {i}", name, CATALOGUE[name].family, parameters))
    return found


def families_of(names=NAMES):
    return [RuleFamily(CATALOGUE[name]) for name in names]


@pytest.fixture(scope="module")
def small(market):
    return market.panel.select(market.panel.assets[:12]).until(420)


@pytest.fixture(scope="module")
def ran(small, tmp_path_factory):
    store = ResultStore(tmp_path_factory.mktemp("results"))
    record = combine(small, members_of(), families_of(), Serial(), store, design=DESIGN, ensemble=EnsembleFamily())
    return store, record


def played_of(returns, weights, close, rows, *, costs_bps, lag=1):
    positions = tuple(Positions.of(w, execution_returns(close, rows, lag), rows) for w in weights)
    still = np.zeros(returns.shape)
    return Played(returns, still, still, positions, close.shape[1], costs_bps)


def test_two_strategies_by_hand():
    """One long, one short of a single name that stands still; both earn what is written down."""
    returns = np.zeros((10, 2))
    returns[4], returns[5], returns[7] = (0.10, -0.05), (0.0, 0.20), (0.01, 0.02)
    weights = [np.full((10, 1), 1.0), np.full((10, 1), -0.5)]
    shares = np.array([[0.5, 0.4], [0.2, 0.6]])
    rows = np.array([2, 5])
    played = played_of(returns, weights, np.full((10, 1), 8.0), rows, costs_bps=100.0)
    account = hold_shares("a", shares, rows, played)
    # Day 4 is the first to earn. The purchase of 0.5 long and 0.2 short is one of 0.3, at one percent.
    assert account.returns[0] == pytest.approx((1 - 0.003) * (1 + 0.5 * 0.10 - 0.4 * 0.05) - 1)
    nav = 1 + 0.05 - 0.02
    assert account.returns[1] == pytest.approx(0.38 * 0.20 / nav)
    # Decided on day 5, traded at the close of day 6, and earning from day 7 on.
    nav += 0.38 * 0.2
    moved = 0.2 - 0.55 / nav, 0.6 - 0.38 * 1.2 / nav
    measured = account.netting
    assert measured.moved_gross[1] == pytest.approx(abs(moved[0]) + 0.5 * abs(moved[1]))
    assert measured.moved_net[1] == pytest.approx(abs(moved[0] - 0.5 * moved[1]))
    left = 1 - 0.01 * measured.moved_net[1]
    assert account.returns[3] == pytest.approx(left * (1 + 0.2 * 0.01 + 0.6 * 0.02) - 1)
    assert_allclose(measured.exposure_gross, [0.5 + 0.2, 0.2 + 0.3])
    assert_allclose(measured.exposure_net, [0.3, 0.1])
    assert_allclose(measured.traded_gross, 0)
    assert_allclose(account.turnover[[0, 1, 3]], [0.15, 0, 0.5 * measured.moved_net[1]])
    assert_allclose(measured.effective_names, 1)
    assert_allclose(measured.moving_cost_gross, 0.01 * measured.moved_gross)
    assert_allclose(account.costs[[0, 1, 3]], [0.003, 0, 0.01 * measured.moved_net[1]])


def test_moving_capital_pays_the_spread_of_each_name_on_the_day_of_the_trade():
    """Decided on day 2: half of NAV into a strategy of two names, traded on day 3."""
    rows, weights, close = np.array([2]), np.tile([0.6, -0.4], (8, 1)), np.full((8, 2), 8.0)
    spreads = np.full((8, 2), 9999.0)
    spreads[3] = 10.0, 30.0
    played = played_of(np.zeros((8, 1)), [weights], close, rows, costs_bps=spreads)
    account = hold_shares("a", np.array([[0.5]]), rows, played)
    assert_allclose(account.costs, [0.5 * (0.6 * 10e-4 + 0.4 * 30e-4), 0, 0, 0])
    assert_allclose(account.returns, -account.costs)


def test_opposite_strategies_cancel(small, tmp_path):
    """A strategy and its mirror image in equal shares hold nothing in one book, and trade it only as NAVs drift."""
    pair = [Member(f"tilt {side}", "tilt", "either", (("side", side),)) for side in (0.5, -0.5)]
    design = replace(DESIGN, method="equal", drawdown=None, max_correlation=1.0)
    record = combine(small, pair, [Tilt()], Serial(), ResultStore(tmp_path), design=design)
    measured = record.account(MIX).netting
    assert_allclose(measured.exposure_gross, 0.5)
    assert_allclose(measured.exposure_net, 0, atol=1e-15)
    assert (measured.traded_gross > 0).all()
    assert (measured.traded_net < 0.5 * measured.traded_gross).all()
    assert (measured.moved_net <= measured.moved_gross + 1e-15).all()
    # Losses of one are gains of the other; what is lost is costs.
    assert_allclose(record.account(EQUAL).returns, record.account(MIX).returns)


def test_accounts_follow_a_plain_loop(ran, small):
    """Money in each strategy, day by day."""
    _, record = ran
    account, lag = record.account(MIX), 1
    rows = np.searchsorted(small.dates, record.decided)
    first = rows[0] + lag + 1
    money, cash, nav = np.zeros(len(record.members)), 1.0, 1.0
    for i, day in enumerate(range(first, len(small.dates))):
        before = nav
        if day - lag - 1 in rows:
            k = int(np.searchsorted(rows, day - lag - 1))
            nav *= 1 - account.netting.moving_cost_net[k]
            money = nav * account.shares[k, : len(money)]
            cash = nav - money.sum()
        money = money * (1 + record.member_returns[i])
        nav = money.sum() + cash
        assert nav / before - 1 == pytest.approx(account.returns[i], abs=1e-14)


def test_the_first_purchase_buys_the_book(ran, small):
    """With nothing held before, moves and the strategies' trades together are the whole book."""
    _, record = ran
    measured = record.account(BEST).netting
    assert measured.exposure_net[0] <= measured.moved_net[0] + measured.traded_gross[0] + 1e-12
    assert_allclose(measured.moved_net[1:], 0, atol=1e-12)


def test_decisions_are_those_of_strategy_mix(ran, small):
    _, record = ran
    rows = np.searchsorted(small.dates, record.decided)
    offset = rows[0] + 2
    k = len(rows) - 1
    window = record.member_returns[rows[k] + 1 - 80 - offset : rows[k] + 1 - offset]
    alone = strategy_mix(
        window, names=[m.name for m in record.members], drawdown=DESIGN.drawdown, min_days=DESIGN.min_days
    )
    assert_allclose(alone.weights, record.account(MIX).shares[k, : len(record.members)], atol=1e-12)
    assert alone.dropped == record.decisions[k].dropped


def test_nothing_is_read_too_early(ran, small, tmp_path):
    _, record = ran
    cut = small.until(int(np.searchsorted(small.dates, record.decided[3])) + 10)
    part = combine(
        cut, members_of(), families_of(), Serial(), ResultStore(tmp_path), design=DESIGN, ensemble=EnsembleFamily()
    )
    n_days, n_decided = len(part.dates), len(part.decided)
    assert n_decided == 4
    for name in (MIX, EQUAL, "Regime-aware ensemble"):
        early, late = part.account(name), record.account(name)
        assert_allclose(early.shares, late.shares[:n_decided], atol=1e-12)
        assert_allclose(early.returns, late.returns[:n_days], atol=1e-14)
        assert_allclose(early.turnover, late.turnover[:n_days], atol=1e-12)


def test_order_of_assets_does_not_matter(ran, small, tmp_path):
    _, record = ran
    mirrored = small.select(small.assets[::-1])
    names = ("momentum_5_20", "rsi_14")
    runs = [
        combine(panel, members_of(names), families_of(names), Serial(), ResultStore(tmp_path), design=DESIGN)
        for panel in (small, mirrored)
    ]
    for name in (MIX, EQUAL):
        assert_allclose(runs[0].account(name).returns, runs[1].account(name).returns, atol=1e-12)


def test_a_second_run_computes_only_the_rest(small, tmp_path):
    store, members = ResultStore(tmp_path), members_of()
    half = combine(small, members[:6], families_of(), Serial(), store, design=DESIGN)
    assert (half.n_computed, half.n_reused) == (6, 0)
    whole = combine(small, members, families_of(), Serial(), store, design=DESIGN)
    assert (whole.n_computed, whole.n_reused) == (6, 6)
    again = combine(small, members, families_of(), Serial(), store, design=DESIGN)
    assert (again.n_computed, again.n_reused) == (0, 12)
    assert again.digest == whole.digest != half.digest
    # Other terms are other results.
    more_expensive = replace(DESIGN, terms=TradingTerms(costs=LinearCosts(9.0)))
    assert combine(small, members[:2], families_of(), Serial(), store, design=more_expensive).n_computed == 2


def test_best_in_hindsight_is_the_best(ran):
    _, record = ran
    ratios = record.member_returns.mean(axis=0) / record.member_returns.std(axis=0, ddof=1)
    assert record.best == np.argmax(ratios)
    best = record.account(BEST)
    # It pays for its first purchase, and is the strategy from then on.
    assert_allclose(best.returns[1:], record.member_returns[1:, record.best], atol=1e-12)
    assert record.outcome(BEST).deflated.n_trials == len(record.members)
    assert record.outcome(MIX).mix_over is None


def test_strategies_get_nothing_before_they_hold_something():
    returns = np.zeros((30, 2))
    returns[5:, 0], returns[12:, 1] = 0.01, -0.01
    turnover = np.zeros((30, 2))
    turnover[4, 0] = 0.5
    known = Played(returns, turnover, 0 * turnover, (), 1, 5.0).since_first_trade
    assert np.isnan(known[:4, 0]).all()
    assert known[4, 0] == 0
    assert np.isnan(known[:12, 1]).all()
    assert not np.isnan(known[12:]).any()


def test_decision_days(small):
    rows = decision_rows(small.dates, DESIGN)
    assert rows[0] >= 60 + 80 - 1
    assert rows[-1] + 2 < len(small.dates)
    months = small.dates.astype("datetime64[M]")
    assert (months[rows] != months[rows + 1]).all()
    assert len(decision_rows(small.dates, replace(DESIGN, rebalance="weekly"))) > 3 * len(rows)
    with pytest.raises(InputError, match="hold no monthly rebalance after 60 days of warm-up"):
        decision_rows(small.dates[:150], DESIGN)


def test_wrong_input_is_refused(small, tmp_path):
    members, store = members_of(), ResultStore(tmp_path)
    with pytest.raises(InputError, match="give two or more, each once"):
        combine(small, members[:1], families_of(), Serial(), store)
    with pytest.raises(InputError, match="2 strategies with 1 names"):
        combine(small, [members[0], members[0]], families_of(), Serial(), store)
    with pytest.raises(InputError, match="belong to none of bollinger_20"):
        combine(small, members, [RuleFamily(CATALOGUE["bollinger_20"])], Serial(), store)
    with pytest.raises(InputError, match="min_days 300 must lie between 2 and lookback_days 252"):
        MixDesign(min_days=300)
    played = Played(*np.zeros((3, 10, 2)), (), 1, 5.0)
    with pytest.raises(InputError, match="shares are"):
        hold_shares("a", np.zeros((1, 3)), np.array([2]), played)
    with pytest.raises(InputError, match="must not be negative nor sum to more than 1"):
        hold_shares("a", np.array([[0.7, 0.7]]), np.array([2]), played)


def test_a_day_without_any_history_is_named(small):
    known = np.full((len(small.dates), 2), np.nan)
    row = np.array([200])
    with pytest.raises(DataError, match=f"on {small.dates[200]} none of 2 strategies has 40 days"):
        allocate(known, row, small.dates, ["a", "b"], DESIGN)


@pytest.mark.ray
def test_ray_gives_the_same_digest(ran, small, tmp_path, ray_cluster):
    from quantray.distributed.executor import OnRay

    _, record = ran
    store = ResultStore(tmp_path)
    far = combine(small, members_of(), families_of(), OnRay(), store, design=DESIGN, ensemble=EnsembleFamily())
    assert far.digest == record.digest
    assert len(far.peak_workers) >= 1
    assert record.peak_workers == ()


def test_measures_are_of_a_year_of_the_panel(ran, small, tmp_path):
    names = ("momentum_5_20", "rsi_14")
    usual, other = (
        combine(panel, members_of(names), families_of(names), Serial(), ResultStore(tmp_path), design=DESIGN)
        for panel in (small, replace(small, periods_per_year=365))
    )
    assert (usual.years, other.years) == (len(usual.dates) / 252, len(usual.dates) / 365)
    for one, two in zip(other.outcomes, usual.outcomes, strict=True):
        assert_allclose(one.sharpe.mean, two.sharpe.mean * np.sqrt(365 / 252))
        assert one.deflated.probability == pytest.approx(two.deflated.probability)
    measured, before = (account_metrics(record, record.account(MIX)) for record in (other, usual))
    assert measured["annual_turnover"] == pytest.approx(before["annual_turnover"] * 365 / 252)
    assert measured["annual_volatility"] == pytest.approx(before["annual_volatility"] * np.sqrt(365 / 252))
