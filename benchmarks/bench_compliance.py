"""Rules of compliance over many accounts at once, and before an order.

A hundred accounts of all kinds hold a thousand names at random; twelve rules are checked after trading, over all of it,
and before an order, over its account. Times are of the processor, the shortest of five.

Usage: python benchmarks/bench_compliance.py
"""

import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
from _record import describe, machine, table, versions, write_line

from quantray.institution.compliance import post_trade, pre_trade
from quantray.institution.facts import NameFacts
from quantray.institution.positions import Positions
from quantray.institution.rules import KINDS, AssetClasses, MarketCap, Position, Prohibited, Rule, SectorCap, laws

_DAY = date(2026, 3, 2)
_OWN = (
    Prohibited(id="prohibited", kind="prohibited", symbols=("S1",)),
    AssetClasses(id="classes", kind="asset_class", allowed=("equity",)),
    MarketCap(id="large", kind="market_cap", at_least=Decimal(10**8)),
    Position(id="cap", kind="position", at_most=Decimal("0.05")),
    SectorCap(id="sectors", kind="sector", at_most=Decimal("0.3")),
)


def main() -> None:
    about, rows, found = machine(), [], {}
    rules = (*laws(), *_OWN)
    for accounts, names in ((100, 1_000), (200, 1_000), (100, 4_000)):
        each = _measured(accounts, names, rules)
        found[f"{accounts} accounts, {names} names"] = each
        rows.append([f"{accounts:,} accounts, {names:,} names", *(f"{value:,.4g}" for value in each.values())])
    print(describe(about))
    print(f"{len(rules)} rules, seed 0; milliseconds")
    print(table(("positions", "all after trading", "one order before", "findings"), rows))
    write_line("bench_compliance", {"machine": about, "versions": versions("numpy"), "seed": 0, **found})


def _measured(accounts: int, names: int, rules: Sequence[Rule]) -> dict[str, float]:
    def made() -> Positions:
        return _book(accounts, names)

    book = made()
    return {
        "after ms": _milliseconds(lambda: post_trade(rules, made(), _DAY), made),
        "before ms": _milliseconds(lambda: pre_trade(rules, book, "A5", "S3", 10, _DAY)),
        "findings": len(post_trade(rules, book, _DAY)),
    }


def _book(accounts: int, names: int) -> Positions:
    random = np.random.default_rng(0)
    symbols = [f"S{i}" for i in range(names)]
    return Positions(
        accounts=[f"A{i}" for i in range(accounts)],
        pms=[f"pm{i % 10}" for i in range(accounts)],
        kinds=[KINDS[i % len(KINDS)] for i in range(accounts)],
        symbols=symbols,
        shares=random.integers(0, 100, (accounts, names)).astype(np.float64),
        prices=random.uniform(1, 90, names),
        cash=random.uniform(0, 9_000, accounts),
        facts={symbol: _FACTS[i % 11] for i, symbol in enumerate(symbols)},
    )


_FACTS = [
    NameFacts(sector=f"sector {i}", asset_class="equity", market_cap=Decimal(10**9), shares_outstanding=10**8)
    for i in range(11)
]


def _milliseconds(work: Callable[[], object], less: Callable[[], object] = lambda: None) -> float:
    """The shortest of five, less what making its input takes."""
    return (_shortest(work) - _shortest(less)) * 1e3


def _shortest(work: Callable[[], object]) -> float:
    found = []
    for _ in range(5):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
