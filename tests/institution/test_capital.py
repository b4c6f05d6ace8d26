"""Capital is shared out by the method, within bounds, less in a drawdown, when it is due, and every reason is said."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.institution.capital import Bounds, CapitalSettings, DrawdownSteps, decide_capital, due

CAPITAL = Decimal(100_000_000)
NAMES = ("ann", "bob", "cyd")


def drawn(volatilities, correlation=None, *, days=252, mean=0.0, seed=0):
    """(T, S) returns of exactly these volatilities and correlations."""
    noise = np.random.default_rng(seed).standard_normal((days, len(volatilities)))
    noise -= noise.mean(axis=0)
    noise = noise @ np.linalg.inv(np.linalg.cholesky(noise.T @ noise / (days - 1))).T
    shape = np.eye(len(volatilities)) if correlation is None else np.asarray(correlation)
    return mean + noise @ np.linalg.cholesky(shape).T * np.asarray(volatilities)


def shared(returns, names=NAMES, capital=CAPITAL, **how):
    how = {"drawdown": None, **how}
    return decide_capital(
        returns, names[: returns.shape[1]], capital, CapitalSettings(**how), day="2024-01-31", trigger="asked for"
    )


def shares(decision):
    return np.array([float(line.after / CAPITAL) for line in decision.lines])


def test_equal_and_inverse_volatility_by_hand():
    returns = drawn([0.01, 0.02, 0.04])
    assert shares(shared(returns, method="equal")) == pytest.approx([1 / 3] * 3, abs=1e-7)
    assert shares(shared(returns, method="inverse_volatility")) == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=1e-7)


def test_risk_parity_sees_that_two_are_alike():
    """Of three of one volatility two are nearly one: by 1/vol each has a third, by risk the third one has the most."""
    returns = drawn([0.01] * 3, [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], days=20_000)
    assert shares(shared(returns, method="inverse_volatility", window_days=20_000)) == pytest.approx(
        [1 / 3] * 3, abs=1e-6
    )
    # Equal risk of x, x and z: x² (1 + rho) = z², so z = x √1.9.
    part = 1 / (2 + np.sqrt(1.9))
    told = shares(shared(returns, method="risk_parity", window_days=20_000))
    assert told == pytest.approx([part, part, 1 - 2 * part], abs=2e-3)


def test_performance_weighs_what_was_gained():
    returns = np.zeros((100, 3))
    returns[1::2, :] += 0.0
    returns[-1] = [0.03, -0.05, 0.01]
    decision = shared(returns, method="performance")
    assert shares(decision) == pytest.approx([0.75, 0.0, 0.25], abs=1e-7)
    assert decision.lines[1].reasons == ("lost over the days that count",)
    nobody = shared(-np.abs(drawn([0.01] * 3)), method="performance")
    assert nobody.cash == CAPITAL


def test_the_better_sharpe_ratio_gets_more():
    returns = drawn([0.01, 0.01]) + np.array([0.0010, 0.0005])
    told = shares(shared(returns, method="sharpe"))
    # Jorion's shrinkage pulls means together, never past one another.
    assert 0.5 < told[0] < 2 / 3
    assert told.sum() == pytest.approx(1, abs=1e-7)


def halves(returns):
    """A function of a user's."""
    return np.full(returns.shape[1], 0.5 / returns.shape[1])


def spoils(returns):
    returns[:] = 0.0
    return np.ones(returns.shape[1])


def negative(returns):
    return np.linspace(-0.1, 0.5, returns.shape[1])


def short(returns):
    return np.ones(1)


def test_a_function_of_a_user(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "theirs", __import__("sys").modules[__name__])
    decision = shared(drawn([0.01] * 3), method="custom", function="theirs:halves")
    assert decision.cash == pytest.approx(CAPITAL / 2, abs=5)
    assert "theirs:halves gives 16.67%" in decision.lines[0].reasons
    for function, said in (
        ("theirs:negative", "from -0.1 that sum to"),
        ("theirs:short", r"gave \(1,\) shares"),
        ("theirs:nothing", "cannot be imported"),
        ("theirs:NAMES", "name one that can be called"),
        ("halves", "not of the form module:name"),
    ):
        with pytest.raises(InputError, match=said):
            shared(drawn([0.01] * 3), method="custom", function=function)
    with pytest.raises(ValueError, match="read-only"):
        shared(drawn([0.01] * 3), method="custom", function="theirs:spoils")
    # What returns are is checked by whatever method.
    infinite, whole = np.full((90, 2), np.inf), CapitalSettings(method="custom", function="theirs:halves")
    for returns, names, why in ((infinite, NAMES[:2], "infinite"), (infinite[:, 0], NAMES, r"must be \(T, S\)")):
        with pytest.raises(InputError, match=why):
            decide_capital(returns, names, CAPITAL, whole, day="2024-01-31", trigger="asked for")
    for names in (NAMES[:2], ("ann", "bob", "ann")):
        with pytest.raises(InputError, match="2 different, for 3 strategies"):
            decide_capital(drawn([0.01] * 3), names, CAPITAL, whole, day="2024-01-31", trigger="asked for")


