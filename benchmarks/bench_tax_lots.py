"""A day of a firm's tax lots: 10,000 trades on 100 accounts of 1,000 names, and sales of 2,000 names with their taxes.

Usage: python benchmarks/bench_tax_lots.py [--days 3] [--seed 0]

Every account holds a lot of every name; two accounts share a taxpayer. Half of a day's trades are purchases, and days
are five days apart, so that losses meet replacements on both sides. The rebalance halves 2,000 names of 10 lots each
within a budget of gains that binds.
"""

import argparse
import time
from datetime import date, timedelta

import numpy as np
from _record import describe, machine, seconds, table, versions, write_line

from quantray.institution.lots.events import Event, Purchase, Sale, TaxAccount
from quantray.institution.lots.report import gains
from quantray.institution.tax_lots import LotBook, lot_book
from quantray.portfolio.taxed_sales import SaleLot, SaleTerms, taxed_sales

ACCOUNTS = [TaxAccount(id=f"A{i:03d}", taxpayer=f"T{i // 2}", method="hifo") for i in range(100)]
NAMES = [f"N{i:04d}" for i in range(1_000)]
FIRST, LAST = date(2024, 1, 2), date(2030, 1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about, rng = machine(), np.random.default_rng(arguments.seed)
    print(f"{len(ACCOUNTS)} accounts of {len(NAMES):,} names, 10,000 trades a day, seed {arguments.seed}")
    print(describe(about))
    results: dict[str, float] = {}
    start = [
        Purchase(id=f"{a.id}-{name}", date=FIRST, account=a.id, symbol=name, shares=100, money=10_000_000)
        for a in ACCOUNTS
        for name in NAMES
    ]
    book, results["100,000 purchases, s"] = booked(lot_book(ACCOUNTS), start)
    for number in range(1, arguments.days + 1):
        trades = trades_of(rng, FIRST + timedelta(days=5 * number), f"D{number}")
        book, results[f"day {number}, 10,000 trades, s"] = booked(book, trades)
    results["lots at the end"] = len(book.lots)
    results["losses not allowed"] = sum(line.disallowed > 0 for line in book.realised)
    results["report of gains, s"] = seconds(lambda: gains(book), repeats=3)
    results["sales of 2,000 names with taxes, s"] = rebalance(rng)
    print(table(["what", "figure"], [[name, f"{value:,.3f}"] for name, value in results.items()]))
    line = {"machine": about, "versions": versions("scipy"), "seed": arguments.seed, "results": results}
    print(f"written: {write_line('bench_tax_lots', line).name}")


def booked(book: LotBook, events: list[Event]) -> tuple[LotBook, float]:
    start = time.perf_counter()
    after = book.after(events, today=LAST)
    return after, time.perf_counter() - start


def trades_of(rng: np.random.Generator, day: date, name: str) -> list[Event]:
    trades: list[Event] = []
    for number in range(10_000):
        account, symbol = ACCOUNTS[rng.integers(len(ACCOUNTS))].id, NAMES[rng.integers(len(NAMES))]
        kind, shares = (Purchase, 10) if rng.random() < 0.5 else (Sale, 5)
        money = int(rng.integers(70_000, 130_000)) * shares
        about = {"id": f"{name}-{number}", "date": day, "account": account, "symbol": symbol}
        trades.append(kind(**about, shares=shares, money=money))
    return trades


def rebalance(rng: np.random.Generator) -> float:
    """Seconds of one choice."""
    prices = rng.uniform(10, 500, 2_000)
    lots = [
        [
            SaleLot(id=str(i), shares=100, basis=float(price * rng.uniform(0.5, 1.2)), rate=(0.2, 0.37)[i % 2])
            for i in range(10)
        ]
        for price in prices
    ]
    wanted = np.full(len(prices), 500)
    free = taxed_sales(wanted, prices, lots, SaleTerms())
    budget = SaleTerms(worth=0.1, most_gain=max(free.gain / 2, 0.0))
    return seconds(lambda: taxed_sales(wanted, prices, lots, budget), repeats=3)


if __name__ == "__main__":
    main()
