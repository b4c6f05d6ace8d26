"""Bars in versions on Delta Lake: atomic imports and daily appends, and panels of any version."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import BaseModel, ValidationError

from quantray.arrays import TRADING_DAYS, as_day
from quantray.data import appending, restatements
from quantray.data.blocks import in_blocks
from quantray.data.calendar import periods_per_year
from quantray.data.loading import ADJUSTED, adjusted_panel
from quantray.data.panel import Panel
from quantray.data.quality.examining import examine, examine_blocks
from quantray.data.quality.findings import QualityReport
from quantray.data.quality.treatment import QualitySettings
from quantray.data.rows import SCHEMA, by_year, table_of, with_stored_fields, within
from quantray.data.symbols import NO_IDS, SymbolTable
from quantray.data.universe import Everything, Universe
from quantray.data.vendors.formats import Format
from quantray.data.vendors.importing import RawBars, read_bars
from quantray.errors import DataError, InputError
from quantray.printable import masked
from quantray.storage.entries import Snapshot
from quantray.storage.versions import OvertakenError, Verification, VersionedTable

__all__ = ["MarketStore", "Version"]

_CONTEXT_DAYS = 100
"""Calendar days before an append that its quality checks see: enough for every check's look-back."""

_ATTEMPTS = 20
"""Of an append while others write."""


@dataclass(frozen=True)
class Version:
    """One committed state of a store."""

    number: int
    time: datetime
    operation: str
    """``import`` or ``append``."""
    first: str
    last: str
    n_rows: int
    """Rows that the commit wrote."""


class _Commit(BaseModel):
    """What a commit says of itself."""

    operation: Literal["import", "append"]
    quality: QualityReport


