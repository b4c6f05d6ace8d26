"""A factor model made whole numbers, and kept in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import DataError, InputError, reason
from quantray.institution.firm_factors import SCALE, FirmFactors, NameRisk

__all__ = ["read_factors", "whole_factors", "write_factors"]

_MOST = 10**6
"""Loadings and variances above it are no returns."""


def whole_factors(symbols: Sequence[str], model: FactorModel) -> FirmFactors:
    """A model rounded to whole numbers.

    Parameters
    ----------
    symbols : (N,) of the model's assets.
    model : of returns over a day.

    Raises
    ------
    InputError
        There is not one symbol of its own for each asset, or a loading is too large.
    """
    if len(symbols) != model.n_assets or len(set(symbols)) != len(symbols):
        raise InputError(f"{len(symbols)} symbols, or two alike, for {model.n_assets} assets; give each its own.")
    loadings, rotated = _whole(model.loadings, SCALE), _whole(model.root, SCALE)
    specific = _whole(model.specific_variance, SCALE**2)
    factors = tuple(str(name) for name in np.asarray(model.factor_names).tolist())
    rows = zip(symbols, loadings, rotated, specific, strict=True)
    return FirmFactors(factors, {str(s): NameRisk(tuple(named), tuple(own), v) for s, named, own, v in rows})


def write_factors(path: Path, symbols: Sequence[str], model: FactorModel) -> None:
    """Keep a model with its symbols as a file of arrays, ``.npz``."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            symbols=np.asarray(symbols, dtype=np.str_),
            loadings=model.loadings,
            factor_covariance=model.factor_covariance,
            specific_variance=model.specific_variance,
            factor_names=np.asarray(model.factor_names, dtype=np.str_),
        )


def read_factors(path: Path) -> FirmFactors:
    """What ``write_factors`` kept, in whole numbers; raises ``DataError`` where the file holds none."""
    try:
        with np.load(path, allow_pickle=False) as found:
            model = FactorModel(
                found["loadings"], found["factor_covariance"], found["specific_variance"], found["factor_names"]
            )
            return whole_factors(found["symbols"].tolist(), model)
    except (OSError, KeyError, ValueError, InputError) as error:
        raise DataError(f"{path} holds no factors: {reason(error)}; write it with write_factors.") from error


def _whole(values: Float, scale: int) -> Any:
    """Nested lists of whole numbers; finer than a float can be is not rounded further."""
    if np.abs(values).max(initial=0.0) > _MOST:
        raise InputError(f"a loading or variance of {np.abs(values).max():.3g} is no return; give simple returns.")
    flat = np.empty(values.size, dtype=object)
    flat[:] = [round(value * scale) for value in values.ravel().tolist()]
    return flat.reshape(values.shape).tolist()
