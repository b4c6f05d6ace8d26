"""Two billion dollars in twenty strategies and 500 positions of four asset classes, on a simulated market.

Sizes are those of a diversified institution: daily volatilities of 1 to 3 % for shares, 5 to 8 basis points for yields,
1.5 % for commodities and half a percent for currencies; volumes from ten million to a billion dollars a day.
"""

from dataclasses import dataclass

import numpy as np

from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.synthetic import simulate_market
from quantray.features.returns import simple_returns
from quantray.risk.limits import Limit
from quantray.risk.positions.holdings import Bonds, Holdings, Options
from quantray.risk.positions.market import Market

AUM = 2_000_000_000.0
SHARES, BONDS, COMMODITIES, CURRENCIES = 320, 110, 35, 20
FUTURES, OPTIONS = 5, 10
DAYS = 756
CODES = (
    *("EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK"),
    *("SGD", "HKD", "MXN", "ZAR", "PLN", "CZK", "HUF", "KRW", "INR", "BRL"),
)
YIELDS: dict[str, tuple[float, str]] = {
    "UST 2Y": (0.045, "government"), "UST 5Y": (0.042, "government"), "UST 10Y": (0.042, "government"),
    "UST 30Y": (0.044, "government"), "AAA 10Y": (0.048, "AAA"), "BAA 10Y": (0.060, "BAA"),
    "HY 5Y": (0.078, "high yield"),
}  # fmt: skip
"""Yield -> its level and sector."""
CURVE = {"UST 2Y": 1.9, "UST 5Y": 4.5, "UST 10Y": 8.2, "UST 30Y": 16.0, "AAA 10Y": 7.8, "BAA 10Y": 7.2, "HY 5Y": 3.9}
"""Yield -> duration of the bonds on it."""

LIMITS = (
    Limit(name="gross exposure", metric="gross", scope="book", soft=3.0, hard=4.0, action="reduce"),
    Limit(name="net exposure", metric="net", scope="book", soft=1.25, hard=1.75, action="reduce"),
    Limit(name="single name", metric="gross", scope="every name", soft=0.035, hard=0.05, action="reduce"),
    Limit(name="sector", metric="net", scope="every sector", soft=0.35, hard=0.60, action="reduce"),
    Limit(name="strategy", metric="gross", scope="every strategy", soft=0.25, hard=0.40, action="reduce"),
    Limit(name="value-at-risk", metric="var", scope="book", soft=0.0175, hard=0.02, action="reduce"),
    Limit(name="expected shortfall", metric="es", scope="book", soft=0.02, hard=0.025, action="reduce"),
    Limit(name="stress", metric="stress loss", scope="every scenario", soft=0.20, hard=0.25, action="reduce"),
    Limit(name="days to sell", metric="liquidity days", scope="every name", soft=10, hard=20, action="report"),
)


@dataclass(frozen=True, eq=False)
class Institution:
    """The book, its market and the risk model of the market."""

    holdings: Holdings
    market: Market
    model: FactorModel


def institutional_book(*, seed: int = 7, scale: float = 1.0) -> Institution:
    """The book; ``scale`` multiplies every position."""
    generator = np.random.default_rng(seed)
    simulated = simulate_market(SHARES, DAYS + 1, seed=seed, listing_share=0, delisting_share=0)
    panel = simulated.panel
    returns = simple_returns(panel.field("close"))[1:]
    sectors = [str(name) for name in simulated.truth.sectors.tolist()]
    shares = [f"EQ {i:03d}" for i in range(SHARES)]
    market = returns.mean(axis=1)
    standard = market / market.std()

    def follows(count: int, beta: float, common: float, own: float) -> np.ndarray:
        """(T, count) changes: of the market, of a factor of their own kind, and of each."""
        kind = generator.normal(size=(DAYS, 1)) * common * generator.uniform(0.6, 1.4, count)
        return standard[:, None] * beta + kind + generator.normal(size=(DAYS, count)) * own

    level = generator.normal(size=(DAYS, 1)) * 4e-4
    yields = level + follows(len(YIELDS), -1e-4, 1.5e-4, 1e-4)
    yields[:, 4:] -= standard[:, None] * np.array([0.3e-4, 1e-4, 3e-4])
    volatility = follows(1, -0.008, 0.0, 0.006)
    index = market[:, None] + generator.normal(size=(DAYS, 1)) * 1e-3
    commodities = follows(COMMODITIES, 0.003, 0.006, 0.012)
    currencies = follows(CURRENCIES, 0.001, 0.003, 0.003)
    curve = [list(YIELDS)[i % len(YIELDS)] for i in range(BONDS)]
    place = np.array([list(YIELDS).index(name) for name in curve])
    durations = np.array([CURVE[name] for name in curve]) * generator.uniform(0.8, 1.2, BONDS)
    bonds = -durations * yields[:, place] + generator.normal(size=(DAYS, BONDS)) * 3e-4
    names = {
        "bonds": [f"BOND {i:03d}" for i in range(BONDS)],
        "commodities": [f"COM {i:02d}" for i in range(COMMODITIES)],
    }
    drivers = [*shares, "INDEX", "VIX", *YIELDS, *names["bonds"], *names["commodities"], *CODES]
    changes = np.hstack([returns, index, volatility, yields, bonds, commodities, currencies])
    absolute = np.zeros(len(drivers), dtype=bool)
    absolute[SHARES + 1 : SHARES + 2 + len(YIELDS)] = True
    money = generator.lognormal(np.log(1.2e8), 0.8, SHARES)
    adv = np.concatenate(
        [
            money, [2e10, np.nan], np.full(len(YIELDS), np.nan), generator.lognormal(np.log(2e8), 0.6, BONDS),
            generator.lognormal(np.log(8e8), 0.6, COMMODITIES), np.full(CURRENCIES, 5e9),
        ]
    )  # fmt: skip
    spread = np.concatenate(
        [
            generator.uniform(2, 15, SHARES), [0.5, np.nan], np.full(len(YIELDS), np.nan),
            np.where(place >= 5, 40.0, 4.0) * generator.uniform(0.7, 1.3, BONDS), np.full(COMMODITIES, 3.0),
            np.full(CURRENCIES, 1.5),
        ]
    )  # fmt: skip
    levels = np.concatenate(
        [
            panel.field("close")[-1], [4500.0, 0.18], [rate for rate, _ in YIELDS.values()], np.full(BONDS, 100.0),
            generator.uniform(20, 400, COMMODITIES), generator.uniform(0.01, 1.3, CURRENCIES),
        ]
    )  # fmt: skip
    day = np.datetime64("2024-06-28")
    seen = Market(
        day,
        np.array(drivers),
        levels,
        day - np.arange(DAYS)[::-1],
        changes,
        absolute=absolute,
        adv=adv,
        spread_bps=spread,
        sectors=np.array(
            [*sectors, "index", "", *(sector for _, sector in YIELDS.values()), *(YIELDS[name][1] for name in curve)]
            + ["commodities"] * COMMODITIES
            + ["currencies"] * CURRENCIES
        ),
    )
    holdings = _positions(generator, seen, shares, curve, durations, scale)
    return Institution(holdings, seen, statistical_factors(changes, 20))


