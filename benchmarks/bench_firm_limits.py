"""Limits of a firm in real time: what asking and booking an order takes, by names and factors.

Ten portfolio managers with ten accounts each trade names of a factor model at random. All limits are set, so that every
order is held against its sector, every factor, the VaR, days to sell and the correlations of its manager; then it is
booked. Far from the limits on factors and VaR a bound tells that they are far; near them all factors are looked at.
"Near" is what looking and bringing the sums up to date takes then.
Beside it stands the VaR computed anew from all names, as without sums that are kept up. Times are of the processor, so
that what else the machine does is no part of them.

Usage: python benchmarks/bench_firm_limits.py [--orders 20000]
"""

import argparse
import time

import numpy as np
from _record import describe, machine, seconds, table, versions, write_line

from quantray.covariance.factor import FactorModel
from quantray.institution.factor_files import whole_factors
from quantray.institution.facts import NameFacts
from quantray.institution.firm_limits import FirmLimits, FirmOrder

_PMS = [f"pm{i}" for i in range(10)]
_FAR = 10**18
_FIRM = {"sector": _FAR, "factor": _FAR, "var": _FAR, "liquidity_days": 10**6}
_WITHOUT = {("firm", "", name): value for name, value in _FIRM.items()}
_ALL = _WITHOUT | {("firm", "", "correlation_bps"): 10_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20_000)
    orders = parser.parse_args().orders
    about, rows, found = machine(), [], {}
    for names, factors in ((1_000, 20), (10_000, 20), (1_000, 40), (1_000, 80)):
        for what, limits in (("all but correlations", _WITHOUT), ("all", _ALL)):
            each = _measured(names, factors, orders, limits)
            found[f"{names} names, {factors} factors, {what}"] = each
            rows.append([f"{names:,} names, {factors} factors, {what}", *(f"{value:,.1f}" for value in each.values())])
    print(describe(about))
    print(f"{orders:,} orders of {len(_PMS)} managers, seed 0; microseconds")
    print(table(("limits", "p50", "p99", "max", "near", "VaR anew"), rows))
    write_line(
        "bench_firm_limits", {"machine": about, "versions": versions("numpy"), "orders": orders, "seed": 0, **found}
    )


def _measured(names: int, factors: int, orders: int, limits: dict[tuple[str, str, str], int]) -> dict[str, float]:
    random = np.random.default_rng(0)
    loadings = random.normal(size=(names, factors))
    model = FactorModel(loadings, np.eye(factors) * 1e-4, random.uniform(1e-5, 4e-4, names))
    symbols = [f"S{i:05d}" for i in range(names)]
    facts = {s: NameFacts(sector=f"sector {i % 11}", adv_shares=10**6) for i, s in enumerate(symbols)}
    firm = FirmLimits(limits, facts, whole_factors(symbols, model))
    held: dict[tuple[str, str], int] = {}
    total = dict.fromkeys(symbols, 0)
    chosen = zip(
        random.integers(names, size=orders).tolist(),
        random.integers(len(_PMS), size=orders).tolist(),
        random.integers(1, 10**9, size=orders).tolist(),
        strict=True,
    )
    took = []
    for name, manager, value in chosen:
        symbol, pm = symbols[name], _PMS[manager]
        start = time.thread_time_ns()
        assert firm.passed(FirmOrder(pm, symbol, value, 0, value, 2, 1)) is None
        held[pm, symbol] = held.get((pm, symbol), 0) + value
        total[symbol] += value
        firm.exposures.line(pm, pm, symbol, held[pm, symbol], held[pm, symbol])
        firm.exposures.name(symbol, 0, total[symbol])
        took.append(time.thread_time_ns() - start)
    looked = []
    for symbol in symbols[:1_000]:
        total[symbol] += 1
        start = time.thread_time_ns()
        firm.exposures.name(symbol, 0, total[symbol])
        firm.exposures.sizes(symbol, upper=1)
        firm.exposures.variance(symbol, upper=1)
        looked.append(time.thread_time_ns() - start)
    weights = np.array(list(total.values()), dtype=np.float64)
    micro = np.array(took) / 1e3
    return {
        "p50 us": float(np.quantile(micro, 0.5)),
        "p99 us": float(np.quantile(micro, 0.99)),
        "max us": float(micro.max()),
        "looked us": float(np.median(looked)) / 1e3,
        "anew us": seconds(lambda: model.variance(weights), repeats=5) * 1e6,
    }


if __name__ == "__main__":
    main()
