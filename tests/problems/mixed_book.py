"""A small book of every kind of position, in two currencies, and changes of what it moves with."""

import numpy as np

from quantray.risk.positions.holdings import Bonds, Holdings, Options
from quantray.risk.positions.market import Market

_DAY = np.datetime64("2020-06-30")


def mixed_book(
    *, shuffled=False, drivers=None, currency=None, expiry=None, yields="10 years", volatility_drivers="vol"
):
    """A share, a foreign one, a future, a bond, a call and a put; NAV 100,000.

    With ``shuffled``, the same in another order, and both orders; else one term may be changed: (name, driver),
    (name, currency), or that of the call, or of the bond.
    """
    names = ["share", "foreign", "future", "bond", "call", "put"]
    moves = ["share", "foreign", "index", "bond", "share", "index"]
    codes = ["", "EUR", "EUR", "USD", "", "EUR"]
    for columns, changed in ((moves, drivers), (codes, currency)):
        if changed is not None:
            columns[names.index(changed[0])] = changed[1]
    call_ends = _DAY + 91 if expiry is None else expiry
    rows = np.array([4, 5])
    order, places = np.arange(6), np.arange(7)
    if shuffled:
        generator = np.random.default_rng(0)
        order, places = generator.permutation(6), generator.permutation(7)
        rows = np.array([np.flatnonzero(order == row)[0] for row in rows])
    holdings = Holdings(
        np.array(names)[order],
        np.array([100.0, 200.0, 2.0, 100.0, 100.0, -10.0])[order],
        1e5,
        drivers=np.array(moves)[order],
        multiplier=np.array([1.0, 1.0, 10.0, 1.0, 1.0, 10.0])[order],
        currency=np.array(codes)[order],
        asset_class=np.array(["equity"] * 3 + ["fixed income"] + ["equity"] * 2)[order],
        strategy=np.array(["value", "value", "trend", "carry", "volatility", "volatility"])[order],
        funded=np.array([True, True, False, True, True, True])[order],
        bonds=Bonds(np.flatnonzero(order == 3), [yields], [7.0], [60.0]),
        options=Options(
            rows,
            strike=[52.0, 390.0],
            expiry=[call_ends, _DAY + 182],
            is_call=[True, False],
            volatility=[0.3, 0.2],
            volatility_drivers=[volatility_drivers, ""],
            rate=[0.02, 0.0],
            dividend_yield=[0.01, 0.03],
        ),
    )
    known = np.array(["share", "foreign", "index", "bond", "10 years", "vol", "EUR"])
    market = Market(
        _DAY,
        known[places],
        np.array([50.0, 20.0, 400.0, 100.0, 0.01, 0.3, 1.25])[places],
        _DAY - np.arange(60)[::-1],
        changes_of_drivers(60, 0.01)[:, places],
        absolute=np.array([False, False, False, False, True, True, False])[places],
        sectors=np.array(["Technology", "Energy", "", "", "", "", ""])[places],
    )
    return (holdings, market, order, places) if shuffled else (holdings, market)


def changes_of_drivers(n_days, size, seed=0):
    """(T, 7) normal changes of a market of ``mixed_book``, yields a tenth of them."""
    return np.random.default_rng(seed).normal(0, size, (n_days, 7)) * np.array([1, 1, 1, 1, 0.1, 1, 1])


def changes_of(market, n_scenarios, size):
    """(S, M) normal changes of its drivers."""
    return changes_of_drivers(n_scenarios, size, seed=1)[:, : market.n_drivers]
