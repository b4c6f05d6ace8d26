"""The quality checks of daily bars: what each looks for, what may be done, and in which order they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quantray.arrays import Float
from quantray.data.quality import price_checks as prices
from quantray.data.quality import row_checks as rows
from quantray.data.quality.bars import Market, SortedBars
from quantray.data.quality.check import Flags, Treatment

__all__ = ["CHECKS", "Check"]


@dataclass(frozen=True)
class Check:
    """A named check: what it looks for, what may be done, and how it is written in messages."""

    name: str
    meaning: str
    find: Callable[[SortedBars], Flags]
    treatment: Treatment
    allowed: tuple[Treatment, ...]
    detail: str = ""
    """Format of one example; ``{v}`` is the flag's value, ``{open}`` and so on the row's prices."""
    repair: Callable[[SortedBars, Flags], Mapping[str, Float]] | None = None
    """Columns as they should be."""
    by_later: bool = False
    """Whether later bars decide it, so that new ones may show that stored ones are wrong."""
    advice: Callable[[Market, Mapping[int, Flags]], str] | None = None
    """What to do about it, by the market and the flags of its blocks, for the message of a refusal; by default to treat
    the rows or to mend the file."""


CHECKS: tuple[Check, ...] = (
    Check(
        "missing_symbol",
        "rows without a symbol",
        rows.nameless,
        "drop_row",
        ("drop_row", "refuse"),
        "close {close} belongs to no symbol",
    ),
    Check(
        "future_bar",
        "bars dated after today",
        rows.future,
        "drop_row",
        ("keep", "drop_row", "drop_asset", "refuse"),
        "is yet to come",
    ),
    Check(
        "not_daily",
        "bars that lie a week or more apart, or several of a day",
        rows.not_daily,
        "refuse",
        ("keep", "refuse"),
        "is no daily bar",
        advice=rows.daily_or_weekly,
    ),
    Check(
        "two_listings",
        "rows of one symbol and date on two price levels day after day: two listings, share classes or currencies",
        rows.listings,
        "refuse",
        ("drop_asset", "refuse"),
        "close {close}, and another {factor:.3g} times as high",
        advice=lambda market, flags: "give each listing a symbol of its own",
    ),
    Check(
        "conflicting_rows",
        "rows of one symbol and date with different prices; the last one stands if they are dropped",
        rows.conflicting,
        "refuse",
        ("drop_row", "drop_asset", "refuse"),
        "close {close} and other prices in another row",
        advice=lambda market, flags: (
            "keep one row a day, or let the last one stand: conflicting_rows: drop_row in --quality"
        ),
    ),
    Check(
        "duplicate_rows",
        "a symbol has several rows of the same prices for one date; the last one stands",
        rows.duplicates,
        "drop_row",
        ("drop_row", "refuse"),
        "appears more than once",
    ),
    Check(
        "missing_close",
        "rows without a close, and without a split or a dividend",
        rows.priceless,
        "drop_row",
        ("drop_row", "refuse"),
        "has no close",
    ),
    Check(
        "calendar_mismatch",
        "whole days on which the exchange was closed: the bars follow another calendar",
        rows.foreign_days,
        "refuse",
        ("keep", "drop_row", "refuse"),
        "the exchange was closed",
        advice=rows.fitting_calendar,
    ),
    Check(
        "ambiguous_adjustment",
        "splits or dividends that may or may not be in the prices already; kept, the likelier reading stands",
        rows.doubtful,
        "refuse",
        ("keep", "drop_asset", "refuse"),
        "close {close}",
        advice=rows.both_readings,
    ),
    Check(
        "non_positive_adjusted",
        "adjusted closes of zero or below; none of the symbol's adjusted closes was used",
        prices.negative_adjusted,
        "keep",
        ("keep", "drop_asset", "refuse"),
        "close {close}",
    ),
    Check(
        "impossible_return",
        "delisting returns below -100 %",
        prices.impossible_return,
        "drop_cell",
        ("drop_cell", "drop_row", "refuse"),
        "",
    ),
    Check(
        "non_trading_day",
        "rows dated on days when the exchange was closed",
        rows.off_calendar,
        "drop_row",
        ("keep", "drop_row", "refuse"),
        "the exchange was closed",
    ),
    Check(
        "non_positive_price",
        "prices of zero or below, zero opens among them",
        prices.non_positive,
        "drop_cell",
        ("drop_cell", "drop_row", "drop_asset", "refuse"),
        "open {open} high {high} low {low} close {close}",
    ),
    Check(
        "negative_volume",
        "volume below zero",
        prices.negative_volume,
        "drop_cell",
        ("drop_cell", "drop_row", "refuse"),
        "volume {volume}",
    ),
    Check(
        "price_range",
        "high below low, or a close outside them; repair widens high and low to hold open and close",
        prices.price_range,
        "repair",
        ("keep", "repair", "drop_row", "refuse"),
        "high {high} low {low} close {close}",
        prices.widen_range,
    ),
    Check(
        "alternating_levels",
        "a series that jumps to and fro between two price levels, as when two instruments share a symbol",
        prices.alternating,
        "drop_asset",
        ("keep", "drop_row", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
    ),
    Check(
        "reverting_move",
        "a jump that is taken back within days: a bad print",
        prices.reverting,
        "drop_cell",
        ("keep", "drop_cell", "drop_row", "refuse"),
        "close {close}, {factor:.3g} times the last, then back",
        by_later=True,
    ),
    Check(
        "unadjusted_event",
        "a split, spin-off or merger missing from the prices: an overnight jump at a whole ratio or beyond three times "
        "without a surge of trading, or any move beyond five times; "
        "repair inserts the split (the nearest whole ratio within 5 %, else one that makes the day's return zero)",
        prices.unadjusted,
        "repair",
        ("keep", "repair", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
        prices.insert_split,
    ),
    Check(
        "extreme_move",
        "daily returns beyond the threshold that nothing above explains",
        prices.extreme,
        "keep",
        ("keep", "drop_cell", "drop_asset", "refuse"),
        "close {close}, {factor:.3g} times the last",
    ),
    Check(
        "stale_price",
        "the same close day after day with no range within the day",
        prices.stale,
        "keep",
        ("keep", "drop_cell", "drop_row", "refuse"),
        "close {close} for {v:.0f} rows",
    ),
    Check(
        "gap",
        "trading days missing inside a series",
        rows.gaps,
        "keep",
        ("keep", "refuse"),
        "after {v:.0f} missing days",
    ),
    Check(
        "thin_day",
        "trading days that hold far fewer symbols than the days around them",
        rows.thin,
        "keep",
        ("keep", "drop_row", "refuse"),
        "a day of {v:.0f} symbols",
    ),
)
