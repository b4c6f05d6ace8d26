"""Which rules positions break, or an order would; what cannot be checked is unknown, and never met.

The check after trading looks at all accounts and names at once; the one before it at what an order makes worse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from quantray.arrays import Bool, Float
from quantray.institution.overrides import Override, overriding
from quantray.institution.positions import Positions
from quantray.institution.rules import (
    AssetClasses,
    Concentration,
    Coverage,
    Leverage,
    Locate,
    MarketCap,
    Ownership,
    Position,
    Prohibited,
    Rule,
    SectorCap,
    Severity,
    State,
)

__all__ = ["CODE", "Finding", "post_trade", "pre_trade", "refuses"]

CODE = "compliance"
"""All that a portfolio manager hears of a rule that refuses an order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken, or that cannot be checked.

    Parameters
    ----------
    account : empty for a rule over several accounts together.
    symbol : the name, issuer or sector that it is about; empty for the whole account.
    value, limit : what is, and what may be, both as the rule has them; None where unknown, or where there is no number.
    size : what an order must not make larger: shares or money; NaN where unknown.
    text : for the compliance officer; a portfolio manager hears ``CODE``.
    override : who let it pass, and until when; None where nobody did.
    """

    rule: str
    kind: str
    severity: Severity
    state: State
    account: str
    symbol: str
    value: float | None
    limit: float | None
    size: float
    text: str
    override: Override | None = None


def post_trade(
    rules: Sequence[Rule], positions: Positions, day: date, overrides: Sequence[Override] = ()
) -> tuple[Finding, ...]:
    """Every rule in force that positions break or that cannot be checked, in the order of rules, accounts and names."""
    found = (each for rule in rules if rule.in_force(day) for each in _CHECKS[rule.kind](rule, _Seen(positions, rule)))
    return tuple(replace(it, override=overriding(overrides, it.rule, it.account, it.symbol, day)) for it in found)


def pre_trade(
    rules: Sequence[Rule],
    positions: Positions,
    account: str,
    symbol: str,
    shares: float,
    day: date,
    overrides: Sequence[Override] = (),
) -> tuple[Finding, ...]:
    """What an order would break, or makes worse, if all of it filled at the price that there is.

    Parameters
    ----------
    shares : to be bought; negative to be sold.

    Raises
    ------
    InputError
        The account or the symbol is not among the positions.
    """
    row, name = positions.place("account", account), positions.place("symbol", symbol)
    price = float(positions.prices[name])
    together = [rule for rule in rules if isinstance(rule, Ownership)]
    alone = [rule for rule in rules if not isinstance(rule, Ownership)]
    found: list[Finding] = []
    for some, of in ((alone, positions.of(account=account)), (together, positions.of(symbol=symbol))):
        was = {_about(it): it for it in post_trade(some, of, day)}
        after = of.traded(account, symbol, shares, 0.0 if np.isnan(price) else price)
        for it in post_trade(some, after, day, overrides):
            before = was.get(_about(it))
            # What is unknown is not known to be no larger.
            if before is None or not it.size <= before.size * (1 + _SAME):
                found.append(it)
    shrinks = abs(positions.shares[row, name] + shares) < abs(positions.shares[row, name])
    # What is unknown of a position does not keep anybody from reducing it.
    return tuple(it for it in found if not (shrinks and it.state == "unknown"))


def refuses(findings: Sequence[Finding]) -> bool:
    """Whether one of them blocks, and nobody has overridden it."""
    return any(it.severity == "block" and it.override is None for it in findings)


def _about(it: Finding) -> tuple[str, str, str]:
    return it.rule, it.account, it.symbol


class _Seen:
    """Positions as far as a rule's scope reaches."""

    def __init__(self, positions: Positions, rule: Rule) -> None:
        scope = rule.scope
        self.all, self.rule = positions, rule
        self.rows = _within(positions.accounts, scope.accounts)
        self.rows &= _within(positions.pms, scope.pms)
        if scope.kinds:
            # One whose kind is unknown may be of it.
            self.rows &= _within(positions.kinds, (*scope.kinds, ""))
        self.names = _within(positions.symbols, scope.symbols)
        if scope.asset_classes:
            # One whose class is unknown may be of it.
            self.names &= _within(positions.asset_classes, (*scope.asset_classes, ""))
        self.inside = self.rows[:, None] & self.names

    def of_names(
        self, broken: Bool, unknown: Bool, values: Float | None, limit: float | None, text: str
    ) -> list[Finding]:
        """Findings of (A, N) positions; ``text`` has places for value and limit."""
        it = self.all
        wrong = (broken | unknown) & self.inside
        sizes = np.abs(it.shares)
        return [
            self.finding(
                bool(unknown[a, n]),
                it.accounts[a],
                it.symbols[n],
                None if values is None or unknown[a, n] else float(np.broadcast_to(values, wrong.shape)[a, n]),
                limit,
                float(sizes[a, n]),
                text,
            )
            for a, n in np.argwhere(wrong).tolist()
        ]

    def of_groups(self, names: Sequence[str], values: Float, money: Float, limit: float, text: str) -> list[Finding]:
        """Findings of (A, G) values above a limit, NaN is unknown, that are of so much money."""
        wrong = ~(values <= limit * (1 + _SAME)) & self.rows[:, None]
        return [
            self.finding(
                bool(np.isnan(values[a, g])),
                self.all.accounts[a],
                names[g],
                None if np.isnan(values[a, g]) else float(values[a, g]),
                limit,
                float(money[a, g]),
                text,
            )
            for a, g in np.argwhere(wrong).tolist()
        ]

    def finding(
        self, unknown: bool, account: str, symbol: str, value: float | None, limit: float | None, size: float, text: str
    ) -> Finding:
        """One, in the rule's words."""
        rule = self.rule
        said = "cannot be checked: a price, or what the rule asks of it, is unknown" if unknown else text
        numbers = "" if value is None or limit is None else f": {value:,.4g}, and may be {limit:,.4g}"
        return Finding(
            rule.id,
            rule.kind,
            rule.severity,
            "unknown" if unknown else "broken",
            account,
            symbol,
            value,
            limit,
            size,
            f"{' '.join(filter(None, (account, symbol)))} {said}{numbers}",
        )


