import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.net import strategy_returns
from quantray.errors import InputError
from quantray.strategies.mean_reversion import BollingerReversion, PairsTrading, RsiReversion
from quantray.strategies.rule import Adjustments, Controls

FREE = Controls(stop=None, max_weight=1.0)


def test_bollinger_by_hand(make_panel):
    wave = [100.0, 101, 99, 100, 101, 99, 100, 101, 99, 100]
    panel = make_panel([*wave, 94, 97, 101, 106, 100])
    rule = BollingerReversion(period=10, controls=FREE)
    z = rule.signal(panel)[:, 0]
    last = np.array([*wave[1:], 94])
    assert_allclose(z[10], (last.mean() - 94) / last.std())
    # Bought at 94, far below the band; sold above the mean; 106 is above the upper band.
    assert_array_equal(np.sign(rule.weights(panel)[9:, 0]), [0, 1, 1, 0, -1, -1 if z[-1] < 0 else 0])


def test_bollinger_sees_nothing_in_a_constant_price(make_panel):
    assert not BollingerReversion(controls=FREE).weights(make_panel(np.full(60, 123.456))).any()


def test_rsi_agrees_with_wilders_recursion(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, 80)))
    change = np.diff(close)
    gain, loss = change[:14].clip(0).mean(), (-change[:14]).clip(0).mean()
    expected = [100 - 100 / (1 + gain / loss)]
    for move in change[14:]:
        gain, loss = (13 * gain + max(move, 0)) / 14, (13 * loss + max(-move, 0)) / 14
        expected.append(100 - 100 / (1 + gain / loss))
    signal = RsiReversion().signal(make_panel(close))[:, 0]
    assert np.isnan(signal[:14]).all()
    assert_allclose(signal[14:], expected, rtol=1e-10)


def test_rsi_buys_falls_and_sells_rises(make_panel):
    steps = np.arange(30)
    panel = make_panel(np.column_stack([1.01**steps, 0.99**steps, np.ones(30)]) * 100)
    rule = RsiReversion(controls=FREE)
    assert_allclose(rule.signal(panel)[20], [100, 0, 50])
    assert_array_equal(rule.weights(panel)[14:], np.broadcast_to([-0.5, 0.5, 0], (16, 3)))


def test_a_stronger_least_signal_needs_a_lower_index(make_panel):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, size=(400, 30)), axis=0))
    panel = make_panel(close)
    rule = RsiReversion(controls=Controls(stop=None, min_signal=1.5))
    index, weights = rule.signal(panel), rule.weights(panel)
    opened = (weights[1:] > 0) & (weights[:-1] == 0)
    # 1.5 times the way from 50 to 30 is 20.
    assert opened.any()
    assert (index[1:][opened] <= 20).all()


@pytest.fixture(scope="module")
def planted(make_panel):
    """Twelve random walks with a common part; A000 and A001 keep to each other, and so do A002 and A003."""
    generator = np.random.default_rng(7)
    n_days = 500
    logs = np.cumsum(generator.normal(0, 0.01, (n_days, 1)) + generator.normal(0, 0.01, (n_days, 12)), axis=0)
    for first, second in ((0, 1), (2, 3)):
        spread = np.zeros(n_days)
        for t in range(1, n_days):
            spread[t] = 0.85 * spread[t - 1] + generator.normal(0, 0.01)
        logs[:, second] = 0.8 * logs[:, first] + spread
    return make_panel(50 * np.exp(logs))


def test_planted_pairs_are_found_and_pay(planted):
    rule = PairsTrading(formation=252, every=60, level=0.01, min_correlation=0.3)
    found = rule.signal(planted)
    assert [pairs.row for pairs in found] == [251, 311, 371, 431, 491]
    legs = [{frozenset(p) for p in zip(f.first.tolist(), f.second.tolist(), strict=True)} for f in found]
    # Now and then a leg looks even closer to a third asset, by chance.
    assert sum(len({frozenset({0, 1}), frozenset({2, 3})} & pairs) for pairs in legs) >= 8
    for pairs in found:
        assert len(set(pairs.first) | set(pairs.second)) == 2 * len(pairs.first)
    returns = strategy_returns(rule, planted)
    assert returns.mean() / returns.std() * np.sqrt(252) > 1


