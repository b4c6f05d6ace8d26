"""Settings of a forecasting study: which models learn what, on which folds, with how many seeds."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Discriminator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from quantray.data.loading import ADJUSTED
from quantray.features.catalogue import FEATURES, Feature
from quantray.features.own import given_feature, own_feature
from quantray.own import one_of, own_path
from quantray.research.kind import Name, StudySettings
from quantray.research.market import MarketSettings
from quantray.research.terms import LagSettings
from quantray.settings import SettingsModel

__all__ = [
    "KINDS",
    "FeatureSettings",
    "ForecastFolds",
    "ForecastSettings",
    "GivenFeatureSettings",
    "GraphChoice",
    "LayerChoice",
    "ModelSettings",
    "OwnFeatureSettings",
    "TrainingChoice",
]


_REGRESSIONS = ("ridge", "elastic_net", "hist_gradient_boosting", "lightgbm")
_RULES = ("reversal", "reversal_gap", "zero")
KINDS = ("network", *_REGRESSIONS, *_RULES)
"""Forecasters of quantray's."""
_PARAMETERISED = ("elastic_net", "hist_gradient_boosting", "lightgbm")


class ForecastFolds(SettingsModel):
    """Folds of training, validation and test, purged on both borders; see ``research.folds.walk_forward``."""

    kind: Literal["rolling", "expanding"] = "rolling"
    train_days: int = Field(504, ge=40)
    valid_days: int = Field(60, ge=10)
    test_days: int = Field(126, ge=5)
    horizon: int = Field(5, ge=1, le=252)
    """Trading days whose return is forecast."""
    embargo: int = Field(0, ge=0)
    warm_up_days: int = Field(320, ge=0)
    """Trading days before the first training range, for look-backs of features, graphs and the LSTM."""
    most: int | None = Field(None, ge=1)
    """The last so many folds only; by default all."""


class GraphChoice(SettingsModel):
    """The graph among names; see ``models.structures.GraphSettings``."""

    kind: Literal["correlation", "sector", "random"] = "correlation"
    k: int = Field(10, ge=1, le=500)
    cap: int = Field(50, ge=2, le=1000)
    window: int = Field(252, ge=60)
    threshold: float = Field(0.0, ge=-1, lt=1)
    n_factors: int = Field(0, ge=0, lt=60)


class LayerChoice(SettingsModel):
    """A layer of PyTorch Geometric on the graph of neighbours; see ``models.layers.LayerSettings``."""

    layer: str = Field(min_length=1)
    """Name in ``torch_geometric.nn``, or ``module:name`` of a ``MessagePassing``."""
    parameters: Mapping[str, JsonValue] = {}
    """Of its constructor."""


_Attention = Annotated[
    Annotated[Literal["none", "dense", "complete", "neighbours", "hierarchical"], Tag("built_in")]
    | Annotated[LayerChoice, Tag("by_name")],
    Discriminator(lambda given: "built_in" if isinstance(given, str) else "by_name"),
]
"""One of quantray's by name, or a layer by name on the neighbours."""


class TrainingChoice(SettingsModel):
    """How a network is trained; see ``models.training.TrainingSettings`` and ``models.scoring.TimeReading``."""

    mode: Literal["chunks", "windows"] = "chunks"
    steps: int = Field(20, ge=1)
    warm_up_days: int = Field(60, ge=0)
    """Days before the first scored one that only fill the LSTM's state."""
    precision: Literal["fp32", "bf16"] = "fp32"
    batch: int = Field(1, ge=1)
    accumulate: int = Field(1, ge=1)
    epochs: int = Field(15, ge=1)
    patience: int = Field(4, ge=1)
    stages: tuple[Literal["joint", "encoder", "cross"], ...] = ("joint",)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    clip: float = Field(1.0, gt=0)
    loss: Literal["mse", "ic", "pairwise", "listmle"] = "ic"


