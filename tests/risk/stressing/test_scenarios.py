import pytest

from quantray.errors import InputError
from quantray.risk.stressing.scenarios import Scenario, read_scenarios, standard_scenarios

REQUIRED = [
    "equity_crash_20pct",
    "rates_spike_200bp",
    "credit_spread_blowout",
    "emerging_market_crisis",
    "tech_bubble_burst",
    "covid_style_shock",
]


def test_the_six_scenarios_say_where_their_sizes_come_from():
    scenarios = standard_scenarios()
    assert list(scenarios) == REQUIRED
    assert all(len(scenario.source) > 80 for scenario in scenarios.values())
    assert scenarios["equity_crash_20pct"].asset_classes["equity"] == -0.2
    assert scenarios["rates_spike_200bp"].yields == 0.02


def test_scenarios_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("oil_shock:\n  source: a guess\n  sectors: {Energy: -0.3}\n  others: stay\n  groups: together\n")
    mine = read_scenarios(path)["oil_shock"]
    assert mine.sectors == {"Energy": -0.3}
    assert not mine.needs_model


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("oil:\n  sector: {Energy: -0.3}\n", "oil: .*sector.* did you mean 'sectors'"),
        ("oil:\n  asset_classes: {equities: -0.3}\n", "oil: .*equities"),
        ("oil:\n  asset_classes: {equity: -20}\n", "a return of -20 is below -1"),
        ("oil:\n  asset_classes: {equity: .nan}\n", "oil: asset_classes.equity"),
        ("oil:\n  source: nothing\n", "oil: .*it shocks nothing"),
        ("oil: -0.3\n", "must hold scenarios"),
        ("[]\n", "must hold scenarios"),
    ],
)
def test_what_no_scenario_can_say_is_refused_in_a_line(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_scenarios(path)
    assert "\n" not in str(caught.value)


def test_models_take_part_unless_everything_is_said():
    assert Scenario(asset_classes={"equity": -0.2}).needs_model
    assert Scenario(factors={"market": -0.2}, groups="together", others="stay").needs_model
