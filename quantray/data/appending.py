"""What is asked of bars before they go on from those of a store: settings, spelling, and assets that were dropped."""

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np
import pandas as pd

from quantray.data.quality.findings import Finding, QualityReport, noted
from quantray.data.quality.treatment import QualitySettings
from quantray.data.symbols import SymbolTable, as_stored
from quantray.data.vendors.formats import ADJUSTMENTS, CERTAIN
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError

__all__ = ["agreed", "refuse_earlier", "respelt", "without_dropped"]


def agreed(settings: QualitySettings | None, last: QualityReport, where: str) -> QualitySettings:
    """Settings for an append: the calendar and the length of bars are the store's.

    Parameters
    ----------
    last : the latest report of the store.
    where : the store, for messages; of all functions here.

    Raises
    ------
    DataError
        The settings name another calendar or another length of bars.
    """
    if settings is None:
        return QualitySettings(exchange=last.exchange, bars=last.bars)
    given = {name: getattr(settings, name) for name in ("exchange", "bars") if name in settings.model_fields_set}
    for name, value in given.items():
        if value != getattr(last, name):
            raise DataError(
                f"{where} holds {last.bars} bars on the calendar {last.exchange}, not {name} {value}; leave "
                f"{name} out of the settings, or import the whole history again."
            )
    return settings.model_copy(update={"exchange": last.exchange, "bars": last.bars})


def refuse_earlier(raw: RawBars, reports: Sequence[QualityReport], where: str) -> None:
    """Refuse adjusted prices from before the first stored day: nothing tells what was adjusted for since.

    Raises
    ------
    DataError
        All of the bars are earlier, and their maker says that some are adjusted.
    """
    first = pd.Timestamp(min(report.first for report in reports))
    adjusted = (raw.frame["basis"] % CERTAIN >= ADJUSTMENTS.index("splits")) if "basis" in raw.frame else False
    if raw.frame["date"].max() < first and np.any(adjusted):
        raise DataError(
            f"{where} begins on {first.date()}, after these adjusted prices end; give a file that shares some "
            "days with it, or import the whole history again."
        )


def respelt(raw: RawBars, table: SymbolTable, held: Set[str], where: str) -> tuple[RawBars, tuple[Finding, ...]]:
    """Bars whose symbols are spelt, or told by ids, as those of a store; see ``symbols.as_stored``.

    Parameters
    ----------
    held : symbols, or ids, in the store.

    Raises
    ------
    DataError
        The store tells assets by permanent ids, and the file names one of which it has none.
    """
    frame, changed = as_stored(raw.frame, table, held, where)
    meaning = "symbols that the store spells otherwise, or knows by a permanent id"
    found = (noted("symbol_spelling", meaning, "repair", changed),) if changed else ()
    return replace(raw, frame=frame), found


def without_dropped(raw: RawBars, reports: Sequence[QualityReport]) -> tuple[RawBars, tuple[Finding, ...]]:
    """The bars of assets that no check dropped since the last import, and a finding on the others.

    Raises
    ------
    DataError
        None is left.
    """
    dropped = {symbol for report in reports for found in report.findings for symbol in found.dropped}
    gone = raw.frame["symbol"].isin(dropped)
    if not gone.any():
        return raw, ()
    counts = raw.frame.loc[gone, "symbol"].value_counts().sort_index()
    if gone.all():
        names = ", ".join(counts.index[:5])
        raise DataError(f"all rows are of assets that an import dropped ({names}); import the whole history again.")
    finding = Finding(
        check="dropped_before",
        meaning="rows of assets that a check dropped in an earlier import or append",
        treatment="drop_row",
        n_flagged=int(gone.sum()),
        n_changed=int(gone.sum()),
        n_assets=len(counts),
        examples=tuple(f"{symbol} stays out" for symbol in counts.index[:6]),
        worst={str(symbol): int(count) for symbol, count in counts.head(20).items()},
    )
    return replace(raw, frame=raw.frame[~gone].reset_index(drop=True)), (finding,)
