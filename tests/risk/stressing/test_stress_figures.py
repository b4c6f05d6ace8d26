import numpy as np
import pytest
from mixed_book import mixed_book
from numpy.testing import assert_allclose

from quantray.analytics.figures import to_html
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.stress import run_scenarios, stress_grid
from quantray.risk.stressing.scenarios import standard_scenarios
from quantray.risk.stressing.stress_figures import grid_map, scenario_bars, waterfall


@pytest.fixture(scope="module")
def case():
    holdings, market = mixed_book()
    generator = np.random.default_rng(0)
    model = FactorModel(generator.normal(0, 1, (7, 2)), np.eye(2) * 1e-4, generator.uniform(1e-5, 1e-4, 7))
    return holdings, market, model, run_scenarios(holdings, market, standard_scenarios(), model)


@pytest.mark.parametrize("kind", ["sector", "strategy", "factor", "position"])
def test_a_waterfall_ends_at_the_loss(case, kind):
    holdings, _, _, results = case
    picture = waterfall(results[0], kind, names=holdings.names)
    bars = picture.figure.data[0]
    assert_allclose(sum(bars.y[:-1]), bars.y[-1], atol=1e-5)
    assert_allclose(bars.y[-1], -results[0].loss, atol=1e-6)
    assert "equity_crash_20pct" in picture.note
    assert "waterfall" in to_html(picture, "one")


def test_scenarios_stand_side_by_side(case):
    picture = scenario_bars(case[3])
    *stacked, whole = picture.figure.data
    assert len(whole.x) == 6
    assert_allclose(np.sum([bar.x for bar in stacked], axis=0), whole.x, atol=1e-5)
    with pytest.raises(InputError, match="no scenario to show"):
        scenario_bars([])


def test_a_map_shows_gains_of_each_pair(case):
    holdings, market, model, _ = case
    grid = stress_grid(holdings, market, model, ("factor 1", [-0.1, 0, 0.1]), ("vol", [0, 0.2]))
    shown = grid_map(grid).figure.data[0]
    assert_allclose(shown.z, -grid.losses, atol=1e-6)
    assert list(shown.y) == ["-0.1", "+0", "+0.1"]


def test_a_kind_that_is_not_there_is_refused(case):
    with pytest.raises(InputError, match="by sector, strategy, .* factor, position .* not by 'colour'"):
        waterfall(case[3][0], "colour")
