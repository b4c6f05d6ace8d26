"""The declared map from market regimes to strategies: data, read from YAML or learned from scores."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from quantray.errors import InputError
from quantray.inputs import parse_yaml, read_text

__all__ = [
    "LABELS",
    "LENSES",
    "UNKNOWN",
    "Lens",
    "MapRule",
    "RegimeAdjustment",
    "RegimeMap",
    "learn_map",
    "map_yaml",
    "parse_regime",
    "read_map",
]

Lens = Literal["market", "volatility", "liquidity", "correlation", "sector"]

LENSES: tuple[Lens, ...] = get_args(Lens)
UNKNOWN = "unknown"
"""Label of a lens that has not seen enough yet."""
LABELS: Mapping[Lens, tuple[str, ...]] = MappingProxyType(
    {
        "market": ("bull", "bear", "neutral"),
        "volatility": ("low", "medium", "high", "extreme"),
        "liquidity": ("normal", "stressed"),
        "correlation": ("normal", "crisis"),
    }
)
"""Labels of the lenses that have fixed ones; those of the sector lens are free."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RegimeAdjustment(_Model):
    """Multiples of what strategies do."""

    size: float = Field(1.0, ge=0, le=1)
    """Of all positions."""
    stops: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Of the distance of trailing stops."""
    min_signal: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Of the least signal that opens a position."""
    turnover: float = Field(1.0, gt=0, le=1)
    """Share of each day's way to the target that is traded."""

    def then(self, other: "RegimeAdjustment") -> "RegimeAdjustment":
        """Both together."""
        return RegimeAdjustment(
            size=self.size * other.size,
            stops=self.stops * other.stops,
            min_signal=self.min_signal * other.min_signal,
            turnover=self.turnover * other.turnover,
        )

    @property
    def text(self) -> str:
        """What it changes, in words."""
        words = {"size": "positions", "stops": "stops", "min_signal": "least signal", "turnover": "turnover"}
        changed = [f"{word} x{getattr(self, name):g}" for name, word in words.items() if getattr(self, name) != 1]
        return ", ".join(changed) or "nothing"


