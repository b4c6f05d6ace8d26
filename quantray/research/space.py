"""Spaces of settings that a search draws from: ranges, choices, and what may be searched."""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin

import optuna
from pydantic import BaseModel, Field, ValidationError, model_validator

from quantray.errors import InputError
from quantray.settings import SettingsModel

__all__ = [
    "Choice",
    "Dimension",
    "Integers",
    "LogUniform",
    "Point",
    "Scalar",
    "SearchSpace",
    "Uniform",
    "Value",
]

M = TypeVar("M", bound=BaseModel)
Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar, ...]
Point = Mapping[str, Scalar]
"""What a sampler draws: a number, or the JSON text of one of the choices, by setting."""

_FIXED = ("name", "kind", "device", "shuffled_labels", "warm_start", "trial_seconds")
"""Settings that say what a thing is, rather than how good."""


class _Range(SettingsModel):
    """Numbers from ``low`` to ``high``, both included."""

    @model_validator(mode="after")
    def _order(self) -> "_Range":
        low, high = getattr(self, "low"), getattr(self, "high")  # noqa: B009  (fields of the ranges below)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"low {low:g} must lie below high {high:g}")
        return self


class Uniform(_Range):
    """A number, every one as likely."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float
    step: float | None = Field(None, gt=0)
    """Only ``low`` and multiples of this above it."""

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """For the sampler."""
        return optuna.distributions.FloatDistribution(self.low, self.high, step=self.step)


class LogUniform(_Range):
    """A positive number whose logarithm is uniform, as for rates and penalties."""

    kind: Literal["loguniform"] = "loguniform"
    low: float = Field(gt=0)
    high: float

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """For the sampler."""
        return optuna.distributions.FloatDistribution(self.low, self.high, log=True)


class Integers(_Range):
    """A whole number."""

    kind: Literal["integers"] = "integers"
    low: int
    high: int
    step: int = Field(1, ge=1)
    log: bool = False
    """Whether its logarithm is uniform; then ``low`` must be positive, and ``step`` 1."""

    @model_validator(mode="after")
    def _log(self) -> "Integers":
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError(f"log needs low of 1 or more and step 1, not low {self.low} and step {self.step}")
        return self

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """For the sampler."""
        return optuna.distributions.IntDistribution(self.low, self.high, step=self.step, log=self.log)


class Choice(SettingsModel):
    """One of some values without an order."""

    kind: Literal["choice"] = "choice"
    values: tuple[Value, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _once(self) -> "Choice":
        if len({json.dumps(value) for value in self.values}) != len(self.values):
            raise ValueError(f"values {list(self.values)} repeat")
        return self

    def distribution(self) -> optuna.distributions.BaseDistribution:
        """For the sampler: of JSON texts, since samplers know no lists and take 1 and true for the same."""
        return optuna.distributions.CategoricalDistribution([json.dumps(value) for value in self.values])


Dimension = Annotated[Uniform | LogUniform | Integers | Choice, Field(discriminator="kind")]


@dataclass(frozen=True)
class SearchSpace(Generic[M]):
    """The settings that may be tried.

    Parameters
    ----------
    base : what is not searched stays as it is here.
    dimensions : by dotted names.
    root : keys and places that lead from the base to the settings below which names lie.
    outside : dotted names that lie below the base itself.

    Raises
    ------
    InputError
        A name is unknown or may not be searched, or a value at the end of its range is refused whatever the others.
    """

    base: M
    dimensions: Mapping[str, Dimension]
    root: tuple[str | int, ...] = ()
    outside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = self._names()
        for name, dimension in self.dimensions.items():
            if name not in known and name.rpartition(".")[0] not in self._mappings():
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"settings are {', '.join(known)}."
                raise InputError(f"space names {name!r}, which is no setting to search; {hint}")
            ends = dimension.values if isinstance(dimension, Choice) else (dimension.low, dimension.high)
            for value in ends:
                self._check_alone(name, value)

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """For a sampler that draws points."""
        return {name: dimension.distribution() for name, dimension in self.dimensions.items()}

    def values(self, point: Point) -> dict[str, Value]:
        """The values of a point, in the order of the space."""
        return {
            name: _plain(json.loads(str(point[name]))) if isinstance(dimension, Choice) else point[name]
            for name, dimension in self.dimensions.items()
        }

    def point(self, values: Mapping[str, Any]) -> dict[str, Scalar]:
        """The point that has these values."""
        return {
            name: json.dumps(values[name]) if isinstance(dimension, Choice) else values[name]
            for name, dimension in self.dimensions.items()
        }

    def settings(self, point: Point) -> M:
        """The base with the values of a point.

        Raises
        ------
        InputError
            The values do not go together.
        """
        try:
            return self._merged(self.values(point))
        except ValidationError as error:
            raise InputError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error

    def allows(self, point: Point) -> bool:
        """Whether the values of a point go together."""
        try:
            self.settings(point)
        except InputError:
            return False
        return True

    def start(self) -> dict[str, Scalar] | None:
        """The base's own values as a point; none where they lie outside the space."""
        point: dict[str, Scalar] = {}
        for name, dimension in self.dimensions.items():
            value = _looked_up(self._place(name), name)
            drawn = json.dumps(value) if isinstance(dimension, Choice) else value
            if not isinstance(dimension, Choice) and (isinstance(drawn, bool) or not isinstance(drawn, int | float)):
                return None
            distribution = dimension.distribution()
            if isinstance(dimension, Choice):
                inside = value in [_plain(v) for v in dimension.values] or _plain(value) in dimension.values
            else:
                inside = distribution._contains(distribution.to_internal_repr(drawn))
            if not inside:
                return None
            point[name] = drawn
        return point

    def largest(self, name: str, otherwise: int) -> int:
        """The largest value, or length of one, that a name may take; of one that is not searched, as given."""
        dimension = self.dimensions.get(name)
        if dimension is None:
            return otherwise
        if not isinstance(dimension, Choice):
            return int(dimension.high)
        return max(len(v) if isinstance(v, tuple) else int(v) for v in dimension.values if v is not None)

    def _names(self) -> list[str]:
        fixed = (*_FIXED, *self._mappings())
        names = [name for name in _dotted(type(_at(self.base, self.root))) if name not in fixed]
        return [*names, *self.outside]

    def _mappings(self) -> list[str]:
        """Settings below which any name may be searched, such as the parameters of a user's own rule."""
        fields = type(_at(self.base, self.root)).model_fields.items()
        return [name for name, info in fields if get_origin(info.annotation) is Mapping]

    def _place(self, name: str) -> BaseModel:
        """The settings below which a name is."""
        found: BaseModel = self.base if name in self.outside else _at(self.base, self.root)
        return found

    def _merged(self, values: Mapping[str, Value]) -> M:
        content = self.base.model_dump()
        for name, value in values.items():
            node: Any = content
            for key in () if name in self.outside else self.root:
                # Tuples of settings are lists once they are dumped.
                node = node[key]
            *path, last = name.split(".")
            for key in path:
                # Mappings that are empty may be left out of what is dumped.
                node = node.setdefault(key, {})
            node[last] = value
        return type(self.base).model_validate(content)

    def _check_alone(self, name: str, value: Value) -> None:
        path, node = name.split("."), self._place(name).model_dump()
        for key in () if path[0] in self._mappings() else path[:-1]:
            if node.get(key) is None:
                raise InputError(f"space names {name!r}, but the study has no {key}; give it one to search below.")
            node = node[key]
        try:
            self._merged({name: value})
        except ValidationError as error:
            # What is wrong with the value itself; what is wrong with its company others may put right.
            for problem in error.errors():
                place = [part for part in problem["loc"] if isinstance(part, str) and part not in self.root]
                if place[: len(path)] == path:
                    raise InputError(f"space: {name} cannot be {value!r}: {problem['msg']}.") from error


def _at(settings: BaseModel, path: Sequence[str | int]) -> Any:
    found: Any = settings
    for key in path:
        if isinstance(found, Mapping):
            found = found.get(key)
        else:
            found = found[key] if isinstance(key, int) else getattr(found, key)
    return found


def _dotted(model: type[BaseModel]) -> list[str]:
    """Dotted names of all settings below a model."""
    names = []
    for name, info in model.model_fields.items():
        parts = [info.annotation, *get_args(info.annotation)]
        below = next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)
        names += [name] if below is None else [f"{name}.{inner}" for inner in _dotted(below)]
    return names


def _looked_up(settings: BaseModel, name: str) -> Any:
    return _at(settings, name.split("."))


def _plain(value: Any) -> Any:
    """A list of JSON as the tuple that settings hold."""
    return tuple(value) if isinstance(value, list | tuple) else value
