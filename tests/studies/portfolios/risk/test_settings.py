import pytest
from small_portfolios import ALLOCATORS, settings_in

from quantray.errors import InputError
from quantray.risk.limits import Limit
from quantray.settings import checked, read_settings, to_yaml
from quantray.studies.portfolios.risk.settings import OverlaySettings, RiskSettings
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings, demo_settings

GROSS = {"name": "gross", "metric": "gross", "scope": "book", "soft": 1.0, "hard": 2.0}


def test_without_risk_settings_and_identity_are_what_they_were():
    assert "risk" not in to_yaml(demo_settings())
    assert "risk" not in demo_settings().model_dump(mode="json")


def test_yaml_both_ways(tmp_path):
    limits = (Limit(**GROSS),)
    risk = RiskSettings(limits=limits, overlay=OverlaySettings(risk_budget=1.0, obey=True))
    settings = settings_in(tmp_path, risk=risk)
    (tmp_path / "settings.yaml").write_text(to_yaml(settings))
    again = read_settings(PortfolioSettings, tmp_path / "settings.yaml")
    assert again == settings
    assert again.identity != settings_in(tmp_path).identity


@pytest.mark.parametrize(
    ("risk", "told"),
    [
        ({"overlay": {}}, "the overlay does nothing"),
        ({"overlay": {"risk_budget": -1}}, "risk_budget"),
        ({"overlay": {"obey": True}}, "overlay.obey needs limits"),
        ({"limits": [GROSS, GROSS]}, "two limits are called 'gross'"),
        ({"limits": [GROSS | {"soft": 3.0}]}, "soft level 3 must not be above the hard one"),
        ({"limits": [GROSS | {"scope": ""}]}, "has no scope"),
        (
            {"limits": [GROSS | {"metric": "drawdown"}], "overlay": {"obey": True}},
            "cannot keep 'gross': of a decision it knows gross, net",
        ),
        (
            {"limits": [GROSS | {"moves": {"floor": 0.5}}], "overlay": {"risk_budget": 1.0}},
            "'gross' moves, which overlay.obey alone follows",
        ),
        ({"overlay": {"protection": {"depths": [0.1, 0.05], "exposures": [0.5, 0.2]}}}, "must rise"),
        ({"overlays": {}}, "did you mean 'overlay'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(risk, told):
    with pytest.raises(InputError, match=told) as refusal:
        checked(RiskSettings, risk, "risk.yaml")
    assert "\n" not in str(refusal.value)


def test_a_name_that_the_overlay_takes_is_refused(tmp_path):
    taken = AllocatorSettings(name="HRP with overlay", rule="equal_weight")
    with pytest.raises(ValueError, match="is the name of 'HRP' with the overlay"):
        settings_in(
            tmp_path, allocators=(*ALLOCATORS, taken), risk=RiskSettings(overlay=OverlaySettings(risk_budget=1.0))
        )