def test_a_pair_is_long_one_leg_and_short_the_other(planted):
    rule = PairsTrading(formation=252, every=60, min_correlation=0.3, most=1, controls=FREE)
    weights = rule.weights(planted)
    (pair,) = [p for p in rule.signal(planted) if p.row == 251]
    first, second, hedge = int(pair.first[0]), int(pair.second[0]), float(pair.hedge[0])
    rows = slice(251, 311)
    logs = np.log(planted.field("close"))
    score = (logs[:, first] - hedge * logs[:, second] - pair.intercept[0]) / pair.deviation[0]
    held = weights[rows, first] != 0
    assert held.any()
    assert_allclose(weights[rows, second][held], -hedge * weights[rows, first][held])
    assert_allclose(np.abs(weights[rows]).sum(axis=1)[held], 1)
    assert (np.sign(weights[rows, first][held]) == -np.sign(score[rows][held])).all()
    opened = np.flatnonzero(held[1:] & ~held[:-1]) + 1
    assert (np.abs(score[rows][opened]) >= 2).all()


def plain_sides(strength, stays, daily, stop=np.inf, path=None):
    """Positions of one asset, day by day: opened at a strength of one, left without leave to stay or by a stop."""
    side, blocked, best, out = 0, 0, 0.0, []
    for t, drive in enumerate(strength):
        wanted = int(np.sign(drive)) if abs(drive) >= 1 else 0
        side = side if side and stays(t, side) else 0
        blocked = blocked if blocked and stays(t, blocked) else 0
        if wanted and wanted not in (side, blocked):
            side, blocked, best = wanted, 0, wanted * path[t]
        elif side:
            best = max(best, side * path[t])
        if side and best - side * path[t] > stop * daily[t]:
            side, blocked = 0, side
        out.append(side)
    return np.array(out)


@pytest.mark.parametrize("leave", [0.0, 0.8, 1.5])
def test_bollinger_leaves_at_its_exit(make_panel, leave):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.02, 400)))
    panel = make_panel(close)
    rule = BollingerReversion(period=20, width=1.8, exit=leave, controls=FREE)
    z = rule.signal(panel)[:, 0]
    wanted = plain_sides(np.nan_to_num(z) / 1.8, lambda t, side: side * z[t] > leave, np.ones(400), path=np.log(close))
    assert {-1, 1} <= set(wanted)
    assert_array_equal(np.sign(rule.weights(panel)[:, 0]), wanted)


@pytest.mark.parametrize(
    ("entry", "leave", "stop"), [(2.0, 0.0, None), (2.0, 0.5, None), (2.0, 1.5, None), (2.0, 0.5, 2.0), (0.4, 0.1, 1.0)]
)
def test_a_pair_is_left_at_its_exit_or_stop(planted, entry, leave, stop):
    """The whole life of the surest pair of each formation, with stops and least signals that change on the way."""
    controls = Controls(stop=stop, max_weight=1.0)
    rule = PairsTrading(every=60, min_correlation=0.3, most=1, entry=entry, exit=leave, controls=controls)
    weights, logs = np.zeros(planted.shape), np.log(planted.field("close"))
    n_days = len(logs)
    adjust = Adjustments(np.linspace(0.4, 2.0, n_days), np.linspace(1.2, 0.6, n_days))
    for pair in rule.signal(planted):
        rows = slice(pair.row, min(pair.row + 60, n_days))
        first, second, hedge = pair.first[0], pair.second[0], pair.hedge[0]
        spread = logs[rows, first] - hedge * logs[rows, second]
        score = (spread - pair.intercept[0]) / pair.deviation[0]
        far = adjust.stop[rows] * (np.inf if stop is None else stop)
        side = plain_sides(
            -score / entry / adjust.min_signal[rows],
            lambda t, side, score=score: -side * score[t] > leave,
            far * pair.daily[0],
            stop=1.0,
            path=spread,
        )
        weights[rows, first] = side / (1 + hedge)
        weights[rows, second] = -side * hedge / (1 + hedge)
    assert (weights != 0).any(axis=1).sum() > 40
    assert_allclose(rule.run(planted, adjust=adjust).weights, weights, rtol=1e-12)


