"""Rules in order, and what schedules cost by the impact model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.execution.impact import square_root_impact
from quantray.execution.selection import OrderFacts, SelectionRules, path_cost, select_algorithm


@pytest.mark.parametrize(
    ("facts", "algorithm", "why"),
    [
        ({"adv_share": 0.001}, "TWAP", "small and calm (0.10% of a day's volume, 1.50% daily volatility, urgency 1)"),
        ({"adv_share": 0.01}, "VWAP", "0.5% to 5.0% of a day's volume"),
        ({"adv_share": 0.001, "against_vwap": True}, "VWAP", "measured against VWAP"),
        ({"adv_share": 0.01, "volume_uncertainty": 1.0}, "POV", "volume is uncertain"),
        ({"adv_share": 0.01, "urgency": 3.0}, "IS", "urgency of 2 or more"),
        ({"adv_share": 0.01, "volatility": 0.05}, "IS", "daily volatility of 3.5% or more"),
        ({"adv_share": 0.01, "alpha_half_life": 0.5}, "IS", "alpha halves within 1 days"),
        ({"adv_share": 0.08}, "AC", "larger than 5.0%"),
        ({"adv_share": 0.001, "risk_aversion": 1e-6}, "AC", "a risk aversion was asked for"),
    ],
)
def test_the_first_rule_that_applies(facts, algorithm, why):
    chosen = select_algorithm(OrderFacts(**({"volatility": 0.015} | facts)))
    assert chosen.name() == algorithm
    assert why in chosen.reason()


def test_rules_are_settings():
    facts = OrderFacts(adv_share=[0.01, 0.03], volatility=0.01)
    chosen = select_algorithm(facts, SelectionRules(small_adv=0.02, large_adv=0.5))
    assert [chosen.name(i) for i in range(2)] == ["TWAP", "VWAP"]
    with pytest.raises(ValidationError, match="large_adv"):
        SelectionRules(large_adv=-1)


def test_a_path_costs_what_the_model_says():
    impact = square_root_impact(np.array([1e6]), np.array([0.02]), np.array([10.0]), permanent=0.2)
    whole = path_cost(np.array([[1.0]]), 1e5, impact, np.array([1.0]), np.array([1.0]))
    assert_allclose(whole["cost_bps"], impact.fraction(np.array([1e5])) * 1e4)
    assert_allclose(whole["risk_bps"], 0.02 * 0.5 * 1e4)
    parts = path_cost(np.full((1, 4), 0.25), 1e5, impact, np.full(4, 0.25), np.full(4, 0.25))
    assert_allclose(parts["cost_bps"], whole["cost_bps"])
    assert_array_equal(
        np.isnan(path_cost(np.full((1, 2), np.nan), 1e5, impact, np.ones(2), np.ones(2))["cost_bps"]), True
    )


def test_facts_must_be_known():
    with pytest.raises(InputError, match="adv_share of an order is unknown"):
        OrderFacts(adv_share=np.nan, volatility=0.01)


def test_one_fact_stands_for_all_orders_and_others_are_for_each():
    facts = OrderFacts(adv_share=0.02, volatility=0.02)
    assert select_algorithm(facts.of(3)).algorithm.shape == (3,)
    with pytest.raises(InputError, match="facts are of 2 orders for 3; give them for each"):
        OrderFacts(adv_share=np.array([0.02, 0.03]), volatility=0.02).of(3)
