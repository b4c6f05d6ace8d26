from dataclasses import replace

import numpy as np
import pytest
from mixed_book import mixed_book
from numpy.testing import assert_allclose
from share_market import share_market, share_model, shares

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.factor import GROUPS
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.pricing import revalue
from quantray.risk.stress import run_scenarios, stress, stress_grid
from quantray.risk.stressing.scenarios import Scenario, standard_scenarios


def test_hand_computed_loss():
    book = shares([0.5, 0.5, -0.5, 0.2])
    found = stress(book, share_market(), Scenario(factors={"market": -0.1}), share_model())
    # The style falls by half of the market's fall: C by 15 %, and it is short.
    assert_allclose(found.by_position, [0.05, 0.1, -0.075, 0], atol=1e-15)
    assert_allclose(found.loss, 0.075)
    assert found.by_factor.names == ("market", "style: size", "specific", "curvature")
    assert_allclose(found.by_factor.losses, [0.1, -0.025, 0, 0], atol=1e-15)
    assert found.groups["sector"].names == ("", "Energy", "Technology")
    assert_allclose(found.groups["sector"].losses, [0, 0.15, -0.075], atol=1e-15)


def test_every_part_of_every_standard_scenario_sums_to_the_loss():
    holdings, market = mixed_book()
    generator = np.random.default_rng(0)
    model = FactorModel(generator.normal(0, 1, (7, 2)), np.eye(2) * 1e-4, generator.uniform(1e-5, 1e-4, 7))
    results = run_scenarios(holdings, market, standard_scenarios(), model)
    assert [result.name for result in results] == list(standard_scenarios())
    for result in results:
        assert_allclose(result.by_position.sum(), result.loss)
        assert_allclose(result.by_factor.losses.sum(), result.loss)
        for kind in GROUPS:
            assert_allclose(result.groups[kind].losses.sum(), result.loss)
        assert_allclose(-revalue(holdings, market, result.changes).sum(), result.loss)
        assert result.source
    crash, spike = results[0], results[1]
    at = {name: i for i, name in enumerate(market.drivers.tolist())}
    assert_allclose(crash.changes[at["vol"]], 0.25)
    assert_allclose(spike.changes[at["10 years"]], 0.02)
    assert "nothing here to shock: asset class commodity" in results[2].notes


def test_no_price_falls_below_zero_and_those_that_would_are_named():
    found = stress(shares([0.5, 0.5]), share_market(), Scenario(factors={"market": -0.6}), share_model())
    assert_allclose(found.by_position, [0.3, 0.5])
    assert found.notes == ("stopped at a loss of everything: B",)
    assert_allclose(found.by_factor.losses.sum(), found.loss)


def test_the_order_of_drivers_and_positions_does_not_matter():
    market, model, order = share_market(), share_model(), np.array([2, 0, 3, 1])
    turned = replace(market, **{name: getattr(market, name)[order] for name in ("drivers", "levels", "sectors")})
    plain = run_scenarios(shares([0.5, 0.2, -0.3, 0.1]), market, standard_scenarios(), model)
    other = run_scenarios(shares([-0.3, 0.5, 0.1, 0.2], turned), turned, standard_scenarios(), model.select(order))
    for one, two in zip(plain, other, strict=True):
        assert_allclose(one.by_position[order], two.by_position, atol=1e-14)


def test_without_a_model_only_what_is_said_moves():
    scenario = Scenario(sectors={"Energy": -0.3}, groups="together", others="stay")
    found = stress(shares([0.5, -0.2, 0.3]), share_market(), scenario)
    assert_allclose(found.by_position, [0.15, -0.06, 0], atol=1e-15)
    assert found.by_factor is None


def test_a_grid_holds_the_losses_of_each_pair_of_shocks():
    holdings, market = mixed_book()
    generator = np.random.default_rng(0)
    model = FactorModel(generator.normal(0, 1, (7, 2)), np.eye(2) * 1e-4, generator.uniform(1e-5, 1e-4, 7))
    grid = stress_grid(holdings, market, model, ("factor 1", [-0.1, 0, 0.1]), ("vol", [0, 0.2]))
    assert grid.losses.shape == (3, 2)
    assert_allclose(grid.losses[1, 0], 0, atol=1e-15)
    one = stress(holdings, market, Scenario(factors={"factor 1": -0.1}, drivers={"vol": 0.2}), model)
    assert_allclose(grid.losses[0, 1], one.loss)
    with pytest.raises(InputError, match="no driver 'volatilty'; did you mean 'vol'"):
        stress_grid(holdings, market, model, ("factor 1", [0.1]), ("volatilty", [0.1]))

    with pytest.raises(InputError, match="moves two things, not 'vol' twice"):
        stress_grid(holdings, market, model, ("vol", [0.1]), ("vol", [0.1]))


def test_without_positions_or_scenarios_nothing_is_lost():
    market, model = share_market(), share_model()
    assert run_scenarios(shares([1.0]), market, {}, model) == ()
    assert {found.loss for found in run_scenarios(Holdings([], [], 1.0), market, standard_scenarios(), model)} == {0.0}


def test_a_model_of_other_drivers_is_refused():
    with pytest.raises(InputError, match="the risk model is of 4 assets, the market has 7 drivers"):
        run_scenarios(*mixed_book(), standard_scenarios(), share_model())
