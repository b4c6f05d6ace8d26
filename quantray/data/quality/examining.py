"""From bars as they stand in files to bars that may be stored, and the report on the way."""

from dataclasses import replace

import pandas as pd

from quantray.data.frames import taken
from quantray.data.quality.events import normalise_events
from quantray.data.quality.implied import by_symbol
from quantray.data.quality.overlap import Joined, join
from quantray.data.quality.treatment import Finding, QualityReport, QualitySettings, clean, noted
from quantray.data.vendors.importing import RawBars

__all__ = ["examine"]


def examine(
    raw: RawBars, settings: QualitySettings | None = None, *, context: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, QualityReport]:
    """The bars that an import would write, and the report on what was found and done.

    Parameters
    ----------
    context : stored bars around the new ones, which these go on from and checks compare with.

    Raises
    ------
    DataError
        A check refuses the bars, or leaves none, or they do not go on from the stored ones.
    """
    settings = settings or QualitySettings()
    n_read, identified = len(raw.frame), "ticker" in raw.frame
    span = raw.frame["date"].min(), raw.frame["date"].max()
    # Handed over, not lent: a second hand on millions of bars would keep those that each stage replaces.
    hand = [by_symbol(raw.frame.copy(deep=False))]
    raw = replace(raw, frame=raw.frame.head(0))
    bars, adjustment = normalise_events(hand.pop())
    findings = _findings_of_reading(raw)
    if context is not None:
        joined = join(bars, context, listing=adjustment.source.startswith("dividend"))
        bars = joined.bars
        findings += _findings_of_joining(joined)
        again = pd.MultiIndex.from_frame(context[["date", "symbol"]]).isin(
            pd.MultiIndex.from_frame(bars[["date", "symbol"]])
        )
        context = context[~again]
    bars = bars.drop(columns=["inside_split", "inside_dividend", "implied"], errors="ignore")
    if len(bars):
        hand.append(bars)
        del bars
        bars, found = clean(hand.pop(), settings, context=context)
        findings += found
    held = bars["close"].notna() | (bars["dividend"] > 0) | (bars["split"] != 1)
    if "delist_return" in bars:
        held |= bars["delist_return"].notna()
    treated = bars.drop(columns=["adj_close", "doubt"], errors="ignore")
    del bars
    if not held.all():
        treated = taken(treated, held.to_numpy())
    if len(treated):
        span = treated["date"].min(), treated["date"].max()
    report = QualityReport(
        files=raw.files,
        n_rows_read=n_read,
        n_rows_kept=len(treated),
        n_assets=treated["symbol"].nunique(),
        first=str(span[0].date()),
        last=str(span[1].date()),
        exchange=settings.exchange,
        bars=settings.bars,
        readings=raw.readings,
        identified=identified,
        adjustment=adjustment,
        findings=findings,
    )
    return treated, report


def _findings_of_reading(raw: RawBars) -> tuple[Finding, ...]:
    meanings = {
        "symbol_spelling": ("symbols that differ in case or blanks only were taken for one", "repair"),
        "ignored_event_column": ("columns that sound like events and were not read; name them with --column", "keep"),
        "file_left_out": ("what lies in the folder and holds no bars that can be read", "keep"),
        "midpoint_price": ("midpoints of quotes, marked by a minus sign, taken for closes", "repair"),
    }
    return tuple(noted(name, *meanings[name], examples) for name, examples in raw.notes.items())


def _findings_of_joining(joined: Joined) -> tuple[Finding, ...]:
    found = []
    if joined.rebased:
        meaning = (
            "the days in common show another basis of splits or dividends; the new bars go on from the stored ones"
        )
        found.append(noted("other_basis", meaning, "repair", joined.rebased))
    if joined.corrected:
        meaning = "days in common with other returns than the stored ones, which they replace"
        found.append(noted("corrected_before", meaning, "repair", joined.corrected))
    return tuple(found)
