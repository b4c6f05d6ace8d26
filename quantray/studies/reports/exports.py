"""Finished runs for other programs: all tables as CSV or Parquet, or what QuantStats and pyfolio take."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from quantray.analytics.track import TrackRecord
from quantray.arrays import Dates, Float
from quantray.errors import InputError
from quantray.printable import csv_text
from quantray.research.folder import Run, finished, read_metrics, read_run, written_file
from quantray.settings import nearest
from quantray.storage.files import write_atomically
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.reports.inputs import check_among, run_table

__all__ = ["EXPORTS", "Exported", "export_run"]

EXPORTS = ("csv", "parquet", "quantstats", "pyfolio")

_OF_STREAMS = {"combination": "", "sweep": "", "institutional": ", net"}
"""Kind -> how the names of its returns end in the table of streams."""
_NO_RETURNS = (", turnover", ", costs")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    reading: str
    """A line of Python that reads it, run in the folder."""


def export_run(folder: Path, to: str, out: Path | None = None, *, portfolios: Sequence[str] = ()) -> Exported:
    """Write what a finished run found for other programs.

    ``csv`` and ``parquet`` hold every table of the run, its metrics, the net returns of its portfolios side by side,
    and forecasts by model. ``quantstats`` holds the returns alone. ``pyfolio`` has for each portfolio its returns, its
    positions in money and its transactions on days of trades; a transaction's amount is money at a price of one.

    Parameters
    ----------
    to : one of ``EXPORTS``.
    out : folder to write; by default one in the run folder.
    portfolios : names of some; by default all.

    Raises
    ------
    DataError
        The run has not finished, or a file of it is missing or damaged.
    InputError
        The format is unknown, or the run holds no returns, no positions or no such portfolio.
    """
    if to not in EXPORTS:
        raise InputError(
            f"format {to!r} is unknown;{nearest(to, EXPORTS)} take {', '.join(EXPORTS)}, or mlflow with a model."
        )
    run = read_run(folder)
    finished(run)
    place = folder / "export" / to if out is None else out
    if to == "pyfolio":
        tables, reading = _for_pyfolio(run, portfolios)
    else:
        returns = _returns(run, portfolios)
        if to == "quantstats" and returns is None:
            raise InputError(f"{folder} is of kind {run.kind} and holds no returns; export it to csv or parquet.")
        tables = {} if returns is None else {"returns": returns}
        tables |= {} if to == "quantstats" else dict(_all_tables(run))
        first = "" if returns is None else returns.column_names[1]
        reading = f'qs.reports.html({_READ.format("returns.csv")}[{json.dumps(first)}], output="report.html")'
        reading = reading if to == "quantstats" else f"pandas.read_{to}({json.dumps(f'{next(iter(tables))}.{to}')})"
    ending = "parquet" if to == "parquet" else "csv"
    for name, table in tables.items():
        write_atomically(place / f"{name}.{ending}", _parquet(table) if to == "parquet" else _csv(table))
    return Exported(place, tuple(f"{name}.{ending}" for name in tables), reading)


_READ = 'pandas.read_csv("{}", index_col=0, parse_dates=True)'


def _all_tables(run: Run) -> Iterator[tuple[str, pa.Table]]:
    metrics = read_metrics(run)
    names = sorted({name for of_one in metrics.values() for name in of_one})
    columns = {name: [of_one.get(name) for of_one in metrics.values()] for name in names}
    yield "metrics", pa.table({"name": list(metrics), **columns})
    for name in finished(run).files:
        if name.endswith(".parquet"):
            yield name.removesuffix(".parquet"), run_table(run, name.removesuffix(".parquet"))
    if "forecasts.json" in finished(run).files:
        kept = json.loads(written_file(run.folder, finished(run), "forecasts.json"))
        for model, version in kept["versions"].items():
            found = ForecastStore(kept["store"]).load(model, version=version)
            row, column = np.nonzero(~np.isnan(found.values))
            symbols = pa.array(found.assets[column].tolist(), pa.string())
            scores = {"date": found.dates[row], "symbol": symbols, "score": found.values[row, column]}
            yield f"forecasts/{model}", pa.table(scores)


def _returns(run: Run, portfolios: Sequence[str]) -> pa.Table | None:
    """Dates, and the net returns of each portfolio; none where a run has no portfolios."""
    if records := _records(run):
        known = {record.name: record.returns for record in records}
        dates = records[0].dates[1:]
    elif run.kind in _OF_STREAMS:
        streams, ending = run_table(run, "streams"), _OF_STREAMS[run.kind]
        floats = [f.name for f in streams.schema if pa.types.is_floating(f.type) and f.name.endswith(ending)]
        named = [name for name in floats if not name.endswith(_NO_RETURNS)]
        known = {name.removesuffix(ending): streams[name].to_numpy() for name in named}
        dates = streams["date"].to_numpy()
    else:
        return None
    return _side_by_side(dates, known, portfolios)


def _side_by_side(dates: Dates, known: dict[str, Float], portfolios: Sequence[str]) -> pa.Table:
    for name in portfolios:
        check_among(name, list(known))
    days = pa.array(dates.astype("datetime64[D]"))
    return pa.table({"date": days, **{name: known[name] for name in portfolios or known}})


def _records(run: Run) -> list[TrackRecord]:
    """The accounts of a run's portfolios, as they were written."""
    about = finished(run)
    held = [
        name.split("/")[1] for name in about.files if name.startswith("tracks/") and name.endswith("accounts.parquet")
    ]
    for name in held:
        for part in ("accounts", "holdings"):
            written_file(run.folder, about, f"tracks/{name}/{part}.parquet")
    return [TrackRecord.read(run.folder / "tracks" / name) for name in held]


