"""Spaces of settings: what may be searched, from where to where, and points that stand for settings."""

from collections.abc import Mapping
from typing import Literal

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import Field, JsonValue, TypeAdapter, ValidationError, model_validator

from quantray.errors import InputError
from quantray.research.space import Choice, Dimension, Integers, LogUniform, SearchSpace, Uniform
from quantray.settings import SettingsModel


class Rate(SettingsModel):
    learning_rate: float = Field(1e-3, gt=0)
    stages: tuple[Literal["joint", "encoder", "cross"], ...] = ("joint",)
    patience: int | None = None


class Net(SettingsModel):
    name: str = "Net"
    kind: Literal["network", "ridge"] = "network"
    width: int = Field(8, ge=1)
    heads: int = 2
    dropout: float = Field(0.1, ge=0, lt=1)
    recompute: bool = False
    training: Rate = Rate()
    alpha: Rate | None = None

    @model_validator(mode="after")
    def _heads(self) -> "Net":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class Days(SettingsModel):
    lookback_days: int = Field(126, ge=20)


class Study(SettingsModel):
    nets: tuple[Net, ...] = (Net(), Net(name="Other"))
    folds: Days = Days()
    rebalance: Literal["weekly", "monthly"] = "monthly"


DIMENSIONS = {
    "training.learning_rate": LogUniform(low=1e-4, high=1e-2),
    "dropout": Uniform(low=0.0, high=0.5),
    "width": Integers(low=4, high=10),
    "recompute": Choice(values=(False, True)),
}


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"'training.lerning_rate', which is no setting.*'training.learning_rate'"):
        SearchSpace(Net(), {"training.lerning_rate": Uniform(low=0.1, high=0.2)})
    with pytest.raises(InputError, match=r"'zzz', which is no setting to search; settings are width, heads, dropout, "):
        SearchSpace(Net(), {"zzz": Uniform(low=0.1, high=0.2)})


@pytest.mark.parametrize(
    ("name", "dimension", "text"),
    [
        ("width", Integers(low=0, high=8), "width cannot be 0: .*greater than or equal to 1"),
        ("dropout", Uniform(low=0.0, high=1.0), "dropout cannot be 1.0"),
        ("training.learning_rate", Uniform(low=0.0, high=1.0), "training.learning_rate cannot be 0.0"),
        ("training.stages", Choice(values=(("joint",), ("some",))), r"training.stages cannot be \('some',\)"),
        ("name", Choice(values=("a", "b")), "'name', which is no setting to search"),
        ("kind", Choice(values=("network", "ridge")), "'kind', which is no setting to search"),
        ("alpha.learning_rate", LogUniform(low=1, high=10), "the study has no alpha; give it one to search below"),
    ],
)
@pytest.mark.parametrize("root", [(), ("nets", 1)], ids=["alone", "below a study"])
def test_values_that_are_refused_whatever_the_others(name, dimension, text, root):
    with pytest.raises(InputError, match=text):
        SearchSpace(Study() if root else Net(), {name: dimension}, root=root)


def test_what_others_may_put_right_is_no_reason_to_refuse():
    # Seven is no multiple of two heads, but it is of one.
    space = SearchSpace(Net(), {"width": Integers(low=7, high=8), "heads": Choice(values=(1, 2))})
    assert space.allows({"width": 7, "heads": "1"})
    assert not space.allows({"width": 7, "heads": "2"})
    with pytest.raises(InputError, match="^width 7 must be a multiple of heads 2$"):
        space.settings({"width": 7, "heads": "2"})


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ({"kind": "uniform", "low": 2, "high": 1}, "low 2 must lie below high 1"),
        ({"kind": "uniform", "low": 0, "high": float("inf")}, "high\n  Input should be a finite number"),
        ({"kind": "uniform", "low": 0, "high": 1, "step": 0}, "greater than 0"),
        ({"kind": "loguniform", "low": 0, "high": 1}, "greater than 0"),
        ({"kind": "integers", "low": 0, "high": 8, "log": True}, "log needs low of 1 or more"),
        ({"kind": "integers", "low": 1, "high": 8, "log": True, "step": 2}, "and step 1, not low 1 and step 2"),
        ({"kind": "choice", "values": ["a", "a"]}, "repeat"),
        ({"kind": "choice", "values": ["a"]}, "at least 2 items"),
        ({"kind": "normal", "low": 0, "high": 1}, "does not match any of the expected tags"),
    ],
)
def test_dimensions_that_make_no_sense(dimension, text):
    with pytest.raises(ValidationError, match=text):
        TypeAdapter(Dimension).validate_python(dimension)


