"""The accounts of a replay as the result of a unit: every day and every holding, to the last bit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from quantray.analytics.track import Delistings, TrackRecord
from quantray.arrays import Float, Int, Names
from quantray.errors import DataError, first_line
from quantray.research.results import Layout, ResultStore
from quantray.studies.portfolios.risk.overlay import OverlayUse
from quantray.studies.portfolios.risk.settings import overlay_name

__all__ = ["RECORDS", "Replayed", "read_replayed", "write_replayed"]

_SERIES = ("nav", "cash", "pnl", "dividends", "interest", "unfilled")
_GRIDS = ("weights", "trades", "costs")

RECORDS = Layout(
    pa.schema(
        [
            ("date", pa.date32()),
            *((name, pa.float64()) for name in _SERIES),
            *((name, pa.large_list(pa.float64())) for name in _GRIDS),
        ]
    )
)
"""A row for each day, one record after the other. Lists are of the names that a record ever held or traded; those of
trades and costs are empty on days without."""


@dataclass(frozen=True, eq=False)
class Replayed:
    """What became of an allocator's decisions."""

    records: tuple[TrackRecord, ...]
    """The portfolio, and with an overlay where the study has one."""
    note: str = ""
    """What is to be said of the decisions."""
    use: OverlayUse | None = None


@dataclass(frozen=True)
class _Record:
    """What of a record is no series."""

    days: int
    held: tuple[str, ...]
    """The names of its lists."""
    periods_per_year: int
    delistings: Delistings


_ABOUT = TypeAdapter(tuple[_Record, ...])
_USE = TypeAdapter(OverlayUse | None)


def write_replayed(results: ResultStore, key: str, made: Replayed, notes: Mapping[str, str]) -> None:
    """Keep it under a key, whatever the allocator is called, with further notes.

    Raises
    ------
    DataError
        As ``ResultStore.put``.
    """
    tables, about = [], []
    for record in made.records:
        held = np.flatnonzero((record.weights != 0).any(axis=0) | (record.trades != 0).any(axis=0))
        tables.append(_table(record, held))
        names = tuple(record.assets[held].tolist())
        about.append(_Record(len(record.dates), names, record.periods_per_year, record.delistings))
    told = {"records": _ABOUT.dump_json(tuple(about)), "use": _USE.dump_json(made.use)}
    said = {name: text.decode() for name, text in told.items()} | {"note": made.note}
    results.put(key, pa.concat_tables(tables), {**notes, **said})


def read_replayed(results: ResultStore, key: str, name: str, assets: Names) -> Replayed:
    """What is kept under a key, of an allocator of some name.

    Parameters
    ----------
    assets : (N,) of the panel.

    Raises
    ------
    DataError
        As ``ResultStore.get``, or the result holds no accounts of these names.
    """
    table = results.get(key, RECORDS)
    try:
        notes = results.notes(key, table)
        about, use = _ABOUT.validate_json(notes["records"]), _USE.validate_json(notes["use"])
        if (days := sum(each.days for each in about)) != table.num_rows:
            raise ValueError(f"{days} days in {table.num_rows} rows")
        starts = accumulate((each.days for each in about), initial=0)
        records = tuple(
            _record(table.slice(start, each.days), each, called, assets)
            for start, each, called in zip(starts, about, (name, overlay_name(name)), strict=False)
        )
        return Replayed(records, notes["note"], None if use is None else replace(use, name=name))
    except (KeyError, ValueError) as error:
        raise DataError(
            f"result {results.path(key)} holds no accounts of this study ({first_line(error)}); delete it and run the "
            "study again."
        ) from error


def _table(record: TrackRecord, held: Int) -> pa.Table:
    rows, traded = np.arange(len(record.dates)), np.searchsorted(record.dates, record.trade_dates)
    columns = {"date": pa.array(record.dates)} | {name: getattr(record, name) for name in _SERIES}
    for name in _GRIDS:
        columns[name] = _lists(getattr(record, name)[:, held], rows if name == "weights" else traded, len(rows))
    return pa.table(columns, schema=RECORDS.schema)


def _lists(values: Float, rows: Int, n_days: int) -> pa.LargeListArray:
    """Values of some rows as the lists of all."""
    lengths = np.zeros(n_days + 1, dtype=np.int64)
    lengths[rows + 1] = values.shape[1]
    return pa.LargeListArray.from_arrays(np.cumsum(lengths), pa.array(values.ravel()))


def _record(table: pa.Table, about: _Record, name: str, assets: Names) -> TrackRecord:
    dates = table["date"].to_numpy().astype("datetime64[D]")
    place = {asset: column for column, asset in enumerate(assets.tolist())}
    columns = [place[asset] for asset in about.held]
    grids, traded = {}, np.zeros(len(dates), dtype=np.bool_)
    for grid in _GRIDS:
        lists = table[grid].combine_chunks()
        traded = np.diff(lists.offsets.to_numpy()) > 0
        values = lists.flatten().to_numpy().reshape(-1, max(len(columns), 1))
        grids[grid] = np.zeros((len(dates) if grid == "weights" else int(traded.sum()), len(assets)))
        grids[grid][:, columns] = values if columns else np.empty((len(grids[grid]), 0))
    return TrackRecord(
        name=name,
        dates=dates,
        assets=assets,
        holding_dates=dates,
        trade_dates=dates[traded],
        periods_per_year=about.periods_per_year,
        delistings=about.delistings,
        **{series: table[series].to_numpy() for series in _SERIES},
        **grids,
    )