_SAME = 1e-12
"""Relative excess that is rounding."""


def _within(names: Sequence[str], chosen: Sequence[str]) -> Bool:
    return np.isin(np.asarray(names, dtype=np.str_), chosen) if chosen else np.ones(len(names), dtype=np.bool_)


def _prohibited(rule: Prohibited, seen: _Seen) -> list[Finding]:
    broken = seen.all.held & _within(seen.all.symbols, rule.symbols)
    return seen.of_names(broken, np.zeros_like(broken), None, None, "is held and prohibited")


def _asset_class(rule: AssetClasses, seen: _Seen) -> list[Finding]:
    classes = seen.all.asset_classes
    listed = _within(classes, rule.allowed or rule.prohibited)
    unknown = np.array([not each for each in classes], dtype=np.bool_)
    broken = (~listed if rule.allowed else listed) & ~unknown
    return seen.of_names(
        seen.all.held & broken, seen.all.held & unknown, None, None, "is of a class that may not be held"
    )


def _market_cap(rule: MarketCap, seen: _Seen) -> list[Finding]:
    caps, held = seen.all.caps, seen.all.held
    least = float(rule.at_least)
    return seen.of_names(
        held & (caps < least), held & np.isnan(caps), caps, least, "has too small a market capitalisation"
    )


def _position(rule: Position, seen: _Seen) -> list[Finding]:
    it, most = seen.all, float(rule.at_most)
    shares = _of_nav(np.abs(it.values), it)
    unknown = it.held & np.isnan(shares)
    return seen.of_names(shares > most * (1 + _SAME), unknown, shares, most, "is too large a part of net asset value")


def _sector(rule: SectorCap, seen: _Seen) -> list[Finding]:
    it = seen.all
    values = np.where(seen.names, np.abs(it.values), 0.0)
    names, places = np.unique(np.asarray(it.sectors, dtype=np.str_), return_inverse=True)
    labels = names.tolist()
    money = _summed(values, places, len(labels))
    sums = _of_nav(money, it)
    if "" in labels:
        # What nobody has put into a sector may be of any.
        sums[:, labels.index("")] = np.where(sums[:, labels.index("")] == 0, 0.0, np.nan)
    return seen.of_groups(labels, sums, money, float(rule.at_most), "is too large a sector of net asset value")


