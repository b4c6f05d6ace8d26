from pathlib import Path

import pytest

from quantray.data.quality import QualitySettings
from quantray.data.universe import PRESETS, Everything, MembershipFile, RankBand, Symbols
from quantray.errors import InputError
from quantray.research.market import UniverseSettings
from quantray.settings import as_mapping, config_hash, read_settings, to_yaml
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings, PortfolioSettings, demo_settings
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.tuning.settings import TuningSettings

CONFIGS = sorted((Path(__file__).parents[3] / "workflows" / "configs").glob("*.yaml"))
MODELS = {
    "combine": CombinationSettings,
    "forecasts": ForecastSettings,
    "regime_sweep": SweepSettings,
    "scale": ScaleSettings,
    "tune": TuningSettings,
}
"""Beginning of a file's name -> what it holds, where that is no walk-forward study."""
DEMO = Path(__file__).parents[3] / "workflows" / "configs" / "demo.yaml"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_settings_are_valid_and_named_after_their_file(path):
    model = next((model for start, model in MODELS.items() if path.stem.startswith(start)), PortfolioSettings)
    assert read_settings(model, path).name == path.stem


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


def test_changes_apply_to_nested_and_listed_settings():
    changed = read_settings(
        PortfolioSettings,
        DEMO,
        ["allocators.0.distance=correlation", "cluster.kind=serial", "costs.half_spread_bps=1.5"],
    )
    assert changed.allocators[0].distance == "correlation"
    assert changed.cluster.kind == "serial"
    assert changed.costs.half_spread_bps == 1.5


def test_what_stands_in_a_list_is_reached_by_its_name(tmp_path):
    text = DEMO.read_text().replace("name: Inverse volatility", "name: HRP v1.2")
    (tmp_path / "demo.yaml").write_text(text)
    changes = ["allocators.HRP.linkage=ward", "allocators.HRP v1.2.rule=herc", "allocators.Equal weight.rule=nco"]
    changed = read_settings(PortfolioSettings, tmp_path / "demo.yaml", changes)
    assert [allocator.rule for allocator in changed.allocators] == ["hrp", "herc", "nco"]
    assert changed.allocators[0].linkage == "ward"


def test_a_list_without_names_asks_for_the_place():
    combine = DEMO.with_name("combine.yaml")
    assert read_settings(CombinationSettings, combine, ["strategies.0.count=2"]).strategies[0].count == 2
    with pytest.raises(InputError, match="give the place in the list, from 0 to 11, for 'pairs'"):
        read_settings(CombinationSettings, combine, ["strategies.pairs.count=2"])


def test_a_change_meets_one_place_only_where_yaml_repeats_it():
    scale = DEMO.with_name("scale.yaml")
    changed = read_settings(ScaleSettings, scale, ["models.GAT.training.epochs=1"])
    assert [model.training.epochs for model in changed.models] == [1, 6, 6, 6, 6]


def test_keys_with_dots_are_reached_as_they_are_written():
    change = "space.training.learning_rate={kind: uniform, low: 0.1, high: 0.2}"
    changed = read_settings(TuningSettings, DEMO.with_name("tune.yaml"), [change, "space.graph.k.high=8"])
    assert next(iter(changed.space)) == "training.learning_rate"
    assert changed.space["training.learning_rate"].low == 0.1
    assert changed.space["graph.k"].high == 8


def test_the_hash_follows_what_changes_numbers():
    base = demo_settings()
    elsewhere = base.model_copy(update={"runs": "other"})
    slower = base.model_copy(update={"rebalance": "quarterly"})
    keep = {"cluster", "tracking", "runs"}
    assert config_hash(base, exclude=keep) == config_hash(elsewhere, exclude=keep)
    assert config_hash(base, exclude=keep) != config_hash(slower, exclude=keep)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["rebalence=monthly"], "unknown key 'rebalence'; did you mean 'rebalance'"),
        (["folds.look_back_days=100"], "unknown key 'folds.look_back_days'; did you mean 'lookback_days'"),
        (["folds.test_days=0"], "folds.test_days: Input should be greater than or equal to 1"),
        (["data.n_assets=many"], "data.n_assets: Input should be a valid integer"),
        (["rebalance=hourly"], "rebalance: Input should be 'daily', 'weekly', 'monthly' or 'quarterly'"),
        (["benchmark=HPR"], "benchmark 'HPR' is no allocator; did you mean 'HRP'"),
        (["allocators.1.name=HRP"], "allocator names repeat"),
        (["allocators.0.name=../x"], "must be letters, digits"),
        (["cluster.kind=address"], "needs an address"),
        (
            ["cluster={kind: auto, address: 'a:1'}"],
            "kind 'address' needs an address, and the other kinds take none",
        ),
        (["cluster={kind: auto, cpus: 0}"], "cluster.cpus: Input should be greater than or equal to 1"),
        (["name=a/b"], "name: String should match pattern"),
        (["folds"], "is not of the form a.b=value"),
        (["name.first=x"], "'first' lies below a plain value"),
        (["allocators.HPR.rule=herc"], "'HPR' is not in the list; did you mean 'HRP'"),
        (["allocators.9.rule=herc"], "'9' is not in the list; names are HRP, Inverse volatility, Equal weight"),
        (["data={kind: store, universe: {preset: sp600-like}}"], "preset 'sp600-like' is unknown; did you mean"),
        (["data={kind: store, universe: {preset: top2000, band: [1, 2]}}"], "give one of preset, band"),
    ],
)
def test_mistakes_are_explained_in_one_line(changes, text):
    with pytest.raises(InputError, match=text) as caught:
        read_settings(PortfolioSettings, DEMO, changes)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_settings(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_settings(PortfolioSettings, tmp_path / "none.yaml")
    (tmp_path / "a.yaml").write_text("name: [1, 2")
    with pytest.raises(InputError, match="is not valid YAML"):
        read_settings(PortfolioSettings, tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("just text")
    with pytest.raises(InputError, match="must hold settings"):
        read_settings(PortfolioSettings, tmp_path / "b.yaml")


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


@pytest.mark.parametrize("path", [path for path in CONFIGS if "preset: " in path.read_text()], ids=lambda p: p.stem)
def test_an_empty_universe_takes_the_place_of_a_preset_and_means_all_names(path):
    model = ForecastSettings if path.stem == "forecasts" else PortfolioSettings
    assert read_settings(model, path).data.universe.preset is not None
    changed = read_settings(model, path, ["data.universe={}"])
    assert changed.data.universe == UniverseSettings()
    assert isinstance(changed.data.universe.build(), Everything)


def test_the_environment_names_store_and_runs(monkeypatch):
    monkeypatch.setenv("QUANTRAY_RUNS", "elsewhere")
    monkeypatch.setenv("QUANTRAY_STORE", "prices")
    assert demo_settings().runs == "elsewhere"
    settings = read_settings(PortfolioSettings, DEMO.with_name("top2000.yaml"))
    assert settings.data.store == "prices"


def test_settings_flatten_to_dotted_names():
    flat = as_mapping(demo_settings())
    assert flat["folds.test_days"] == 126
    assert flat["allocators.0.name"] == "HRP"