def _for_pyfolio(run: Run, portfolios: Sequence[str]) -> tuple[dict[str, pa.Table], str]:
    records = {record.name: record for record in _records(run)}
    if not records:
        raise InputError(
            f"{run.folder} is of kind {run.kind} and holds no positions; pyfolio takes runs of portfolios."
        )
    for name in portfolios:
        check_among(name, list(records))
    tables = {}
    for name in portfolios or records:
        record = records[name]
        tables[f"{name}/returns"] = _side_by_side(record.dates[1:], {name: record.returns}, ())
        tables[f"{name}/positions"] = _positions(record)
        tables[f"{name}/transactions"] = _transactions(record)
    first = next(iter(portfolios or records))
    read = {part: _READ.format(f"{first}/{part}.csv") for part in ("returns", "positions", "transactions")}
    others = f"positions={read['positions']}, transactions={read['transactions']}"
    reading = f'pyfolio.create_full_tear_sheet({read["returns"]}.squeeze("columns"), {others})'
    return {name: _in_utc(table) for name, table in tables.items()}, reading


def _in_utc(table: pa.Table) -> pa.Table:
    """In one time zone: the times of transactions are converted, and joined with the days of all else."""
    return table.set_column(0, "date", table["date"].cast(pa.timestamp("s")).cast(pa.timestamp("s", "UTC")))


def _positions(record: TrackRecord) -> pa.Table:
    """Money in each name and in cash at the closes of days of trades."""
    rows = np.searchsorted(record.dates, record.holding_dates)
    money = record.weights * record.nav[rows, None]
    held = {str(asset): money[:, place] for place, asset in enumerate(record.assets)}
    return pa.table({"date": pa.array(record.holding_dates), **held, "cash": record.cash[rows]})


def _transactions(record: TrackRecord) -> pa.Table:
    row, column = np.nonzero(record.trades)
    symbols = pa.array(record.assets[column].tolist(), pa.string())
    return pa.table(
        {
            "date": pa.array(record.trade_dates[row]),
            "symbol": symbols,
            "amount": record.trades[row, column],
            "price": np.ones(len(row)),
            "commission": record.costs[row, column],
        }
    )


def _csv(table: pa.Table) -> bytes:
    """With texts and titles that spreadsheets take for texts."""
    columns = {csv_text(title): _told(table[title]) for title in table.column_names}
    sink = io.BytesIO()
    csv.write_csv(pa.table(columns), sink)
    return sink.getvalue()


def _told(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    return pa.array([None if text is None else csv_text(text) for text in column.to_pylist()], pa.string())


def _parquet(table: pa.Table) -> bytes:
    """Without what quantray notes for itself."""
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), sink)
    return sink.getvalue()
