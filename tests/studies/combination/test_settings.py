"""Which strategies settings name, and what they refuse."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from quantray.backtest.costs import LinearCosts
from quantray.errors import InputError
from quantray.portfolio.strategy_mix import DrawdownRule
from quantray.research.market import SimulatedData
from quantray.settings import read_settings
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.combination.settings import CombinationSettings, StrategyChoice, halton_sets
from quantray.studies.evaluation.families import RuleFamily
from quantray.studies.evaluation.search import Axis, Space

CONFIG = Path(__file__).parents[3] / "workflows" / "configs" / "combine.yaml"


def settings_of(*strategies, **changes):
    return CombinationSettings(name="s", data=SimulatedData(), strategies=strategies, **changes)


def test_the_shipped_settings_name_a_hundred_strategies():
    settings = read_settings(CombinationSettings, CONFIG)
    members = settings.members()
    families = {family.name: family for family in settings.families()}
    assert len(members) == len({member.name for member in members}) == 100
    assert len({families[member.entry].identity(member.parameters) for member in members}) == 100
    assert Counter(member.entry for member in members).keys() == CATALOGUE.keys()
    assert len({member.family for member in members}) == 4


def test_a_spread_covers_every_axis_and_grows_by_adding():
    space = RuleFamily(CATALOGUE["bollinger_20"]).space
    order = list(halton_sets(space))
    assert len(order) == len(set(order)) == len(space.all())
    first = order[:8]
    for name in ("period", "width", "exit", "stop"):
        counts = Counter(dict(chosen)[name] for chosen in first)
        values = next(axis.values for axis in space.axes if axis.name == name)
        assert counts.keys() == set(values)
        assert max(counts.values()) <= 2 * 8 / len(values)


def test_a_spread_ends_where_little_is_allowed():
    def rare(parameters):
        return dict(parameters)["a"] == dict(parameters)["b"] == 19

    axes = Axis("a", tuple(range(20))), Axis("b", tuple(range(20)))
    assert list(halton_sets(Space(axes, rare))) == [(("a", 19), ("b", 19))]
    # Far from the origin too, the places are even.
    halves = [sum(dict(s)["a"] < 10 for s in list(halton_sets(Space(axes, bool)))[:n]) / n for n in (10, 40, 100)]
    np.testing.assert_allclose(halves, 0.5, atol=0.1)


def test_two_entries_of_one_rule_share_no_strategy():
    settings = settings_of({"entry": "momentum_5_20", "count": 6}, {"entry": "momentum_10_50", "count": 6})
    sets = [member.parameters for member in settings.members()]
    assert len(set(sets)) == 12
    # The second continues where the first stopped.
    (longer,) = (settings_of({"entry": "momentum_5_20", "count": 12}),)
    assert [member.parameters for member in longer.members()] == sets


def test_explicit_sets_keep_defaults_elsewhere():
    choice = StrategyChoice(entry="momentum_5_20", sets=({"fast": 7}, {"slow": 33, "max_weight": 0.05}))
    first, second = (dict(parameters) for parameters in choice.parameters())
    assert first == {"fast": 7, "slow": 20, "stop": 6.0}
    assert second == {"fast": 5, "slow": 33, "stop": 6.0, "max_weight": 0.05}
    member = settings_of(choice).members()[0]
    assert member.name == "momentum_5_20: fast 7, slow 20, stop 6"
    assert member.family == "trend following"


def test_settings_become_a_design():
    settings = settings_of(
        {"entry": "pairs", "count": 2},
        costs={"half_spread_bps": 3.0},
        accounting={"execution_lag": 2},
        drawdown={"stop": 0.3},
        resampling={"samples": 150},
    )
    design = settings.design()
    assert (design.terms.costs, design.terms.lag, design.resampling.n_samples) == (LinearCosts(3.0, 0.5), 2, 150)
    assert design.drawdown == DrawdownRule(stop=0.3)
    assert settings_of({"entry": "pairs", "count": 2}, drawdown=None).design().drawdown is None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("strategies: [{entry: pair, count: 2}]", "strategy 'pair' is unknown; did you mean 'pairs'"),
        ("strategies: [{entry: pairs}]", "pairs: give either count or sets"),
        ("strategies: [{entry: pairs, count: 2, sets: [{}]}]", "give either count or sets"),
        ("strategies: [{entry: pairs, sets: [{speed: 1}]}]", "pairs has no parameter speed"),
        ("strategies: [{entry: pairs, count: 1}]", "name two or more"),
        ("strategies: []", "at least 1 item"),
        ("strategies: [{entry: pairs, count: 2}]\nmin_days: 300", "min_days 300 must not exceed lookback_days 252"),
        ("strategies: [{entry: pairs, count: 2}]\ndrawdown: {start: 0.2}", "drawdowns from 0.2 to 0.15 must rise"),
        ("strategies: [{entry: pairs, count: 2}]\nmethod: kelly", "method"),
        ("strategies: [{entry: pairs, count: 2}]\nmax_corelation: 1", "did you mean 'max_correlation'"),
        (
            "strategies: [{entry: pairs, count: 2}]\nlenses: {volatility_levels: [0.9, 0.5, 0.95, 1.0]}",
            "volatility_levels .* increase strictly",
        ),
    ],
)
def test_wrong_settings_are_refused(tmp_path, line, text):
    file = tmp_path / "s.yaml"
    file.write_text(f"name: s\ndata: {{kind: simulated}}\n{line}\n")
    with pytest.raises(InputError, match=text):
        read_settings(CombinationSettings, file)


def test_too_many_and_repeated_strategies_are_refused():
    with pytest.raises(InputError, match="tail_hedge has only 24 more sets, not 25"):
        settings_of({"entry": "tail_hedge", "count": 25}).members()
    with pytest.raises(InputError, match="fast 5, slow 20, stop 6 is named twice"):
        settings_of({"entry": "momentum_5_20", "sets": ({}, {"fast": 5})}).members()