class MarketStore:
    """Daily bars under a folder or an object-store address, versioned and safe for concurrent readers.

    Parameters
    ----------
    uri : a local folder, or an address such as ``s3://bucket/market``.
    storage_options : credentials and the like for object stores, as ``deltalake`` takes them.
    """

    def __init__(self, uri: str | Path, *, storage_options: Mapping[str, str] | None = None) -> None:
        self.uri = str(uri)
        remedies = f"run `quantray data import FILE --store {uri}`", "import bars into an empty folder"
        self._table = VersionedTable(
            self.uri, kind="market store", schema=SCHEMA, remedies=remedies, storage_options=storage_options
        )

    def __repr__(self) -> str:
        return f"MarketStore({masked(self.uri)!r})"

    def import_bars(
        self,
        source: str | Path | RawBars,
        *,
        settings: QualitySettings | None = None,
        form: Format | None = None,
    ) -> QualityReport:
        """Check and treat the bars of files and make them the store's whole content, in one commit.

        If anything fails, the store keeps its previous version.

        Parameters
        ----------
        source : a file or folder as ``importing.read_bars`` takes it, or bars that it returned.
        settings : thresholds and treatments of the quality checks.
        form : what the files look like; see ``read_bars``.

        Raises
        ------
        DataError
            The files cannot be read, a check refuses them, or the store cannot be written.
        """
        if isinstance(source, RawBars):
            blocks, report = examine_blocks(source, settings)
        else:
            blocks, report = examine_blocks(read_bars(source, form), settings, lent=False)
        base = self._table.snapshot() if self._table.exists() else None
        self._table.write(by_year(blocks), _about("import", report), base=base, whole=True)
        return report

    def append(
        self,
        source: str | Path | RawBars,
        *,
        settings: QualitySettings | None = None,
        form: Format | None = None,
    ) -> QualityReport | None:
        """Add or replace rows by (date, symbol), in one commit; None when the store already holds them all.

        Stored bars around the new ones give the checks their context and are not written again. Where the days in
        common show prices of another basis of splits or dividends, the new bars are made to go on from the stored ones;
        see ``overlap.join``. What a check dropped from a date on stays out; a new import brings it back.

        Raises
        ------
        DataError
            As in ``import_bars``, or there is no store yet, another writer changed the same days meanwhile, the
            calendar is not the store's, the days in common tell of another series, or all rows are of assets that were
            dropped.
        """
        raw = source if isinstance(source, RawBars) else read_bars(source, form)
        for _ in range(_ATTEMPTS):
            try:
                return self._append(raw, settings)
            except OvertakenError as error:
                overtaken = error
        raise overtaken

    def _append(self, raw: RawBars, settings: QualitySettings | None) -> QualityReport | None:
        base, reports = self._table.snapshot(), self.quality_reports()
        n_read = len(raw.frame)
        settings = appending.agreed(settings, reports[-1], self.uri)
        appending.refuse_earlier(raw, reports, self.uri)
        raw, respelled = appending.respelt(raw, self.symbols(), self._names(), self.uri)
        raw, left_out = appending.without_dropped(raw, reports)
        first, last = raw.frame["date"].min(), raw.frame["date"].max()
        around = self._rows(base, first - timedelta(days=_CONTEXT_DAYS), last)
        bars, report = examine(raw, settings, context=around)
        report = report.model_copy(
            update={"n_rows_read": n_read, "findings": (*respelled, *left_out, *report.findings)}
        )
        old = self._rows(base, first, last)
        bars = with_stored_fields(bars, old)
        new = pd.concat([old, bars[[c for c in bars if c in old]]], ignore_index=True).drop_duplicates(
            ["date", "symbol"], keep="last"
        )
        new = new.sort_values(["date", "symbol"], ignore_index=True)
        kept = old.sort_values(["date", "symbol"], ignore_index=True)
        if new.equals(kept):
            return None
        same = len(new.merge(kept, how="inner"))
        report = report.model_copy(update={"n_rows_replaced": len(kept) - same})
        around = self._rows(base, f"{first.year}-01-01", f"{last.year}-12-31")
        others = around[(around["date"] < first) | (around["date"] > last)]
        self._table.write(by_year(in_blocks(pd.concat([others, new]))), _about("append", report), base=base)
        return report

    def load(
        self,
        universe: Universe | None = None,
        start: object = None,
        end: object = None,
        fields: Sequence[str] | None = None,
        version: int | None = None,
        as_known: bool = False,
        *,
        absent: Literal["refuse", "leave out"] = "refuse",
    ) -> Panel:
        """The total-return-adjusted panel of a universe; see ``adjustment.total_return`` for the fields.

        Assets that are never members between ``start`` and ``end`` are left out; members keep all their bars.

        Parameters
        ----------
        universe : whose membership to mark; by default every asset with a close.
        start, end : first and last date, both included; by default all there is.
        fields : which of open, high, low, close, volume, dividend_yield and delist_return; by default those that the
            data has.
        version : a version number; by default the latest.
        as_known : every bar as it was when the store first held it, not as it was corrected since.
        absent : what to do about named fields that the data has not.

        Raises
        ------
        DataError
            No store, no such version or field, or no bars or members in that span.
        InputError
            The start is after the end.
        """
        chosen = universe or Everything()
        wanted = _wanted(fields)
        first = None if start is None else as_day(start)
        last = None if end is None else as_day(end)
        if first is not None and last is not None and first > last:
            raise InputError(f"start {first} is after end {last}.")
        periods = self._periods_per_year(version)
        # 1.5 calendar days hold a trading day with room for holidays; of weekly bars, a week and a few hours hold one.
        room = int(chosen.warm_up_days * 1.5 * TRADING_DAYS / periods) + 10
        early = None if first is None else first - np.timedelta64(room, "D")
        span = f"{first or 'the first day'} and {last or 'the last day'}"
        rows = self._source(version, early, last, as_known=as_known)
        panel = adjusted_panel(rows, [*wanted, *chosen.fields])
        if panel is None:
            raise DataError(f"{self.uri} holds no bars between {span}; `quantray data info` shows its span.")
        names = self.symbols(version)
        panel = replace(panel, assets=names.shown(panel.assets))
        panel = panel.with_member(chosen.among(names).membership(panel))
        panel = panel.between(first or panel.dates[0], last or panel.dates[-1])
        ever = panel.member.any(axis=0)
        if not ever.any():
            raise DataError(
                f"the universe selects nothing from {panel.shape[1]} assets between {span}; a band of ranks needs "
                "volumes and as many names as its first rank: try another, as --set 'data.universe={band: [1, 100]}'."
            )
        panel = panel if ever.all() else panel.select(panel.assets[ever])
        held = {name: values for name, values in panel.fields.items() if not np.isnan(values).all()}
        lacking = [name for name in wanted if name not in held and name != "dividend_yield"]
        if lacking and fields is not None and absent == "refuse":
            raise DataError(f"{self.uri} has no {lacking[0]}; it has {', '.join(held)}.")
        return replace(panel, fields={n: v for n, v in held.items() if n in wanted}, periods_per_year=periods)

    def _source(
        self, version: int | None, first: np.datetime64 | None, last: np.datetime64 | None, *, as_known: bool
    ) -> Callable[[Sequence[str]], Iterator[pa.Table]]:
        """Rows of a version by their columns, part by part."""
        if not as_known:
            found = self._table.snapshot(version)
            return lambda columns: self._tables(found, first, last, columns)
        known = restatements.as_known(self, version=version)
        known = known[within(known["date"], first, last)]
        return lambda columns: iter((table_of(known, columns),))

    def bars(self, first: object = None, last: object = None, *, version: int | None = None) -> pd.DataFrame:
        """Rows of (date, symbol, ticker, fields...) as they are stored, from ``first`` to ``last``, both included.

        Raises
        ------
        DataError
            No store, or no such version.
        """
        return self._rows(self._table.snapshot(version), first, last)

    def symbols(self, version: int | None = None) -> SymbolTable:
        """Which symbol each permanent id had when; empty where the data have no ids.

        Raises
        ------
        DataError
            No store, or no such version.
        """
        if not any(report.identified for report in self.quality_reports(version)):
            return NO_IDS
        found = self._table.snapshot(version)
        return SymbolTable.of(self._rows(found, None, None, ["date", "symbol", "ticker"]))

    def version(self) -> int:
        """The number of the latest version."""
        return self._table.snapshot().number

    def n_rows(self, version: int | None = None) -> int:
        """Rows of a version, by default the latest; raises as ``bars``."""
        return self._table.snapshot(version).n_rows

    def verify(self) -> Verification:
        """Look at every byte of every version; raises as ``version``."""
        return self._table.verify()

    def versions(self) -> tuple[Version, ...]:
        """All committed versions, oldest first."""
        return tuple(version for version, _ in self._commits())

    def quality_reports(self, version: int | None = None) -> tuple[QualityReport, ...]:
        """The report of the last import and those of the appends since then, in this order.

        Parameters
        ----------
        version : the last one that counts; by default the latest.

        Raises
        ------
        DataError
            No store or no such version.
        """
        self._table.snapshot(version)
        commits = [(entry, report) for entry, report in self._commits() if version is None or entry.number <= version]
        starts = [i for i, (version, _) in enumerate(commits) if version.operation == "import"]
        return tuple(report for _, report in commits[starts[-1] :])

    def _periods_per_year(self, version: int | None) -> int:
        """From the calendar that the last import was checked against."""
        imported = self.quality_reports(version)[0]
        return periods_per_year(imported.exchange, bars=imported.bars)

    def _commits(self) -> list[tuple[Version, QualityReport]]:
        commits = []
        for entry in self._table.snapshots():
            try:
                about = _Commit.model_validate(entry.notes)
            except ValidationError as error:
                raise DataError(
                    f"{self.uri}: what version {entry.number} says of itself is no import's; import the bars anew."
                ) from error
            report = about.quality
            version = Version(entry.number, entry.time, about.operation, report.first, report.last, report.n_rows_kept)
            commits.append((version, report))
        return commits

    def _names(self) -> set[str]:
        """All symbols, or ids, of the latest version."""
        tables = self._table.read(self._table.snapshot(), ["symbol"])
        return {str(name) for table in tables for name in table["symbol"].unique().to_pylist()}

    def _rows(
        self, version: Snapshot, first: object, last: object, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        chosen = list(columns or SCHEMA.names)
        tables = list(self._tables(version, first, last, chosen))
        empty = SCHEMA.empty_table().select(chosen)
        table = pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
        frame: pd.DataFrame = table.to_pandas(date_as_object=False)
        return frame.assign(date=frame["date"].astype("datetime64[s]"))

    def _tables(self, version: Snapshot, first: object, last: object, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows from ``first`` to ``last``, both included, year by year."""
        keep: ds.Expression | None = None
        low, high = "0000", "9999"
        if first is not None:
            keep = ds.field("date") >= pa.scalar(as_day(first).item(), pa.date32())
            low = str(as_day(first))[:4]
        if last is not None:
            until = ds.field("date") <= pa.scalar(as_day(last).item(), pa.date32())
            keep = until if keep is None else keep & until
            high = str(as_day(last))[:4]
        return self._table.read(version, columns, parts=lambda year: low <= year <= high, keep=keep)


def _about(operation: Literal["import", "append"], report: QualityReport) -> dict[str, object]:
    return _Commit(operation=operation, quality=report).model_dump(mode="json")


def _wanted(fields: Sequence[str] | None) -> list[str]:
    """Fields of a panel that were asked for, by default all."""
    wanted = list(ADJUSTED if fields is None else fields)
    if unknown := [name for name in wanted if name not in ADJUSTED]:
        raise DataError(f"field {unknown[0]!r} is not one of {', '.join(ADJUSTED)}.")
    return wanted