class ModelSettings(SettingsModel):
    """One model of the study."""

    name: Name
    kind: Annotated[str, one_of(KINDS, "forecasters")] = "network"
    """All of quantray's but networks are controls. ``lightgbm`` needs the extra of that name. Or a forecaster of your
    own, by ``module:name`` or by the name that an installed package registers among ``quantray.forecasters``."""
    parameters: Mapping[str, JsonValue] = {}
    """Of a forecaster of your own; ``l1_ratio`` of an elastic net; or, in place of quantray's, of
    ``HistGradientBoostingRegressor`` and ``LGBMRegressor``."""
    trial_seconds: float = Field(30.0, gt=0)
    """That a forecaster of your own may take for a fit on made-up prices before the study; no number changes."""
    attention: _Attention = "neighbours"
    width: int = Field(64, ge=1)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    recompute: bool = False
    """Less memory for more work: attention is computed again in the backward pass."""
    graph: GraphChoice = GraphChoice()
    training: TrainingChoice = TrainingChoice()
    shuffled_labels: bool = False
    """The control that learns from labels dealt out at random."""
    warm_start: bool = False
    """Each fold starts from the newest earlier fold that has not seen its future, for a few epochs."""
    warm_epochs: int = Field(6, ge=1)
    device: str = Field("cpu", pattern=r"^[a-z]+(:\d+)?$")
    """Of a network, by torch's name: ``cpu``, ``cuda``, ``cuda:1``, ``xpu``, ``mps``, ``xla``."""
    reference: bool = False
    """Others are compared with it as with a control, such as sparse attention with dense."""

    @property
    def is_control(self) -> bool:
        """Whether others are compared with it."""
        theirs = self.kind in KINDS and self.kind != "network"
        return self.reference or theirs or self.shuffled_labels or self.graph.kind == "random"

    @property
    def own(self) -> str | None:
        """Import path of a forecaster of the user's own."""
        return None if self.kind in KINDS else own_path(self.kind, "forecasters")

    @property
    def takes_parameters(self) -> bool:
        """Whether it has parameters of its own."""
        return self.kind not in KINDS or self.kind in _PARAMETERISED

    @model_serializer(mode="wrap")
    def _without_own(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What only some kinds take is written, and hashed, where it is there."""
        values: dict[str, Any] = dump(self)
        for name in ("parameters", "trial_seconds"):
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values

    @model_validator(mode="after")
    def _own(self) -> "ModelSettings":
        if self.parameters and not self.takes_parameters:
            raise ValueError(
                f"{self.name}: parameters need kind {', '.join(_PARAMETERISED)}, or one of your own as module:name"
            )
        if self.kind in KINDS and self.trial_seconds != type(self).model_fields["trial_seconds"].default:
            raise ValueError(f"{self.name}: trial_seconds needs a forecaster of your own, as module:name")
        return self

    @model_validator(mode="after")
    def _network(self) -> "ModelSettings":
        if self.kind != "network" and (self.shuffled_labels or self.warm_start):
            raise ValueError(f"{self.name}: shuffled_labels and warm_start need kind network")
        if self.width % self.heads:
            raise ValueError(f"{self.name}: width {self.width} must be a multiple of heads {self.heads}")
        listening = isinstance(self.attention, LayerChoice) or self.attention == "neighbours"
        if self.graph.kind != "correlation" and not listening:
            raise ValueError(f"{self.name}: a {self.graph.kind} graph needs attention neighbours, or a layer")
        return self


_CONTROLS = (
    ModelSettings(name="zero", kind="zero"),
    ModelSettings(name="reversal", kind="reversal"),
    ModelSettings(name="reversal_gap", kind="reversal_gap"),
    ModelSettings(name="ridge", kind="ridge"),
)


def _is_given(feature: object) -> str:
    given = "values" in feature if isinstance(feature, Mapping) else isinstance(feature, GivenFeatureSettings)
    return "values" if given else "function"


_FeatureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=60)]


class OwnFeatureSettings(SettingsModel):
    """A feature of your own, beside the catalogue's; see ``features.own``."""

    name: _FeatureName
    feature: str = Field(pattern=r"^[\w.]+(:\w+)?$")
    """``module:name`` of a function of a panel, or the name that an installed package registers among
    ``quantray.features``."""
    lookback: int = Field(ge=0)
    """Rows that a value needs behind its own."""
    parameters: Mapping[str, JsonValue] = {}
    fields: tuple[Literal["open", "high", "low", "volume"], ...] = ()
    """Of the panel that it needs, beside the close."""
    trial_seconds: float = Field(30.0, gt=0, le=3600)
    """That one call may take when it is tried before the study; no number changes."""

    def build(self) -> Feature:
        """The feature; raises as ``features.own.own_feature``."""
        return own_feature(self.name, self.feature, self.lookback, self.parameters, self.fields)


class GivenFeatureSettings(SettingsModel):
    """A feature that comes as values, such as a vendor's scores; nothing can show that it does not look ahead."""

    name: _FeatureName
    values: str = Field(min_length=1)
    """CSV or Parquet of date, symbol and value, each known at the close of its date; see ``data.values``."""

    @property
    def lookback(self) -> int:
        """None."""
        return 0

    @property
    def fields(self) -> tuple[str, ...]:
        """Of the stored data: none."""
        return ()

    def build(self) -> Feature:
        """The feature, of a panel that holds the values in a field of its name."""
        return given_feature(self.name)


FeatureSettings = Annotated[
    Annotated[OwnFeatureSettings, Tag("function")] | Annotated[GivenFeatureSettings, Tag("values")],
    Discriminator(_is_given),
]
"""A feature of your own, by function or by values."""


class ForecastSettings(MarketSettings, StudySettings):
    """A walk-forward study of forecasters."""

    kind: Literal["forecasts"] = "forecasts"
    models: tuple[ModelSettings, ...] = Field(min_length=1)
    features: tuple[FeatureSettings, ...] = ()
    """Of your own, which all models learn from beside those of the catalogue."""
    seeds: int = Field(5, ge=1)
    """Fits of each network, which differ in everything random; their mean forecast is the model's. Other models are
    fitted once."""
    folds: ForecastFolds = ForecastFolds()
    accounting: LagSettings = LagSettings()
    forecasts: str | None = None
    """Folder of the forecast store; by default ``forecasts`` inside the runs folder."""

    where: ClassVar[frozenset[str]] = StudySettings.where | {"forecasts"}

    @property
    def all_models(self) -> tuple[ModelSettings, ...]:
        """The models, then the controls that stand beside every study and were not named."""
        kinds = {model.kind for model in self.models}
        return self.models + tuple(control for control in _CONTROLS if control.kind not in kinds)

    @model_validator(mode="after")
    def _names(self) -> "ForecastSettings":
        names = [model.name for model in self.all_models]
        if len(set(names)) != len(names):
            raise ValueError(f"model names repeat: {', '.join(names)}; the controls' own names are taken")
        return self

    @model_serializer(mode="wrap")
    def _without_features(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Features of the user's own are written, and hashed, where there are some."""
        values: dict[str, Any] = dump(self)
        if not self.features:
            values.pop("features", None)
        return values

    @model_validator(mode="after")
    def _features(self) -> "ForecastSettings":
        names = [each.name for each in self.features]
        if taken := [name for name in names if name in FEATURES or names.count(name) > 1]:
            raise ValueError(f"features: {taken[0]!r} is the name of another feature; choose another")
        given = [each.name for each in self.features if isinstance(each, GivenFeatureSettings)]
        if taken := [name for name in given if name in {*ADJUSTED, "date", "symbol", "member"}]:
            raise ValueError(f"features: {taken[0]!r} is a column of the data; choose another name for the values")
        if late := [each for each in self.features if each.lookback > self.folds.warm_up_days]:
            raise ValueError(
                f"features: {late[0].name} looks back {late[0].lookback} days; set folds.warm_up_days to that, or more"
            )
        return self