def _concentration(rule: Concentration, seen: _Seen) -> list[Finding]:
    it = seen.all
    issuers, places = it.issuers
    long = np.where(seen.names, np.maximum(it.values, 0.0), 0.0)
    money = _summed(long, places, len(issuers))
    shares = _of_nav(money, it)
    found = seen.of_groups(issuers, shares, money, float(rule.single), "is too large an issuer of net asset value")
    few = shares <= float(rule.counted) * (1 + _SAME)
    together, total = (np.where(few, 0.0, each).sum(axis=1, keepdims=True) for each in (shares, money))
    text = f"has issuers above {rule.counted:%} that are too large together"
    return found + seen.of_groups([""], together, total, float(rule.together), text)


def _ownership(rule: Ownership, seen: _Seen) -> list[Finding]:
    it, above = seen.all, float(rule.above)
    owned = np.where(seen.inside, np.maximum(it.shares, 0.0), 0.0).sum(axis=0)
    parts = np.divide(owned, it.outstanding, out=np.full(len(owned), np.nan), where=it.outstanding > 0)
    wrong = (owned > 0) & ~(parts <= above * (1 + _SAME))
    return [
        seen.finding(
            bool(np.isnan(parts[n])),
            "",
            it.symbols[n],
            None if np.isnan(parts[n]) else float(parts[n]),
            above,
            float(owned[n]),
            "is owned above a threshold",
        )
        for n in np.flatnonzero(wrong).tolist()
    ]


def _locate(rule: Locate, seen: _Seen) -> list[Finding]:
    short = np.maximum(-seen.all.shares, 0.0)
    located = seen.all.located
    broken, unknown = short > located, (short > 0) & np.isnan(located)
    return seen.of_names(broken, unknown, short, None, "is sold short beyond what was located")


def _leverage(rule: Leverage, seen: _Seen) -> list[Finding]:
    it = seen.all
    money = it.gross[:, None]
    return seen.of_groups([""], _of_nav(money, it), money, float(rule.at_most), "has too much leverage")


def _coverage(rule: Coverage, seen: _Seen) -> list[Finding]:
    it, least = seen.all, float(rule.at_least)
    debt = np.maximum(-it.cash, 0.0)
    covers = it.values.sum(axis=1) + np.maximum(it.cash, 0.0)
    times = np.divide(covers, debt, out=np.full(len(debt), np.inf), where=debt > 0)
    times = np.where(np.isnan(covers) & (debt > 0), np.nan, times)
    wrong = ~(times >= least * (1 - _SAME)) & seen.rows
    return [
        seen.finding(
            bool(np.isnan(times[a])),
            it.accounts[a],
            "",
            None if np.isnan(times[a]) else float(times[a]),
            least,
            float(debt[a]),
            "covers what it borrowed too few times",
        )
        for a in np.flatnonzero(wrong).tolist()
    ]


def _of_nav(values: Float, it: Positions) -> Float:
    """(A, G) values over net asset values; infinite where there is none left, NaN where something is unknown."""
    nav = np.broadcast_to(it.nav[:, None], values.shape)
    shares = np.divide(values, nav, out=np.full(values.shape, np.inf), where=nav > 0)
    shares = np.where(values == 0, 0.0, shares)
    return np.where((np.isnan(nav) | np.isnan(values)) & (values != 0), np.nan, shares)


def _summed(values: Float, places: Any, count: int) -> Float:
    """(A, G) sums of (A, N) values by (N,) places."""
    if count == values.shape[1]:
        out = np.empty_like(values)
        out[:, places] = values
        return out
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(count))
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1)) if count else values[:, :0]


_CHECKS: Mapping[str, Callable[[Any, _Seen], list[Finding]]] = {
    "prohibited": _prohibited,
    "asset_class": _asset_class,
    "market_cap": _market_cap,
    "position": _position,
    "sector": _sector,
    "concentration": _concentration,
    "ownership": _ownership,
    "locate": _locate,
    "leverage": _leverage,
    "coverage": _coverage,
}
