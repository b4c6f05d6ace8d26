"""What a day begins with: what is held, and how it came to that, from the book before or from a broker's list."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from quantray.daily.book import Book, traded_by_session
from quantray.daily.market import DayMarket
from quantray.daily.positions import Ends, Positions, carried, read_positions, starting
from quantray.daily.settings import RebalanceSettings
from quantray.daily.targets import Targets
from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.data.panel import Panel
from quantray.features.returns import DELIST_RETURN, delisting_returns
from quantray.studies.portfolios.alpha import Start

__all__ = ["attribution_of", "missed_days", "positions_of", "start_of", "turnover_so_far"]


def positions_of(
    settings: RebalanceSettings, market: DayMarket, earlier: Book | None, holdings: pd.DataFrame | None
) -> Positions:
    """What is held at the close of a day.

    Parameters
    ----------
    earlier : the book before; None before the first.
    holdings : what a broker says; by default what the book before leaves.

    Raises
    ------
    InputError
        As ``read_positions``.
    """
    if holdings is not None:
        return read_positions(holdings, market.day, market.closes)
    if earlier is None:
        return starting(market.day, settings.accounting.initial_nav)
    costs, terms = settings.costs.build(), settings.accounting
    ends = Ends(
        unpriced=_unpriced(market.panel, earlier.as_of),
        returns=_delisted(market.panel),
        after=terms.delist_after,
        otherwise=terms.delisting_return,
    )
    rate = costs.half_spread_bps + costs.commission_bps
    return carried(earlier, market.quotes, costs_bps=rate, ends=ends, exchange=settings.exchange or DEFAULT_EXCHANGE)


def attribution_of(market: DayMarket, positions: Positions, earlier: Book | None) -> dict[str, Any]:
    """What moved the NAV since the book before, as fractions of its NAV: sectors and costs, which sum to the return.

    Where nothing was carried on from a book, such as on the first day, it says no more than the NAV.
    """
    if earlier is None or not positions.earned:
        return {"nav": positions.nav}
    sectors: dict[str, float] = {}
    for symbol, money in sorted(positions.earned.items()):
        sector = market.sectors.get(symbol, "")
        sectors[sector] = sectors.get(sector, 0.0) + money / earlier.nav
    return {
        "nav": positions.nav,
        "since": str(earlier.as_of),
        "return": positions.nav / earlier.nav - 1,
        "sectors": sectors,
        "costs": -positions.costs / earlier.nav,
    }


def missed_days(market: DayMarket, earlier: Book | None) -> list[np.datetime64]:
    """Trading days between the last book and this day."""
    if earlier is None:
        return []
    dates = market.panel.dates
    return list(dates[(dates > np.datetime64(earlier.as_of)) & (dates < np.datetime64(market.day))])


def start_of(market: DayMarket, positions: Positions, earlier: Book | None) -> Start:
    """What the decision finds: drifted weights, and how much was traded in the year so far."""
    nav = positions.nav
    names = market.panel.assets.tolist()
    weights = np.array([positions.shares.get(name, 0) * positions.prices.get(name, 0.0) / nav for name in names])
    if earlier is None:
        return Start(weights)
    used = float(earlier.documents["provenance"]["year_turnover"])
    decided = np.datetime64(str(earlier.documents["provenance"]["decided"]))
    return Start(weights, used, None if np.isnat(decided) else decided)


def turnover_so_far(
    start: Start, market: DayMarket, targets: Targets, children: pa.Table, exchange: str
) -> dict[str, object]:
    """How much was traded in the calendar year so far, and when last something was decided.

    Of orders that take more sessions the first counts: what is left is decided anew.
    """
    sessions = traded_by_session(children, exchange)
    if not sessions:
        return {"year_turnover": start.used_turnover, "decided": str(start.decided or "NaT")}
    price = dict(zip(targets.symbols.tolist(), targets.prices.tolist(), strict=True))
    traded = sum(abs(shares) * price[name] for name, shares in sessions[0].items()) / targets.nav / 2
    year = np.datetime64(market.day).astype("datetime64[Y]")
    same = start.decided is not None and start.decided.astype("datetime64[Y]") == year
    return {"year_turnover": (start.used_turnover if same else 0.0) + traded, "decided": str(market.day)}


def _unpriced(panel: Panel, day: date) -> dict[str, int]:
    """Symbol -> trading days up to a day since it had a close; names that never had one are left out."""
    priced = np.isfinite(panel.field("close")[panel.dates <= np.datetime64(day)])
    if not len(priced):
        return {}
    ages = np.argmax(priced[::-1], axis=0)
    some = priced.any(axis=0)
    return dict(zip(panel.assets[some].tolist(), ages[some].tolist(), strict=True))


def _delisted(panel: Panel) -> dict[str, float]:
    """Symbol -> its delisting return, where the data tell it and it has no close since."""
    ending = delisting_returns(panel.field("close"), panel.fields.get(DELIST_RETURN))[-1]
    known = np.isfinite(ending)
    return dict(zip(panel.assets[known].tolist(), ending[known].tolist(), strict=True))
