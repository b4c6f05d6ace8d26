"""What users bring is tried on made-up prices: what must not pass is refused by name, the rest goes through."""

from dataclasses import replace

import own_costs
import own_rules
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.research.terms import TradingCostSettings
from quantray.studies.portfolios.door import try_costs, try_own
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, Trial

TRIAL = Trial(None, None, Schedule("monthly", "XNYS", 60, 0.9, 0.0))


def tried(rule, **settings):
    rule = f"own_rules:{rule}" if hasattr(own_rules, rule) else rule
    try_own(replace(TRIAL, allocator=AllocatorSettings(name="Mine", rule=rule, **settings)), 8)


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("tilted", {"parameters": {"power": 2.0}}),
        ("Tilted", {}),
        ("least_variance", {"estimator": "ledoit_wolf"}),
        ("least_variance", {"estimator": "own_rules:Shrunk", "estimator_parameters": {"share": 0.1}}),
        ("hrp", {"estimator": "own_rules:sample"}),
        ("resampled", {"parameters": {"seed": 4}}),
        ("overwrites", {}),
        ("half", {"invested": 0.5}),
        ("hrp", {}),
    ],
)
def test_what_keeps_to_the_law_passes(rule, settings, capsys):
    tried(rule, **settings)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("rule", "settings", "told"),
    [
        ("peeks", {}, "gave other weights for .* when later dates were there: it looks ahead; decide from what is"),
        ("missing", {}, r"rule 'own_rules:missing' gave 1 weights of 8 that are NaN or infinite"),
        ("remembers", {}, "after it had seen a later date: it keeps something between dates"),
        ("draws", {}, "when asked again: it draws random numbers without a seed, or keeps something between calls"),
        ("unpicklable", {}, "'own_rules:unpicklable' cannot be pickled"),
        ("takes_a_minute", {"trial_seconds": 0.2}, r"one call about 8 names took more than 0.2 s; make it faster"),
        ("half", {}, "gave weights that sum to 0.5, not to 1"),
        ("resampled", {}, r"parameters do not fit \(missing a required argument: 'seed'\); its parameters are seed"),
        ("tilted", {"estimator": "oas"}, "own_rules:tilted takes returns, so nobody asks estimator oas; leave it out"),
        ("hrp", {"estimator": "own_rules:negative"}, "estimator 'own_rules:negative' gave a matrix with smallest"),
    ],
)
def test_what_must_not_pass_is_refused_by_name(rule, settings, told):
    own_rules.KEPT.clear()
    with pytest.raises(InputError, match=f"(Mine: tried on made-up prices before the study, .*)?{told}"):
        tried(rule, **settings)


def test_an_order_of_assets_that_counts_is_said(capsys):
    tried("by_place")
    assert "Mine: tried on made-up prices before the study, weights depend on the order" in capsys.readouterr().err


PANEL = simulate_market(8, 40, seed=5).panel


def charged(model, **changes):
    settings = TradingCostSettings(model=f"own_costs:{model}", **changes)
    try_costs(settings, PANEL, 1e7)


@pytest.mark.parametrize("model", ["tiered", "of_volume", "overwrites"])
def test_costs_that_keep_to_the_law_pass(model, capsys):
    charged(model)
    try_costs(TradingCostSettings(), PANEL, 1e7)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("model", "changes", "told"),
    [
        ("missing", {}, "gave nan for a trade of .* on"),
        ("remembers", {}, "it gave other costs for the same past after it had seen a later date: it keeps something"),
        ("draws", {}, "draws random numbers without a seed"),
        ("unpicklable", {}, "cost 'own_costs:unpicklable' cannot be pickled"),
        ("takes_a_minute", {"trial_seconds": 0.1}, "one call about 8 names took more than 0.1 s"),
        ("tiered", {"parameters": {"basis": 1}}, "parameters do not fit"),
    ],
)
def test_costs_that_must_not_pass_are_refused_by_name(model, changes, told):
    own_costs.KEPT.clear()
    with pytest.raises(InputError, match=told):
        charged(model, **changes)