def _positions(generator, market, shares, curve, durations, scale) -> Holdings:
    """Twelve strategies in shares, four in bonds, two each in commodities and currencies."""
    bonds = [f"BOND {i:03d}" for i in range(BONDS)]
    commodities = [f"COM {i:02d}" for i in range(COMMODITIES)]
    options = [f"INDEX {'call' if i % 2 else 'put'} {i}" for i in range(OPTIONS)]
    futures = [f"INDEX future {i}" for i in range(FUTURES)]
    forwards = [f"{code} forward" for code in CODES]
    names = [*shares, *futures, *options, *bonds, *commodities, *forwards]
    own = [*shares, *["INDEX"] * (FUTURES + OPTIONS), *bonds, *commodities, *CODES]
    kinds = np.array(
        ["equity"] * (SHARES + FUTURES + OPTIONS)
        + ["fixed income"] * BONDS
        + ["commodity"] * COMMODITIES
        + ["fx"] * CURRENCIES
    )
    # Of NAV: shares 80 % long and 50 % short, a hedge in futures, 70 % in bonds, commodities and currencies both ways.
    size = np.concatenate(
        [
            np.where(generator.random(SHARES) < 0.62, 1.0, -1.0) * generator.uniform(0.5, 1.5, SHARES) * 1.3 / SHARES,
            np.full(FUTURES, -0.02),
            np.zeros(OPTIONS),
            generator.uniform(0.5, 1.5, BONDS) * 0.7 / BONDS,
            np.resize([1.0, 1.0, -1.0], COMMODITIES) * generator.uniform(0.5, 1.5, COMMODITIES) * 0.25 / COMMODITIES,
            np.resize([1.0, -1.0], CURRENCIES) * generator.uniform(0.5, 1.5, CURRENCIES) * 0.3 / CURRENCIES,
        ]
    )
    levels = market.levels[market.find(np.array(own), "positions")]
    quantity = size * scale * AUM / levels
    rows = np.arange(SHARES + FUTURES, SHARES + FUTURES + OPTIONS)
    # Protective puts are held, calls are written against the shares.
    quantity[rows] = np.where(np.arange(OPTIONS) % 2, -1.0, 1.0) * scale * 0.01 * AUM / levels[rows]
    strategy = [
        *(f"equity {i % 11 + 1:02d}" for i in range(SHARES)),
        *["overlay"] * (FUTURES + OPTIONS),
        *(f"rates {i % 4 + 1}" for i in range(BONDS)),
        *(f"commodity {i % 2 + 1}" for i in range(COMMODITIES)),
        *(f"currency {i % 2 + 1}" for i in range(CURRENCIES)),
    ]
    funded = np.ones(len(names), dtype=bool)
    funded[[*range(SHARES, SHARES + FUTURES), *range(len(names) - COMMODITIES - CURRENCIES, len(names))]] = False
    calls = np.arange(OPTIONS) % 2 == 1
    # A tenth of the shares are listed in Europe.
    currency = np.array(["EUR" if i % 10 == 0 and i < SHARES else "" for i in range(len(names))])
    first = SHARES + FUTURES + OPTIONS
    return Holdings(
        np.array(names),
        quantity,
        AUM,
        drivers=np.array(own),
        currency=currency,
        asset_class=kinds,
        strategy=np.array(strategy),
        funded=funded,
        bonds=Bonds(np.arange(first, first + BONDS), curve, durations, durations**2 * 1.2),
        options=Options(
            rows,
            strike=np.where(calls, 4500 * 1.05, 4500 * 0.92),
            expiry=np.full(OPTIONS, market.date + np.timedelta64(91, "D")),
            is_call=calls,
            volatility=np.where(calls, 0.15, 0.21),
            volatility_drivers=np.full(OPTIONS, "VIX"),
            rate=np.full(OPTIONS, 0.045),
            dividend_yield=np.full(OPTIONS, 0.014),
        ),
    )
