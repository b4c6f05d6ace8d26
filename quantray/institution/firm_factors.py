"""A factor model in whole numbers: sums of it are exact, so two who add in another order find the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from quantray.errors import InputError

__all__ = ["SCALE", "FirmFactors", "NameRisk"]

SCALE = 10**9
"""Of loadings, in one; of specific variances its square."""


@dataclass(frozen=True, slots=True)
class NameRisk:
    """How a name follows the factors, and what moves it alone.

    Parameters
    ----------
    loadings : (K,) on the named factors, in 1 / ``SCALE``.
    rotated : (K,) on uncorrelated factors of unit variance that span the same, in 1 / ``SCALE``.
    specific : variance, in 1 / ``SCALE`` squared.
    """

    loadings: tuple[int, ...]
    rotated: tuple[int, ...]
    specific: int


@dataclass(frozen=True)
class FirmFactors:
    """K named factors, and how every name follows them; of returns over a day."""

    factors: tuple[str, ...]
    names: Mapping[str, NameRisk]

    def body(self) -> dict[str, Any]:
        """As a log has it: whole numbers and texts only."""
        rows = {name: [list(it.loadings), list(it.rotated), it.specific] for name, it in self.names.items()}
        return {"factors": list(self.factors), "names": rows}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "FirmFactors":
        """From what ``body`` returned; raises ``InputError`` where it is none."""
        try:
            names = {
                name: NameRisk(_row(loadings), _row(rotated), _row([specific])[0])
                for name, (loadings, rotated, specific) in body["names"].items()
            }
            factors = tuple(str(each) for each in body["factors"])
            if any(not len(it.loadings) == len(it.rotated) == len(factors) or it.specific < 0 for it in names.values()):
                raise ValueError("rows of another length, or a negative variance")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"these are no factors: {error}; make them with whole_factors.") from error
        return cls(factors, names)

    @property
    def digest(self) -> str:
        """Hash of what it says."""
        return sha256(json.dumps(self.body(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _row(values: Sequence[int]) -> tuple[int, ...]:
    if any(type(value) is not int for value in values):
        raise ValueError("a number that is not whole")
    return tuple(values)