def test_samplers_are_told_the_ranges():
    space = SearchSpace(Net(), DIMENSIONS | {"heads": Integers(low=1, high=8, log=True)})
    assert space.distributions() == {
        "training.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
        "width": IntDistribution(4, 10),
        # Texts, since 1 and true are the same to a sampler.
        "recompute": CategoricalDistribution(["false", "true"]),
        "heads": IntDistribution(1, 8, log=True),
    }


def test_points_go_there_and_back():
    space = SearchSpace(Net(), DIMENSIONS)
    start = space.start()
    assert start == {"training.learning_rate": 1e-3, "dropout": 0.1, "width": 8, "recompute": "false"}
    assert space.settings(start) == space.base
    assert list(space.values(start)) == list(DIMENSIONS)
    assert space.point(space.values(start)) == start
    assert not space.allows(start | {"width": 7})
    assert space.settings(start | {"recompute": "true"}) == Net(recompute=True)


def test_a_choice_of_tuples_comes_back_as_tuples():
    stages = Choice(values=(("joint",), ("encoder", "cross", "joint")))
    space = SearchSpace(Net(), {"training.stages": stages})
    assert space.start() == {"training.stages": '["joint"]'}
    found = space.settings({"training.stages": '["encoder", "cross", "joint"]'})
    assert found.training.stages == ("encoder", "cross", "joint")


@pytest.mark.parametrize(
    "dimensions",
    [
        {"width": Integers(low=10, high=20)},
        {"dropout": Uniform(low=0.0, high=0.5, step=0.25)},
        {"training.stages": Choice(values=(("cross",), ("encoder",)))},
        {"training.patience": Integers(low=1, high=4)},
    ],
    ids=["beyond the range", "between two steps", "not among the choices", "not set"],
)
def test_what_lies_outside_the_space_is_no_start(dimensions):
    assert SearchSpace(Net(), dimensions).start() is None


def test_names_lie_below_the_root_or_below_the_base():
    dimensions = {
        "width": Integers(low=4, high=8, step=2),
        "folds.lookback_days": Integers(low=84, high=168, step=21),
        "rebalance": Choice(values=("weekly", "monthly")),
    }
    space = SearchSpace(Study(), dimensions, root=("nets", 0), outside=("folds.lookback_days", "rebalance"))
    assert space.start() == {"width": 8, "folds.lookback_days": 126, "rebalance": '"monthly"'}
    found = space.settings({"width": 6, "folds.lookback_days": 84, "rebalance": '"weekly"'})
    assert found == Study(nets=(Net(width=6), Net(name="Other")), folds=Days(lookback_days=84), rebalance="weekly")
    with pytest.raises(InputError, match="'rebalance', which is no setting to search"):
        SearchSpace(Study(), {"rebalance": dimensions["rebalance"]}, root=("nets", 0))


def test_the_largest_value_that_a_name_may_take():
    stages = Choice(values=(("joint",), ("encoder", "joint")))
    space = SearchSpace(Net(), {"training.stages": stages, "width": Integers(low=4, high=10)})
    assert space.largest("width", 8) == 10
    assert space.largest("training.stages", 1) == 2
    assert space.largest("heads", 2) == 2
    assert SearchSpace(Net(), {"heads": Choice(values=(1, 4, 2))}).largest("heads", 2) == 4


class Own(SettingsModel):
    rule: str = "mine"
    parameters: Mapping[str, JsonValue] = {}


class Several(SettingsModel):
    rules: tuple[Own, ...] = (Own(), Own(parameters={"power": 2.0, "days": 5}))


def test_parameters_of_a_users_own_may_be_searched_by_any_name():
    power = {"parameters.power": Uniform(low=1.0, high=3.0)}
    space = SearchSpace(Own(), power)
    assert space.settings({"parameters.power": 1.5}).parameters == {"power": 1.5}
    assert space.start() is None
    below = SearchSpace(Several(), power, root=("rules", 1))
    assert below.start() == {"parameters.power": 2.0}
    found = below.settings({"parameters.power": 1.5}).rules
    assert (found[0].parameters, found[1].parameters) == ({}, {"power": 1.5, "days": 5})
    with pytest.raises(InputError, match="'parameters', which is no setting"):
        SearchSpace(Own(), {"parameters": Uniform(low=1.0, high=3.0)})