def test_pairs_are_formed_of_the_days_up_to_their_row_alone(planted):
    """Each formation is that of a panel which holds its window and nothing else, and leaves fits by hand."""
    # A leg leaves the universe on the day after the first formation, and another joins on the day after the second.
    member = planted.member.copy()
    member[252:, 3] = member[:312, 0] = False
    panel = planted.with_member(member)
    rule, logs = PairsTrading(every=60, min_correlation=0.3), np.log(planted.field("close"))
    found = rule.signal(panel)
    assert [pairs.row for pairs in found] == [251, 311, 371, 431, 491]
    legs = [{*pairs.first.tolist(), *pairs.second.tolist()} for pairs in found]
    assert [3 in held for held in legs] == [True, False, False, False, False]
    assert [0 in held for held in legs] == [False, False, True, True, True]
    for pairs in found:
        window = slice(pairs.row - 251, pairs.row + 1)
        (alone,) = rule.signal(panel.between(panel.dates[window][0], panel.dates[pairs.row]))
        for name in ("first", "second"):
            assert_array_equal(getattr(pairs, name), getattr(alone, name))
        for name in ("hedge", "intercept", "deviation", "daily", "statistic"):
            assert_allclose(getattr(pairs, name), getattr(alone, name), rtol=1e-9)
        for k, (first, second) in enumerate(zip(pairs.first, pairs.second, strict=True)):
            slope, constant = np.polyfit(logs[window, second], logs[window, first], 1)
            assert_allclose([pairs.hedge[k], pairs.intercept[k]], [slope, constant], rtol=1e-8)
            spread = logs[window, first] - slope * logs[window, second]
            assert_allclose([pairs.deviation[k], pairs.daily[k]], [spread.std(), np.diff(spread).std()], rtol=1e-8)


@pytest.mark.parametrize("row", [251, 252, 311, 312, 350, 371, 431])
def test_no_decision_on_pairs_looks_ahead(planted, row):
    """On a market of pairs that keep to each other, cut at formations too: every formation holds something."""
    rule = PairsTrading(every=60, min_correlation=0.3)
    whole = rule.weights(planted)
    for start in (251, 311, 371, 431):
        assert whole[start : start + 60].any()
    assert_array_equal(rule.weights(planted.until(row)), whole[: row + 1])


def test_a_pair_with_a_missing_leg_is_closed(planted):
    rule = PairsTrading(formation=252, every=200, min_correlation=0.3, most=1)
    (pair, *_) = rule.signal(planted)
    whole = rule.weights(planted)
    day = int(np.flatnonzero(whole[252:, pair.first[0]])[0]) + 252
    member = planted.member.copy()
    member[day, pair.second[0]] = False
    assert whole[day].any()
    assert not rule.weights(planted.with_member(member))[day].any()


def test_without_enough_assets_or_history_there_are_no_pairs(make_panel):
    assert not PairsTrading(formation=40).weights(make_panel(100 + np.arange(60.0))).any()
    assert PairsTrading().signal(make_panel(100 + np.arange(60.0))) == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BollingerReversion(width=5.0), "width 5.0 must rise from 0"),
        (lambda: BollingerReversion(exit=3.0), "exit 3.0"),
        (lambda: RsiReversion(low=60), "low 60 and high 70"),
        (lambda: RsiReversion(low=50.0), "low 50.0 and high 70"),
        (lambda: PairsTrading(entry=0.3), "exit 0.5 and entry 0.3"),
        (lambda: PairsTrading(level=0.02), "level 0.02"),
        (lambda: PairsTrading(min_correlation=1.0), "min_correlation 1.0"),
        (lambda: PairsTrading(formation=10), "formation 10"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
