import re
from pathlib import Path

import pytest

from quantray.data.quality.treatment import QualitySettings
from quantray.data.universe import PRESETS, Everything, MembershipFile, RankBand, Symbols
from quantray.errors import InputError
from quantray.research.market import UniverseSettings
from quantray.settings import read_settings, to_yaml
from quantray.studies.capacity.settings import CapacitySettings
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings, demo_settings
from quantray.studies.regimes.settings import RegimesSettings
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.tuning.settings import TuningSettings

FOLDER = Path(__file__).parents[3] / "workflows" / "configs"
CONFIGS = [
    path
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.stem not in ("daily", "limits", "trading_day", "trading_day_full")
]
"""Of studies."""
MODELS = {
    "capacity": CapacitySettings,
    "combine": CombinationSettings,
    "forecasts": ForecastSettings,
    "institutional": InstitutionalSettings,
    "regime_sweep": SweepSettings,
    "regimes": RegimesSettings,
    "scale": ScaleSettings,
    "tune": TuningSettings,
}
"""Beginning of a file's name -> what it holds, where that is no walk-forward study."""
DEMO = FOLDER / "demo.yaml"


def model_of(path):
    """The settings that a shipped file holds."""
    return next((model for start, model in MODELS.items() if path.stem.startswith(start)), PortfolioSettings)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_settings_are_valid_and_named_after_their_file(path):
    assert read_settings(model_of(path), path).name == path.stem


def test_the_demo_and_its_file_say_the_same():
    assert read_settings(PortfolioSettings, DEMO) == demo_settings()


def test_resolved_settings_read_back_equal(tmp_path):
    settings = read_settings(PortfolioSettings, DEMO, ["folds.test_days=21", "data.seed=3"])
    (tmp_path / "resolved.yaml").write_text(to_yaml(settings))
    assert read_settings(PortfolioSettings, tmp_path / "resolved.yaml") == settings


def test_allocators_without_forecasts_are_written_as_if_there_were_none():
    """So that results stored before there were any keep their keys, and runs their folders."""
    plain = AllocatorSettings(name="HRP", rule="hrp")
    assert "alpha" not in plain.model_dump(mode="json")
    assert "alpha" not in to_yaml(demo_settings())
    alpha = AlphaSettings(forecasts=ForecastChoice(control="reversal"))
    settings = AllocatorSettings(name="MV", rule="mean_variance", estimator="statistical", alpha=alpha)
    assert AllocatorSettings.model_validate(settings.model_dump(mode="json")) == settings


def test_quality_treatments_can_be_overridden_in_yaml(tmp_path):
    (tmp_path / "q.yaml").write_text("treatments: {stale_price: drop_cell}\nstale_days: 5\n")
    assert read_settings(QualitySettings, tmp_path / "q.yaml").treatments == {"stale_price": "drop_cell"}
    (tmp_path / "q.yaml").write_text("treatments: {stale_price: repair}\n")
    with pytest.raises(InputError, match="stale_price allows keep, drop_cell, drop_row, refuse"):
        read_settings(QualitySettings, tmp_path / "q.yaml")


def test_universes_are_built_from_settings():
    assert isinstance(UniverseSettings().build(), Everything)
    assert UniverseSettings(symbols=("A", "B")).build() == Symbols(("A", "B"))
    assert UniverseSettings(members="m.csv").build() == MembershipFile("m.csv")
    assert UniverseSettings(band=(5, 10), buffer=0.2).build() == RankBand(5, 10, buffer=0.2)
    for name, band in PRESETS.items():
        assert UniverseSettings(preset=name).build() == band


PRESET = [path for path in CONFIGS if re.search("^[^#]*preset: ", path.read_text(), re.M)]


@pytest.mark.parametrize("path", PRESET, ids=lambda p: p.stem)
def test_an_empty_universe_takes_the_place_of_a_preset_and_means_all_names(path):
    model = model_of(path)
    assert read_settings(model, path).data.universe.preset is not None
    changed = read_settings(model, path, ["data.universe={}"])
    assert changed.data.universe == UniverseSettings()
    assert isinstance(changed.data.universe.build(), Everything)
