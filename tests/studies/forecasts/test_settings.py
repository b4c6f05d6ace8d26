import pytest
import yaml
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.models.controls import ControlRule
from quantray.models.layers import LayerSettings
from quantray.models.learned import NetworkForecaster
from quantray.models.linear import ElasticNet, Ridge
from quantray.models.own import OwnForecaster
from quantray.settings import checked, to_yaml
from quantray.studies.forecasts.kind import FORECASTS
from quantray.studies.forecasts.settings import ForecastSettings, GraphChoice, ModelSettings, TrainingChoice
from quantray.studies.forecasts.trial import attention_of, build_forecaster
from quantray.studies.kinds import read_study


def test_controls_stand_beside_every_study(forecast_settings):
    settings = forecast_settings("runs")
    assert [m.name for m in settings.all_models] == ["GAT", "LSTM", "zero", "reversal", "reversal_gap", "ridge"]
    assert [m.name for m in settings.all_models if m.is_control] == ["zero", "reversal", "reversal_gap", "ridge"]


def test_a_control_that_is_named_stands_there_once(forecast_settings, network):
    settings = forecast_settings("runs", models=(network(), ModelSettings(name="Linear", kind="ridge")))
    assert [m.name for m in settings.all_models] == ["GAT", "Linear", "zero", "reversal", "reversal_gap"]


def test_what_is_there_to_be_beaten_is_a_control(network):
    assert not network().is_control
    assert network(shuffled_labels=True).is_control
    assert network(graph=GraphChoice(kind="random")).is_control
    assert ModelSettings(name="x", kind="lightgbm").is_control
    assert not ModelSettings(name="x", kind="own_forecasters:Trend").is_control


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "</script>"}, "String should match pattern"),
        ({"name": "-x"}, "String should match pattern"),
        ({"width": 9}, "width 9 must be a multiple of heads 2"),
        ({"attention": "dense", "graph": GraphChoice(kind="random")}, "a random graph needs attention neighbours"),
        (
            {"attention": "hierarchical", "graph": GraphChoice(kind="sector")},
            "a sector graph needs attention neighbours",
        ),
        ({"kind": "ridge", "warm_start": True}, "shuffled_labels and warm_start need kind network"),
        ({"kind": "zero", "shuffled_labels": True}, "shuffled_labels and warm_start need kind network"),
        ({"epochs": 3}, "Extra inputs are not permitted"),
        ({"kind": "rigde"}, "'rigde' is unknown; did you mean 'ridge'.*as module:name"),
        ({"kind": "no path:at all"}, "'no path:at all' is no import path such as my_rules:rule"),
        ({"parameters": {"alpha": 1}}, "parameters need kind elastic_net, hist_gradient_boosting, lightgbm, or one of"),
        ({"kind": "ridge", "parameters": {"alpha": 1}}, "parameters need kind elastic_net"),
        ({"kind": "ridge", "trial_seconds": 1}, "trial_seconds needs a forecaster of your own"),
        ({"kind": "a:b", "warm_start": True}, "shuffled_labels and warm_start need kind network"),
        ({"attention": "GATv2Conv"}, "Input should be 'none', 'dense'"),
        ({"attention": {"layer": "GATv2Conv", "heads": 2}}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_models_are_refused(network, changes, text):
    with pytest.raises(ValidationError, match=text):
        network(**changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"models": ()}, "at least 1 item"),
        ({"name": "a b<i>"}, "String should match pattern"),
        ({"seeds": 0}, "greater than or equal to 1"),
        ({"resampling": {"confidence": 0.5}}, "greater than 0.5"),
    ],
)
def test_wrong_studies_are_refused(forecast_settings, changes, text):
    with pytest.raises(ValidationError, match=text):
        forecast_settings("runs", **changes)


def test_names_must_differ_from_one_another_and_from_the_controls(forecast_settings, network):
    with pytest.raises(ValidationError, match="model names repeat: GAT, GAT"):
        forecast_settings("runs", models=(network(), network()))
    with pytest.raises(ValidationError, match="the controls' own names are taken"):
        forecast_settings("runs", models=(network("zero"),))


def test_forecasters_are_built_as_described(network):
    choice = TrainingChoice(
        mode="windows", steps=7, precision="bf16", epochs=9, stages=("encoder", "joint"), loss="mse"
    )
    settings = network(graph=GraphChoice(kind="sector", k=3), training=choice, shuffled_labels=True, recompute=True)
    built = build_forecaster(settings)
    assert isinstance(built, NetworkForecaster)
    assert (built.name, built.width, built.layers, built.heads, built.dropout) == ("GAT", 16, 1, 2, 0.1)
    assert (built.graph.kind, built.graph.k, built.shuffled_labels, built.recompute) == ("sector", 3, True, True)
    assert (built.training.reading.mode, built.training.reading.steps, built.training.loss) == ("windows", 7, "mse")
    assert (built.training.epochs, built.training.stages) == (9, ("encoder", "joint"))
    warm = build_forecaster(settings.model_copy(update={"warm_epochs": 2}), warm=True)
    assert isinstance(warm, NetworkForecaster)
    assert (warm.training.epochs, warm.training.stages) == (2, ("joint",))
    assert warm.training.learning_rate == pytest.approx(choice.learning_rate / 3)
    assert build_forecaster(ModelSettings(name="r", kind="ridge")) == Ridge()
    assert build_forecaster(ModelSettings(name="r", kind="reversal_gap")) == ControlRule("reversal_gap")
    few = {"l1_ratio": 0.2}
    assert build_forecaster(ModelSettings(name="r", kind="elastic_net", parameters=few)) == ElasticNet(0.2)
    own = ModelSettings(name="r", kind="own_forecasters:Trend", parameters={"days": 3})
    assert build_forecaster(own) == OwnForecaster("r", "own_forecasters:Trend", {"days": 3})


def test_where_a_study_runs_changes_no_identity(forecast_settings):
    here, there = (forecast_settings(folder, forecasts=folder) for folder in ("a", "b"))
    assert here.where == {"cluster", "tracking", "runs", "forecasts"}
    assert here.identity == there.identity
    assert here.identity != here.model_copy(update={"seeds": 3}).identity
    assert ForecastSettings.model_validate(here.model_dump(mode="json")) == here


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("confidence=0.9", "an older layout; for confidence write resampling.confidence"),
        ("folds.lag=2", "an older layout; for folds.lag write accounting.execution_lag"),
        ("models.0.training.warm_up=20", r"unknown key 'models.0.training.warm_up'; did you mean 'warm_up_days'\?"),
    ],
)
def test_settings_of_an_older_layout_are_told_the_new_names(forecast_settings, tmp_path, change, text):
    file = tmp_path / "study.yaml"
    file.write_text(to_yaml(forecast_settings("runs")))
    assert read_study(file, kind="forecasts") == (FORECASTS, forecast_settings("runs"))
    with pytest.raises(InputError, match=text):
        read_study(file, [change])


def test_a_layer_by_name_is_part_of_the_settings(network):
    model = network(attention={"layer": "SAGEConv", "parameters": {"aggr": "max"}}, graph=GraphChoice(kind="random"))
    assert attention_of(model) == LayerSettings("SAGEConv", {"aggr": "max"})
    assert ModelSettings(**yaml.safe_load(to_yaml(model))) == model
    with pytest.raises(InputError, match="unknown key 'attention.parameter'; did you mean 'parameters'"):
        checked(ModelSettings, {"name": "x", "attention": {"layer": "SAGEConv", "parameter": {}}}, "x.yaml")
