"""Features of users' own: a function of a panel, or values given as a field of it, on the scale of the catalogue's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError, SolverError
from quantray.features.catalogue import FEATURES, Feature, Inputs
from quantray.own import Thing, called, numbers, own_path, own_thing

__all__ = ["GivenFeature", "OwnFeature", "given_feature", "own_feature"]


@dataclass(frozen=True)
class OwnFeature:
    """What computes a feature: a function of a panel, by its import path."""

    path: str
    function: Thing = field(repr=False)
    parameters: Mapping[str, Any]

    def __call__(self, inputs: Inputs) -> Float:
        """(T, N) raw values.

        Raises
        ------
        InputError
            The function takes no such parameters.
        SolverError
            It raised an error, or what it gave are no values of the panel's dates and assets.
        """
        panel, told = inputs.panel, f"feature {self.path!r}"
        found = called(self.function, panel, self.parameters, "", told)
        values = numbers(found, told, f"an array {panel.shape}", (panel.dates, panel.assets))
        if values.shape != panel.shape:
            raise SolverError(f"{told} gave {values.shape}; it must give {panel.shape}, a row a date.")
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise SolverError(
                f"{told} is infinite for {panel.assets[column]} on {panel.dates[row]}; give NaN for what is unknown."
            )
        return values


@dataclass(frozen=True)
class GivenFeature:
    """What gives a feature that is a field of the panel."""

    name: str

    def __call__(self, inputs: Inputs) -> Float:
        """(T, N) raw values."""
        return inputs.panel.field(self.name)


def given_feature(name: str) -> Feature:
    """Values that a panel holds in a field of the feature's name, in the shape of the catalogue's.

    Whether each was known at the close of its date cannot be seen from the values.

    Raises
    ------
    InputError
        The name is one of the catalogue's.
    """
    _check_name(name)
    return Feature("values of the user's own", 0, "values", GivenFeature(name), ("close", name))


def own_feature(name: str, path: str, lookback: int, parameters: Mapping[str, Any], fields: tuple[str, ...]) -> Feature:
    """A feature of a user's own in the shape of the catalogue's.

    Parameters
    ----------
    name : of the feature.
    path : ``module:name``, or as a package registers it among ``quantray.features``: of a function of a panel that
        gives (T, N) raw values, NaN where unknown, of which row t knows rows up to t.
    lookback : rows that a value needs behind its own.
    parameters : of the function.
    fields : of the panel that it needs beside the close.

    Raises
    ------
    InputError
        As ``own.own_thing``, or it is a class, or the name is one of the catalogue's.
    """
    _check_name(name)
    function = own_thing(path, "features")
    if isinstance(function, type):
        raise InputError(f"feature {path!r} is a class; name a function of a panel.")
    found = own_path(path, "features") or path
    compute = OwnFeature(found, function, parameters)
    return Feature(f"of the user's own, {found}", lookback, found, compute, ("close", *fields))


def _check_name(name: str) -> None:
    if name in FEATURES:
        raise InputError(f"feature {name!r} is one of the catalogue's; choose another name.")
