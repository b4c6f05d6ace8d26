from pathlib import Path

import pytest

from quantray.errors import InputError
from quantray.settings import as_mapping, config_hash, read_settings
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.portfolios.settings import PortfolioSettings, demo_settings
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.tuning.settings import TuningSettings

DEMO = Path(__file__).parents[1] / "workflows" / "configs" / "demo.yaml"


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
        (["folds.rebalance=daily"], "unknown key 'folds.rebalance'; 'rebalance' is a key, but not of this part"),
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
        (["data={store: x}"], "data.kind is missing; say store or simulated[.]$"),
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
