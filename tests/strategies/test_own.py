"""Strategies of users' own: what they hold is what they say, and what are no weights is refused."""

import numpy as np
import own_strategies
import pytest
from numpy.testing import assert_array_equal

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError, SolverError
from quantray.strategies.catalogue import Categorical, Range
from quantray.strategies.own import own_entry

PANEL = simulate_market(n_assets=6, n_days=60, seed=4).panel


def entry_of(name="dip", parameters=None, **ranges):
    return own_entry("Mine", f"own_strategies:{name}", parameters or {}, ranges)


def test_a_function_is_a_strategy_whose_parameters_can_be_searched():
    entry = entry_of(parameters={"gross": 0.5}, days=Range(2, 6, 2))
    assert (entry.name, entry.family, entry.defaults()) == ("Mine", "own", {"days": 5})
    assert_array_equal(entry.weights(PANEL), own_strategies.dip(PANEL, 5, 0.5))
    assert [dict(each) for each in entry.grid()] == [{"days": 2}, {"days": 4}, {"days": 6}]
    other = entry.build({"days": 2})
    assert_array_equal(other.weights(PANEL), own_strategies.dip(PANEL, 2, 0.5))
    assert other.signal_key != entry.strategy.signal_key
    assert repr(other) != repr(entry.strategy)
    assert " at 0x" not in repr(other)


def test_a_rule_has_controls_beside_its_parameters():
    entry = entry_of("Dip", {"max_weight": 0.5}, days=Categorical((3, 5)), max_weight=Categorical((0.25, 0.5)))
    assert entry.defaults() == {"days": 5, "max_weight": 0.5}
    assert_array_equal(entry.build({"days": 3}).weights(PANEL), own_strategies.dip(PANEL, 3) * 0.5)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("Bare", {}, "own_strategies:Bare is a class that is no Rule; name a function of a panel"),
        ("Dip", {"parameters": {"day": 3}}, "Mine has no parameter day; it has"),
        ("dip", {"width": Range(1, 2, 1)}, "'Mine': width of ranges is no parameter of .* those are days, gross"),
        ("nobody", {}, "strategy 'own_strategies:nobody' cannot be imported"),
    ],
)
def test_what_is_no_strategy_is_refused(name, arguments, told):
    with pytest.raises(InputError, match=told):
        entry_of(name, **arguments)


def test_a_function_has_no_stop():
    with pytest.raises(InputError, match="is a function, which knows no stop"):
        entry_of().build({"stop": 4.0})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("too_few", r"gave \(59, 6\); it must give \(60, 6\), a row a date"),
        ("words", r"gave a str; it must give an array \(60, 6\)"),
        ("missing", "S2 on .*, of 1 weights, is NaN or infinite; give 0 for nothing"),
        ("borrows", "gave weights of gross 2 on .*; the most is 1, so divide by it"),
        ("raises", "strategy 'own_strategies:raises' raised ValueError: no strategy today"),
    ],
)
def test_what_are_no_weights_is_refused_with_name_and_date(name, told):
    with pytest.raises(SolverError, match=told):
        entry_of(name).weights(PANEL)


def test_only_members_with_a_close_are_held():
    panel = PANEL.select(PANEL.assets[PANEL.member.all(axis=0)])
    held = entry_of("outside").weights(panel)
    assert np.abs(held).sum(axis=1) == pytest.approx(1)
    member = panel.member.copy()
    member[30:, 1] = False
    with pytest.raises(SolverError, match=f"{panel.assets[1]} on {panel.dates[30]}, of 30 weights, is held without"):
        entry_of("outside").weights(panel.with_member(member))


def test_parameters_that_a_function_does_not_take_are_named():
    with pytest.raises(InputError, match=r"parameters do not fit \(.*\); its parameters are days, gross"):
        entry_of(parameters={"width": 3}).weights(PANEL)