class MapRule(_Model):
    """Strategies for the regimes that meet some conditions."""

    when: Mapping[Lens, tuple[str, ...]]
    """Lens -> labels of which one must show; a lens left out may show anything."""
    strategies: Mapping[str, float]
    """Name -> share of capital; none for cash."""
    because: str = ""
    """Why, for the reader of a decision."""

    @field_validator("when", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        listed = {lens: [labels] if isinstance(labels, str) else labels for lens, labels in value.items()}
        return {lens: labels for lens, labels in listed.items() if not (isinstance(labels, list) and "*" in labels)}

    @model_validator(mode="after")
    def _check(self) -> "MapRule":
        for lens, labels in self.when.items():
            wrong = [label for label in labels if label not in LABELS.get(lens, labels)]
            if wrong or not labels:
                raise ValueError(f"{lens} has no label {', '.join(wrong)}; it has {', '.join(LABELS.get(lens, ()))}")
        _shares(self.strategies)
        return self

    def meets(self, regimes: Mapping[str, str]) -> bool:
        """Whether the conditions hold."""
        return all(regimes[lens] in labels for lens, labels in self.when.items())

    @property
    def text(self) -> str:
        """The conditions in words."""
        return ", ".join(f"{lens} {' or '.join(labels)}" for lens, labels in self.when.items()) or "any regime"


class RegimeMap(_Model):
    """Which strategies are held in which regime, and how regimes adjust them."""

    rules: tuple[MapRule, ...] = ()
    """The first one that is met decides."""
    default: Mapping[str, float]
    """Strategies of days that meet no rule; name -> share of capital."""
    adjustments: Mapping[Lens, Mapping[str, RegimeAdjustment]] = Field(default_factory=dict)
    """Lens -> label -> what it changes."""

    @model_validator(mode="after")
    def _check(self) -> "RegimeMap":
        _shares(self.default)
        for lens, by_label in self.adjustments.items():
            wrong = [label for label in by_label if label not in LABELS.get(lens, (label,))]
            if wrong:
                raise ValueError(f"{lens} has no label {', '.join(wrong)}; it has {', '.join(LABELS[lens])}")
        return self

    @property
    def strategies(self) -> tuple[str, ...]:
        """Every strategy the map names, in alphabetical order."""
        return tuple(sorted({name for rule in self.rules for name in rule.strategies} | set(self.default)))

    def rule_of(self, regimes: Mapping[str, str]) -> int | None:
        """Position of the first rule that regimes meet; None for the default."""
        return next((i for i, rule in enumerate(self.rules) if rule.meets(regimes)), None)

    def adjustments_of(self, regimes: Mapping[str, str]) -> Mapping[str, RegimeAdjustment]:
        """What regimes adjust: ``lens label`` -> adjustment."""
        return {
            f"{lens} {regimes[lens]}": by_label[regimes[lens]]
            for lens, by_label in self.adjustments.items()
            if regimes[lens] in by_label
        }


def _shares(strategies: Mapping[str, float]) -> None:
    wrong = [name for name, share in strategies.items() if not 0 <= share <= 1]
    if wrong or sum(strategies.values()) > 1 + 1e-9:
        raise ValueError(f"shares of strategies {dict(strategies)} must lie between 0 and 1 and sum to 1 or less")


def read_map(path: str | Path | None = None) -> RegimeMap:
    """Read a map from YAML; by default the one that ships with the package.

    Raises
    ------
    InputError
        The file cannot be read, is not plain YAML, or does not make a map; the message says what is wrong where.
    """
    name = "regime_map.yaml" if path is None else str(path)
    if path is None:
        text = files("quantray.strategies").joinpath(name).read_text(encoding="utf-8")
    else:
        text = read_text(path, "regime map")
    try:
        return RegimeMap.model_validate(parse_yaml(text, f"the regime map {name}"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"the regime map {name} is wrong at {place or 'the top'}: {first['msg']}.") from error


def map_yaml(regime_map: RegimeMap) -> str:
    """The map as YAML that ``read_map`` reads back."""
    return yaml.safe_dump(regime_map.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def parse_regime(text: str) -> dict[Lens, str]:
    """The conditions in a text such as ``volatility=high`` or ``market=bear, volatility=high``.

    Raises
    ------
    InputError
        A part is no ``lens=label`` with a known lens and label, or a lens repeats.
    """
    out: dict[Lens, str] = {}
    for part in text.split(","):
        name, _, label = (piece.strip() for piece in part.partition("="))
        lens = next((known for known in LENSES if known == name), None)
        if lens is None or not label or label not in LABELS.get(lens, (label,)):
            raise InputError(f"{part.strip()!r} is no regime; write lens=label, such as volatility=high.")
        if lens in out:
            raise InputError(f"{lens} appears twice in {text!r}; give each lens one label.")
        out[lens] = label
    return out


def learn_map(
    scores: Mapping[tuple[str, str], float],
    *,
    most: int = 3,
    least_score: float = 0.0,
    adjustments: Mapping[Lens, Mapping[str, RegimeAdjustment]] | None = None,
) -> RegimeMap:
    """The map that holds, in each regime, what scored best there.

    A regime gets its best strategies with scores above the least, in proportion to what they exceed it by; where none
    does, cash. Regimes with more conditions come first, and of those with equally many the one whose best strategy
    scored highest. The default holds the best by their mean score over regimes.

    Parameters
    ----------
    scores : (regime, strategy) -> score, such as a Sharpe ratio out of sample; regimes as ``parse_regime`` reads them.
    most : strategies per regime.
    adjustments : by default those of the map that ships with the package.

    Raises
    ------
    InputError
        There are no scores, one is not finite, or a regime cannot be read.
    """
    if not scores or most < 1:
        raise InputError(
            f"{len(scores)} scores and most {most}: a map is learned from one score and strategy at least."
        )
    by_regime: dict[str, dict[str, float]] = {}
    by_strategy: dict[str, list[float]] = {}
    for (regime, strategy), score in scores.items():
        if not abs(score) < float("inf"):
            raise InputError(f"the score of {strategy} in {regime} is {score}; leave out what was not tested.")
        by_regime.setdefault(regime, {})[strategy] = float(score)
        by_strategy.setdefault(strategy, []).append(float(score))
    order = sorted(by_regime, key=lambda text: (-len(parse_regime(text)), -max(by_regime[text].values()), text))
    rules = [
        MapRule(
            when={lens: (label,) for lens, label in parse_regime(regime).items()},
            strategies=_best(by_regime[regime], most, least_score),
            because=_reason(by_regime[regime], most, least_score),
        )
        for regime in order
    ]
    means = {name: sum(values) / len(values) for name, values in by_strategy.items()}
    return RegimeMap(
        rules=tuple(rules),
        default=_best(means, most, least_score),
        adjustments=read_map().adjustments if adjustments is None else adjustments,
    )


def _best(scores: Mapping[str, float], most: int, least: float) -> dict[str, float]:
    chosen = sorted((name for name in scores if scores[name] > least), key=lambda name: (-scores[name], name))[:most]
    total = sum(scores[name] - least for name in chosen)
    return {name: (scores[name] - least) / total for name in chosen}


def _reason(scores: Mapping[str, float], most: int, least: float) -> str:
    chosen = _best(scores, most, least)
    if not chosen:
        return f"no strategy scored above {least:g}"
    return "scores of " + ", ".join(f"{name} {scores[name]:.2f}" for name in chosen)
