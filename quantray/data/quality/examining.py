"""From bars as they stand in files to bars that may be stored, and the report on the way."""

from dataclasses import replace

import numpy as np
import pandas as pd

from quantray.arrays import Bool
from quantray.data.blocks import Block, in_blocks, together
from quantray.data.quality.events import normalise_blocks
from quantray.data.quality.findings import Finding, QualityReport, noted
from quantray.data.quality.overlap import Joined, join
from quantray.data.quality.treatment import QualitySettings, clean_blocks
from quantray.data.vendors.importing import RawBars

__all__ = ["examine", "examine_blocks"]


def examine(
    raw: RawBars, settings: QualitySettings | None = None, *, context: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, QualityReport]:
    """The bars that an import would write, and the report on what was found and done; see ``examine_blocks``."""
    blocks, report = examine_blocks(raw, settings, context=context)
    return together(blocks), report


def examine_blocks(
    raw: RawBars, settings: QualitySettings | None = None, *, context: pd.DataFrame | None = None, lent: bool = True
) -> tuple[list[Block], QualityReport]:
    """The bars that an import would write, and the report on what was found and done.

    Parameters
    ----------
    context : stored bars around the new ones, which these go on from and checks compare with.
    lent : whether the raw bars are still needed; those that are not are changed in place.

    Raises
    ------
    DataError
        A check refuses the bars, or leaves none, or they do not go on from the stored ones.
    """
    settings = settings or QualitySettings()
    n_read, identified = len(raw.frame), "ticker" in raw.frame
    span = raw.frame["date"].min(), raw.frame["date"].max()
    # Handed over, not lent: a second hand on millions of bars would keep those that each stage replaces.
    hand = [raw.frame.copy(deep=False)]
    raw = replace(raw, frame=pd.DataFrame())
    blocks = in_blocks(hand.pop(), lent=lent)
    adjustment = normalise_blocks(blocks, helpers=context is not None)
    findings = _findings_of_reading(raw)
    if context is not None:
        joined = join(together(blocks), context, listing=adjustment.source.startswith("dividend"))
        findings += _findings_of_joining(joined)
        blocks = in_blocks(_with_context(joined.bars, context) if len(joined.bars) else joined.bars)
    if any(len(block) for block in blocks):
        findings += clean_blocks(blocks, settings)
    for block in blocks:
        block.drop("adj_close", "doubt")
        block.keep(_held(block))
    blocks = [block for block in blocks if len(block)] or blocks[:1]
    dates = [block.columns["date"] for block in blocks if len(block)]
    if dates:
        span = pd.Timestamp(min(each.min() for each in dates)), pd.Timestamp(max(each.max() for each in dates))
    report = QualityReport(
        files=raw.files,
        n_rows_read=n_read,
        n_rows_kept=sum(map(len, blocks)),
        n_assets=sum(len(block.runs()[0]) for block in blocks),
        first=str(span[0].date()),
        last=str(span[1].date()),
        exchange=settings.exchange,
        bars=settings.bars,
        readings=raw.readings,
        identified=identified,
        adjustment=adjustment,
        findings=findings,
    )
    return blocks, report


def _with_context(bars: pd.DataFrame, context: pd.DataFrame) -> pd.DataFrame:
    """New bars, and those stored bars that they do not replace."""
    keys = (pd.MultiIndex.from_frame(frame[["date", "symbol"]]) for frame in (context, bars))
    again = next(keys).isin(next(keys))
    fresh = bars.drop(columns=["inside_split", "inside_dividend", "implied"], errors="ignore").assign(fresh=True)
    return pd.concat([context[~again].assign(fresh=False), fresh], ignore_index=True)


def _held(block: Block) -> Bool:
    """Rows that say anything."""
    held: Bool = ~np.isnan(block.columns["close"]) | (block.columns["dividend"] > 0) | (block.columns["split"] != 1)
    return held | ~np.isnan(block.columns["delist_return"]) if "delist_return" in block else held


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
