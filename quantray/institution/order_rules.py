"""Rules of compliance for one order at a time, in whole numbers: those that need only what a gate knows.

Which rules bind an account and a name is worked out once, and kept until the day or what is known changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.institution.overrides import Override, overriding
from quantray.institution.rules import (
    AssetClasses,
    Leverage,
    MarketCap,
    Position,
    Prohibited,
    Rule,
    State,
    check_distinct,
)

__all__ = ["Broken", "OrderRules", "Outcome"]

_Static = Prohibited | AssetClasses | MarketCap
_KNOWN = (Prohibited, AssetClasses, MarketCap, Position, Leverage)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an order leads to at the worst, in whole units of money.

    Parameters
    ----------
    position : largest size of the account's position in the name.
    gross : of all its positions.
    nav : cash and the value of what is held; None where something held has no price.
    """

    position: int
    gross: int
    nav: int | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that an order breaks, or that cannot be checked."""

    rule: Rule
    state: State


@dataclass(slots=True)
class _Bound:
    """What binds an account's orders of a name."""

    broken: tuple[Broken, ...]
    positions: tuple[tuple[Rule, int, int], ...]
    """Each with the numerator and the denominator of its level."""
    leverages: tuple[tuple[Rule, int, int], ...]


@dataclass(slots=True)
class OrderRules:
    """Rules, and what they need to know.

    Parameters
    ----------
    kinds : of accounts; one that is missing may be of any kind.
    """

    rules: Sequence[Rule]
    facts: Mapping[str, NameFacts]
    kinds: Mapping[str, str]
    overrides: Sequence[Override] = ()
    _day: str = ""
    _bound: dict[tuple[str, str], _Bound] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_distinct(self.rules)
        for rule in self.rules:
            if not isinstance(rule, _KNOWN):
                raise InputError(
                    f"rule {rule.id!r}: no order can be held against {rule.kind}; leave it to the report of the day."
                )

    @property
    def warns(self) -> bool:
        """Whether a rule is broken by orders that are taken, which somebody is to be told."""
        return any(rule.severity == "warn" for rule in self.rules)

    def needs_outcome(self, pm: str, account: str, symbol: str, day: str) -> bool:
        """Whether what an order leads to has to be known."""
        bound = self._of(pm, account, symbol, day)
        return bool(bound.positions or bound.leverages)

    def broken(self, pm: str, account: str, symbol: str, day: str, outcome: Outcome | None) -> Iterable[Broken]:
        """The rules that an order which makes a position larger breaks, or that cannot be checked.

        Parameters
        ----------
        day : ISO 8601.
        outcome : None where rules about net asset value do not bind.
        """
        bound = self._of(pm, account, symbol, day)
        if outcome is None or not (bound.positions or bound.leverages):
            return bound.broken
        found = list(bound.broken)
        for levels, size in ((bound.positions, outcome.position), (bound.leverages, outcome.gross)):
            for rule, over, under in levels:
                if outcome.nav is None:
                    found.append(Broken(rule, "unknown"))
                elif outcome.nav <= 0 or size * under > over * outcome.nav:
                    found.append(Broken(rule, "broken"))
        return found

    def _of(self, pm: str, account: str, symbol: str, day: str) -> _Bound:
        if day != self._day:
            self._bound.clear()
            self._day = day
        found = self._bound.get((account, symbol))
        if found is None:
            found = self._bound[account, symbol] = self._worked_out(pm, account, symbol, date.fromisoformat(day))
        return found

    def _worked_out(self, pm: str, account: str, symbol: str, day: date) -> _Bound:
        facts = self.facts.get(symbol, NameFacts())
        binding = [
            rule
            for rule in self.rules
            if rule.in_force(day)
            and self._is_in_scope(rule, pm, account, symbol, facts)
            and overriding(self.overrides, rule.id, account, symbol, day) is None
        ]
        states = ((rule, _state(rule, symbol, facts)) for rule in binding if isinstance(rule, _Static))
        return _Bound(
            tuple(Broken(rule, state) for rule, state in states if state is not None),
            *(
                tuple((it, *it.at_most.as_integer_ratio()) for it in binding if isinstance(it, kind))
                for kind in (Position, Leverage)
            ),
        )

    def _is_in_scope(self, rule: Rule, pm: str, account: str, symbol: str, facts: NameFacts) -> bool:
        scope, kind = rule.scope, self.kinds.get(account)
        return (
            (not scope.pms or pm in scope.pms)
            and (not scope.accounts or account in scope.accounts)
            and (not scope.kinds or kind is None or kind in scope.kinds)
            and (not scope.symbols or symbol in scope.symbols)
            and (not scope.asset_classes or facts.asset_class in ("", *scope.asset_classes))
        )


def _state(rule: _Static, symbol: str, facts: NameFacts) -> State | None:
    """What becomes of a rule about the name itself; None where it is met."""
    if isinstance(rule, Prohibited):
        return "broken" if symbol in rule.symbols else None
    if isinstance(rule, AssetClasses):
        if not facts.asset_class:
            return "unknown"
        met = facts.asset_class in rule.allowed if rule.allowed else facts.asset_class not in rule.prohibited
        return None if met else "broken"
    if facts.market_cap is None:
        return "unknown"
    return "broken" if facts.market_cap < rule.at_least else None
