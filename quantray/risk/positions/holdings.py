"""A book of positions: shares, bonds, commodities, currencies, futures and options, in several currencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from quantray.arrays import Bool, Dates, Float, Int, Names, frozen
from quantray.errors import InputError
from quantray.risk.positions.groups import Groups

__all__ = ["AssetClass", "Bonds", "Holdings", "Options"]

_DEFAULT: Any = None
"""Filled in by ``__post_init__``, so that readers find an array."""

AssetClass = Literal["equity", "fixed income", "commodity", "fx"]


@dataclass(frozen=True, eq=False)
class Bonds:
    """B positions whose price follows a yield: change = -duration * dy + convexity / 2 * dy ** 2; arrays are read-only.

    Parameters
    ----------
    rows : (B,) places in the holdings.
    yields : (B,) drivers of the market, yields as fractions.
    duration : (B,) modified, in years.
    convexity : (B,) in years squared.

    Raises
    ------
    InputError
        Shapes disagree, or a number is missing.
    """

    rows: Int
    yields: Names
    duration: Float
    convexity: Float

    def __post_init__(self) -> None:
        kinds = {"rows": np.int64, "yields": np.str_, "duration": np.float64, "convexity": np.float64}
        _fill(self, kinds, "bonds")


@dataclass(frozen=True, eq=False)
class Options:
    """O European options on other drivers, priced by Black, Scholes and Merton; arrays are read-only.

    Parameters
    ----------
    rows : (O,) places in the holdings; their drivers are the underlyings.
    strike : (O,) in the currency of the underlying.
    expiry : (O,) dates, not before the market's.
    is_call : (O,).
    volatility : (O,) implied, a yearly fraction, today; moves with ``volatility_drivers`` where these are given.
    volatility_drivers : (O,) drivers of the market, changes of volatility as fractions; empty where it stays.
    rate : (O,) continuous yearly interest.
    dividend_yield : (O,) continuous, yearly.

    Raises
    ------
    InputError
        Shapes disagree, a number or date is missing, a strike is not positive, or a volatility is negative.
    """

    rows: Int
    strike: Float
    expiry: Dates
    is_call: Bool
    volatility: Float
    volatility_drivers: Names
    rate: Float
    dividend_yield: Float

    def __post_init__(self) -> None:
        numbers = dict.fromkeys(("strike", "volatility", "rate", "dividend_yield"), np.float64)
        kinds = {"rows": np.int64, "expiry": "datetime64[D]", "is_call": np.bool_, "volatility_drivers": np.str_}
        _fill(self, kinds | numbers, "options")
        wrong = (self.strike <= 0) | (self.volatility < 0)
        if wrong.any():
            i = int(np.argmax(wrong))
            raise InputError(
                f"the option of row {self.rows[i]} has strike {self.strike[i]:g} and volatility "
                f"{self.volatility[i]:g}; give a positive strike, and a volatility that is not negative."
            )


def _fill(terms: Any, kinds: dict[str, Any], what: str) -> None:
    """Terms of some positions as read-only arrays of one length, without gaps."""
    n = np.size(terms.rows)
    for name, kind in kinds.items():
        values = np.asarray(getattr(terms, name), dtype=kind)
        if values.shape != (n,):
            raise InputError(f"{name} of the {what} are {values.shape} for {n} rows; give one for each.")
        missing = np.isnat(values) if values.dtype.kind == "M" else values.dtype.kind == "f" and ~np.isfinite(values)
        if np.any(missing):
            lost = np.asarray(terms.rows)[missing][:5].tolist()
            raise InputError(f"{name} of the {what} in rows {lost} is missing; fill it in.")
        object.__setattr__(terms, name, frozen(values))


@dataclass(frozen=True, eq=False)
class Holdings:
    """N positions and the NAV that they are risked against; all arrays are read-only.

    Parameters
    ----------
    names : (N,) unique.
    quantity : (N,) units, shares or contracts; shorts negative.
    nav : money in the base currency.
    drivers : (N,) driver of the market that the price follows: by default the name itself; of an option, its
        underlying; of a bond in ``bonds``, one whose level is its price.
    multiplier : (N,) units of the driver in a unit of the position; by default 1.
    currency : (N,) codes; by default, and where empty, the base currency.
    asset_class : (N,) of ``AssetClass``; by default equity.
    strategy : (N,) whose position it is; by default empty.
    funded : (N,) False of futures and forwards, which have exposure without value; by default True.
    bonds, options : terms of the positions that are some.

    Raises
    ------
    InputError
        Shapes disagree, names repeat, a number is missing, the NAV is not positive, an asset class is unknown, or a row
        of ``bonds`` or ``options`` is none of the holdings or is there twice.
    """

    names: Names
    quantity: Float
    nav: float
    drivers: Names = _DEFAULT
    multiplier: Float = _DEFAULT
    currency: Names = _DEFAULT
    asset_class: Names = _DEFAULT
    strategy: Names = _DEFAULT
    funded: Bool = _DEFAULT
    bonds: Bonds | None = None
    options: Options | None = None

    def __post_init__(self) -> None:
        names = np.asarray(self.names, dtype=np.str_)
        n = len(names)
        columns: dict[str, Any] = {
            "names": names,
            "quantity": np.asarray(self.quantity, dtype=np.float64),
            "drivers": names if self.drivers is None else np.asarray(self.drivers, dtype=np.str_),
            "multiplier": np.ones(n) if self.multiplier is None else np.asarray(self.multiplier, dtype=np.float64),
            "currency": np.full(n, "") if self.currency is None else np.asarray(self.currency, dtype=np.str_),
            "asset_class": np.full(n, "equity") if self.asset_class is None else np.asarray(self.asset_class, np.str_),
            "strategy": np.full(n, "") if self.strategy is None else np.asarray(self.strategy, dtype=np.str_),
            "funded": np.ones(n, dtype=np.bool_) if self.funded is None else np.asarray(self.funded, dtype=np.bool_),
        }
        for name, values in columns.items():
            if values.shape != (n,):
                raise InputError(f"{name} of the holdings are {values.shape} for {n} names; give one for each.")
        listed = tuple(names.tolist())
        self._check(columns, listed)
        self._check_rows(n)
        for name, values in columns.items():
            object.__setattr__(self, name, frozen(values))
        object.__setattr__(self, "_listed", listed)

    def _check(self, columns: dict[str, Any], listed: tuple[str, ...]) -> None:
        names = columns["names"]
        if len(set(listed)) != len(names):
            raise InputError("names of the holdings repeat; add up the quantities of each first.")
        if not (np.isfinite(self.nav) and self.nav > 0):
            raise InputError(f"a NAV of {self.nav} carries no positions; give positive money.")
        for name in ("quantity", "multiplier"):
            if not np.isfinite(columns[name]).all():
                lost = ", ".join(names[~np.isfinite(columns[name])][:5].tolist())
                raise InputError(
                    f"{name} of {lost} is missing; give a number, or leave the position out if it is none."
                )
        classes = set(columns["asset_class"].tolist())
        if not classes <= set(get_args(AssetClass)):
            raise InputError(f"asset classes {sorted(classes)} must be among {', '.join(get_args(AssetClass))}.")

    def _check_rows(self, n: int) -> None:
        rows = np.concatenate(
            [terms.rows for terms in (self.bonds, self.options) if terms is not None] or [np.zeros(0, np.int64)]
        )
        if not ((rows >= 0) & (rows < n)).all():
            raise InputError(f"bonds and options have rows up to {rows.max()} of {n} positions; count from 0.")
        if len(np.unique(rows)) != len(rows):
            raise InputError("a position is a bond or an option more than once; give each row one set of terms.")

    @classmethod
    def of_weights(cls, names: Sequence[str] | Names, weights: Float, prices: Float, *, nav: float = 1.0) -> "Holdings":
        """Shares in the base currency, from (N,) weights and (N,) prices.

        Raises
        ------
        InputError
            As the class, or a position has no positive price.
        """
        names, weights, prices = (np.asarray(each) for each in (names, weights, prices))
        if not names.shape == weights.shape == prices.shape:
            raise InputError(f"names {names.shape}, weights {weights.shape} and prices {prices.shape} must be alike.")
        lost = ~(prices > 0) & (weights != 0)
        if lost.any():
            raise InputError(f"{', '.join(names[lost][:5].tolist())} has no positive price; give it one or no weight.")
        quantity = np.divide(weights * nav, prices, out=np.zeros(len(names)), where=prices > 0)
        return cls(names, np.where(np.isnan(weights), np.nan, quantity), nav)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, as they are told."""
        return self._listed  # type: ignore[attr-defined, no-any-return]

    @cached_property
    def groups(self) -> Mapping[str, Groups]:
        """The positions by strategy, asset class and currency."""
        return {
            "strategy": Groups.of(self.strategy),
            "asset class": Groups.of(self.asset_class),
            "currency": Groups.of(self.currency),
        }