def test_bounds_cut_and_the_others_take_it_up():
    returns = drawn([0.01, 0.02, 0.04])
    # 4/7, 2/7, 1/7: the first at its most, and the other 60 % two to one.
    decision = shared(returns, method="inverse_volatility", bounds=Bounds(most=0.4))
    assert shares(decision) == pytest.approx([0.4, 0.4, 0.2], abs=1e-6)
    assert "bounded to 40.00%" in decision.lines[0].reasons
    lifted = shared(returns, method="inverse_volatility", bounds_of={"cyd": Bounds(least=0.4)})
    assert shares(lifted) == pytest.approx([0.4, 0.2, 0.4], abs=1e-6)
    kept = shared(returns, method="inverse_volatility", bounds=Bounds(most=0.2))
    assert kept.cash == pytest.approx(CAPITAL * Decimal("0.4"), abs=5)
    with pytest.raises(InputError, match=r"least shares sum to 1\.2"):
        shared(returns, method="equal", bounds=Bounds(least=0.4))
    with pytest.raises(InputError, match="bounds name 'eve'"):
        shared(returns, method="equal", bounds_of={"eve": Bounds()})


def test_a_crash_takes_capital_step_by_step_and_a_recovery_gives_it_back():
    steps = DrawdownSteps(steps=((0.05, 0.75), (0.10, 0.5), (0.20, 0.0)), recovery=0.5)
    wealth = np.array([1.0, 0.96, 0.94, 0.96, 0.93, 0.89, 0.96, 0.951, 0.97, 0.975, 1.0, 0.79, 0.91, 1.0])
    path = np.diff(np.r_[1.0, wealth]) / np.r_[1.0, wealth[:-1]]
    # 6 % takes a step, 4 % gives none back, since half of 5 % would; 11 % takes two; half of 10 % gives one back.
    expected = [1, 1, 0.75, 0.75, 0.75, 0.5, 0.75, 0.75, 0.75, 1, 1, 0, 0.5, 1]
    # 0.975 is a drawdown of 2.5 % by rounding a hair more or less; it is set apart from the step.
    path[9] += 1e-6
    assert list(steps.stays(path[:, None])[:, 0]) == expected


def test_what_a_drawdown_takes_nobody_gets():
    returns = drawn([0.01] * 3)
    returns[-1, 1] = -0.5
    before = {"ann": Decimal(10)}
    decision = decide_capital(
        returns, NAMES, CAPITAL, CapitalSettings(method="equal"), day="2024-01-31", trigger="asked for", before=before
    )
    bob = decision.lines[1]
    assert bob.after == 0
    assert "a drawdown leaves 0% of it" in bob.reasons
    assert decision.cash >= CAPITAL // 3
    body = decision.body()
    assert body["lines"][0]["before"] == "10"
    assert sum(Decimal(line["after"]) for line in body["lines"]) + Decimal(body["cash"]) == CAPITAL


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["equal", "inverse_volatility", "risk_parity", "performance", "sharpe"]),
    st.floats(0.3, 1.0),
)
def test_sums_permutation_and_scale(seed, method, most):
    returns = drawn([0.01, 0.02, 0.015, 0.03], seed=seed, mean=2e-4)
    names = ("a", "b", "c", "d")
    how = {"method": method, "bounds": Bounds(most=most), "drawdown": DrawdownSteps()}
    decision = shared(returns, names, **how)
    assert sum(decision.capital.values()) + decision.cash == CAPITAL
    assert all(0 <= each <= CAPITAL * Decimal(most) + 1 for each in decision.capital.values())
    order = np.random.default_rng(seed).permutation(4)
    turned = shared(returns[:, order], tuple(names[i] for i in order), **how)
    double = shared(returns, names, capital=2 * CAPITAL, **how)
    for name in names:
        assert turned.capital[name] == pytest.approx(decision.capital[name], abs=100)
        assert double.capital[name] == pytest.approx(2 * decision.capital[name], abs=2)


DATES = np.array(["2024-01-26", "2024-01-29", "2024-01-30", "2024-01-31", "2024-02-01"], dtype="datetime64[D]")


def test_it_is_due_on_schedule_and_on_drift():
    how = CapitalSettings(frequency="monthly", drift=0.2)
    target = {"ann": Decimal(60), "bob": Decimal(40)}
    assert due(DATES, how, target=None) == "the first allocation"
    assert due(DATES[:4], how, target=target) == "the monthly date"
    assert due(DATES, how, target=target) == ""
    assert due(DATES, how, target=target, now={"ann": Decimal(66), "bob": Decimal(34)}) == ""
    drifted = {"ann": Decimal(69), "bob": Decimal(31)}
    assert due(DATES, how, target=target, now=drifted) == "bob has 31 of 40, further than 20%"
    assert due(DATES, CapitalSettings(drift=0), target=target, now=drifted) == ""
    with pytest.raises(InputError, match="bob is known now or before, not both"):
        due(DATES, how, target=target, now={"ann": Decimal(60)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "custom"},
        {"function": "a:b"},
        {"method": "best"},
        {"bounds": {"least": 0.5, "most": 0.4}},
        {"drawdown": {"steps": [(0.1, 0.5), (0.05, 0.2)]}},
        {"drawdown": {"steps": [(0.05, 0.5), (0.1, 0.6)]}},
        {"drawdown": {"steps": [(0.0, 0.5)]}},
        {"drawdown": {"steps": []}},
    ],
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValidationError):
        CapitalSettings(**wrong)


def test_capital_that_is_none():
    for capital in (Decimal(0), Decimal("nan"), Decimal(-5)):
        with pytest.raises(InputError, match="give money above 0"):
            shared(drawn([0.01] * 3), capital=capital, method="equal")
