"""Runs for other programs, read back as these do."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_portfolios import kept, settings_in

from quantray.analytics.track import TrackRecord
from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.reports.exports import EXPORTS, export_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    source = load_portfolios(settings_in(tmp_path_factory.mktemp("runs")))
    return kept(source, run_portfolios(source, Serial()))


def series(path):
    return pd.read_csv(path, index_col=0, parse_dates=True)


def test_returns_are_those_of_the_accounts(run):
    written = export_run(run, "quantstats")
    assert written.files == ("returns.csv",)
    assert written.reading.startswith('qs.reports.html(pandas.read_csv("returns.csv"')
    returns = series(written.folder / "returns.csv")
    for name in returns:
        record = TrackRecord.read(run / "tracks" / name)
        assert_array_equal(returns[name], record.returns)
        assert_array_equal(returns.index.to_numpy().astype("datetime64[D]"), record.dates[1:])


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_every_table_of_the_run_is_there(run, to, tmp_path):
    written = export_run(run, to, tmp_path / "out")
    tables = {name.removesuffix(".parquet") for name in read_run(run).about.files if name.endswith(".parquet")}
    assert {name.removesuffix(f".{to}") for name in written.files} == tables | {"returns", "metrics"}
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}[to]
    record = TrackRecord.read(run / "tracks" / "HRP")
    accounts, metrics = (read(tmp_path / "out" / f"{name}.{to}") for name in ("tracks/HRP/accounts", "metrics"))
    assert_array_equal(accounts["nav"], record.nav)
    said = json.loads((run / "metrics.json").read_text())
    assert_array_equal(metrics.set_index("name").loc["HRP", "sharpe"], said["HRP"]["sharpe"])


def test_pyfolio_gets_positions_that_add_up_to_the_nav(run):
    written = export_run(run, "pyfolio", portfolios=["HRP"])
    assert written.files == ("HRP/returns.csv", "HRP/positions.csv", "HRP/transactions.csv")
    record = TrackRecord.read(run / "tracks" / "HRP")
    positions = series(written.folder / "HRP" / "positions.csv")
    at = np.searchsorted(record.dates, record.trade_dates)
    assert_array_equal(positions.index, pd.DatetimeIndex(record.trade_dates).tz_localize("UTC"))
    assert_allclose(positions.sum(axis=1), record.nav[at], rtol=1e-12)
    transactions = series(written.folder / "HRP" / "transactions.csv")
    paid = (transactions["amount"] * transactions["price"]).groupby(level=0).sum()
    assert_allclose(paid, record.trades.sum(axis=1), atol=1e-12)
    assert_allclose(transactions["commission"].sum(), record.costs.sum())


def test_a_symbol_is_never_a_formula(run, monkeypatch):
    records = TrackRecord.read(run / "tracks" / "HRP")
    named = replace(records, assets=np.array([f"=A{i}" for i in range(len(records.assets))]))
    monkeypatch.setattr("quantray.studies.reports.exports._records", lambda _: [named])
    written = export_run(run, "pyfolio")
    assert "\n=" not in (written.folder / "HRP" / "transactions.csv").read_text()
    assert all(title.startswith("'=") for title in series(written.folder / "HRP" / "positions.csv").columns[:-1])


def test_what_a_run_does_not_hold_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=rf"format 'cvs' is unknown; did you mean 'csv'.*{', '.join(EXPORTS)}"):
        export_run(run, "cvs")
    for to in ("quantstats", "pyfolio"):
        with pytest.raises(InputError, match="no portfolio 'HPR'; did you mean 'HRP'"):
            export_run(run, to, portfolios=["HPR"])
    with pytest.raises(DataError, match="is not a run folder"):
        export_run(tmp_path, "csv")
