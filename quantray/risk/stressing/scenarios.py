"""Scenarios as data: shocks to factors, asset classes, sectors and drivers, from YAML."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from quantray.errors import InputError
from quantray.inputs import parse_yaml, read_yaml
from quantray.risk.positions.holdings import AssetClass
from quantray.settings import SettingsModel, checked

__all__ = ["Scenario", "Shocks", "read_scenarios", "standard_scenarios"]


class Shocks(SettingsModel):
    """By how much things change, from today to the end of the scenario."""

    factors: dict[str, float] = Field(default_factory=dict)
    """Factor of the risk model -> its return."""
    asset_classes: dict[AssetClass, float] = Field(default_factory=dict)
    """Asset class -> simple return of its prices."""
    sectors: dict[str, float] = Field(default_factory=dict)
    """Sector -> simple return of its prices, or change of its yields."""
    currencies: dict[str, float] = Field(default_factory=dict)
    """Code of a currency -> its return against the base currency; no share of the same name is meant."""
    drivers: dict[str, float] = Field(default_factory=dict)
    """Driver -> simple return, or change of a yield or volatility."""


class Scenario(Shocks):
    """A scenario. Of the shocks that meet a driver the narrowest counts: its own, its sector's, its asset class's."""

    source: str = ""
    """Where the sizes come from."""
    yields: float | None = None
    """Change of the yields of all bonds without a shock of their own, as a fraction: 0.02 for 200 basis points."""
    volatilities: float | None = None
    """Change of all implied volatilities without a shock of their own, as a fraction."""
    where_known: Shocks = Field(default_factory=Shocks)
    """Shocks to what not every market has: they are left out, and named, where it has it not."""
    groups: Literal["model", "together"] = "model"
    """Whether a class or sector moves so on average and its members by the risk model, or every member by the same."""
    others: Literal["model", "stay"] = "model"
    """Whether all else moves as the risk model expects, or not at all."""

    @model_validator(mode="after")
    def _shocks(self) -> Self:
        each: tuple[Shocks, ...] = (self, self.where_known)
        prices = [move for shocks in each for move in shocks.asset_classes.values()]
        if any(move < -1 for move in prices):
            raise ValueError(f"asset_classes: a return of {min(prices):g} is below -1; write -0.2 for a fall of 20 %")
        named = any(s.factors or s.asset_classes or s.sectors or s.currencies or s.drivers for s in each)
        if not named and self.yields is None and self.volatilities is None:
            raise ValueError(
                "it shocks nothing; name factors, asset_classes, sectors, currencies, drivers, yields or volatilities"
            )
        return self

    @property
    def needs_model(self) -> bool:
        """Whether a risk model takes part."""
        return self.groups == "model" or self.others == "model" or bool(self.factors)


def read_scenarios(path: str | Path) -> Mapping[str, Scenario]:
    """Scenarios of one's own by name, from YAML that is written as ``scenarios.yaml`` of this package is.

    Raises
    ------
    InputError
        The file cannot be read, or a scenario says what no scenario can: it is named.
    """
    return _scenarios(read_yaml(path, "scenario file"), str(path))


@cache
def standard_scenarios() -> Mapping[str, Scenario]:
    """The six that every book is put through, with the sources of their sizes."""
    text = files("quantray.risk.stressing").joinpath("scenarios.yaml").read_text(encoding="utf-8")
    return _scenarios(parse_yaml(text, "scenarios.yaml"), "scenarios.yaml")


def _scenarios(content: Any, where: str) -> Mapping[str, Scenario]:
    if not isinstance(content, dict) or not content or not all(isinstance(each, dict) for each in content.values()):
        raise InputError(f"{where} must hold scenarios as `name:` with shocks such as `asset_classes:` below it.")
    return MappingProxyType({str(name): checked(Scenario, each, f"{where}, {name}") for name, each in content.items()})
