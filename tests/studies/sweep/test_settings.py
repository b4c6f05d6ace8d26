import pytest
from numpy.testing import assert_array_equal
from small_sweep import settings_in

from quantray.backtest.costs import LinearCosts
from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.regimes.indicators import volatility_lens
from quantray.regimes.path import minimum_dwell
from quantray.research.market import SimulatedData
from quantray.settings import read_settings
from quantray.studies.evaluation.families import CrossFamily, RuleFamily
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.sweep.settings import SweepSettings


def test_settings_become_families_and_a_design():
    settings = settings_in("runs", costs={"half_spread_bps": 3.0}, accounting={"execution_lag": 2})
    assert [family.name for family in settings.families()] == [
        "momentum_10_50",
        "bollinger_20",
        "Moving-average screen",
    ]
    assert isinstance(settings.families()[0], RuleFamily)
    assert isinstance(settings.families()[-1], CrossFamily)
    design = settings.design()
    assert (design.terms.costs, design.terms.lag) == (LinearCosts(3.0, 0.5), 2)
    assert (design.train_days, design.trials) == (300, 4)
    assert len(SweepSettings(name="all", data=SimulatedData()).families()) == 12


def test_a_hidden_market_dwells_and_a_lens_has_its_hysteresis():
    panel = simulate_market(10, 560, seed=1).panel
    at_once, later = (RegimeChoice(method="hmm", states=2, dwell_days=days).build(panel) for days in (1, 9))
    assert_array_equal(later.labels, minimum_dwell(at_once, 9).labels)
    lens = RegimeChoice(method="volatility", dwell_days=60).build(panel)
    assert_array_equal(lens.labels, volatility_lens(panel).path.labels)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("strategies: [momentum]", "strategies.0: strategy .momentum. is unknown; .* choose one of momentum_5_20"),
        ("strategies: [pairs, pairs]", "strategies repeat"),
        ("strategies: []", "nothing to sweep"),
        ("search: {method: hill}", "search.method"),
        ("blocks: 7", "multiple of 2"),
        ("regimes: {methods: hmm}", "did you mean 'method'"),
        ("regimes: {lenses: {trend_day: 9}}", "unknown key 'regimes.lenses.trend_day'; did you mean 'trend_days'"),
        ("regimes: {lenses: {bear_sharpe: 2}}", "s.yaml: bear_sharpe 2.0 must not exceed bull_sharpe 0.5"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, line, text):
    file = tmp_path / "s.yaml"
    file.write_text(f"name: s\ndata: {{kind: simulated}}\n{line}\n")
    with pytest.raises(InputError, match=text):
        read_settings(SweepSettings, file)
