"""The commands on data: imports, checks and stores, and their mistakes in one line."""

import numpy as np
import pandas as pd
import pytest
from command_line import quantray, refused

from quantray.data.calendar import trading_days


def test_import_check_info_and_append(bars_file, imported_store):
    assert "rows read" in quantray("data", "check", "--store", imported_store, cwd=bars_file.parent).stdout
    assert "import" in quantray("data", "info", "--store", imported_store, cwd=bars_file.parent).stdout
    again = quantray("data", "import", bars_file, "--append", "--store", imported_store, cwd=bars_file.parent)
    assert again.returncode == 0
    assert "nothing written" in again.stdout


def test_check_of_a_file_writes_nothing(bars_file, tmp_path):
    frame = pd.read_csv(bars_file)
    frame.loc[5, "open"] = 0.0
    frame.to_csv(tmp_path / "dirty.csv", index=False)
    done = quantray("data", "check", "dirty.csv", cwd=tmp_path)
    assert done.returncode == 0
    assert "non_positive_price" in done.stdout
    assert "1 open" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["dirty.csv"]


def test_simulate_fills_a_store(tmp_path):
    done = quantray("data", "simulate", "--store", "m", "--assets", 5, "--days", 300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "version 0" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ("bars.csv is empty",)),
        ("date,symbol,close\n", ("bars.csv is empty",)),
        ("date,symbol,close\n2024-01-02,A,10\n2024-01-03,A,ten\n", ("row 3", "close", "'ten' is not a number")),
        ("date,symbol,close\n2024-01-02,A,10\nlast week,A,11\n", ("row 3", "date", "'last week' is not a date")),
        ("day,ticker,amount\n2024-01-02,A,10\n", ("bars.csv", "none of open, high, low, close")),
        ("symbol,close\nA,10\n", ("no date column",)),
        ("date,symbol,close\n2024-01-02,A,-10\n2024-01-03,A,0\n", ("no bar is left",)),
    ],
)
def test_bad_files_are_refused(tmp_path, content, words):
    (tmp_path / "bars.csv").write_text(content)
    refused(quantray("data", "import", "bars.csv", "--store", "m", cwd=tmp_path), 1, *words)
    assert not (tmp_path / "m").exists()


def test_a_failed_import_keeps_the_store(bars_file, imported_store):
    (bars_file.parent / "bad.csv").write_text("date,symbol,close\n2024-01-02,A,x\n")
    before = quantray("data", "info", "--store", imported_store, cwd=bars_file.parent).stdout
    refused(quantray("data", "import", "bad.csv", "--store", imported_store, cwd=bars_file.parent), 1, "row 2")
    assert quantray("data", "info", "--store", imported_store, cwd=bars_file.parent).stdout == before


def test_an_import_says_what_it_understood(tmp_path):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.005, 200)))
    days = pd.DatetimeIndex(trading_days("2021-01-04", "2021-12-31")[:200]).strftime("%Y-%m-%d 00:00:00-05:00")
    paid = np.where(np.arange(200) % 50 == 30, 1.0, 0.0)
    frame = pd.DataFrame({"Date": days, "Open": close, "High": close, "Low": close, "Close": close, "Volume": 1000})
    frame.assign(**{"Dividends": paid, "Stock Splits": 0.0, "Note": "x"}).to_csv(tmp_path / "KO.csv", index=False)
    done = quantray("data", "import", "KO.csv", "--missing", "?", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "read as yfinance, prices adjusted for splits and dividends, as that format states" in done.stdout
    assert "ignored: Note" in done.stdout
    assert "dividends: 4 of 4 listed are in the prices already" in done.stdout
    stated = quantray("data", "check", "KO.csv", "--adjusted", "splits", cwd=tmp_path)
    assert "4 dividends beside them" in stated.stdout
    # Also over a format that is named, whose maker says otherwise.
    over = quantray("data", "check", "KO.csv", "--format", "yfinance", "--adjusted", "none", cwd=tmp_path)
    assert "4 dividends beside them" in over.stdout
    assert "read as yfinance, prices as traded, as --adjusted says" in over.stdout


def test_what_was_restated_goes_to_a_file_or_is_refused_in_a_line(imported_store, tmp_path):
    assert quantray("data", "restated", "--store", imported_store, "--output", "all.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "all.csv").read_text().startswith("symbol,field,kind,first,last,cells")
    (tmp_path / "file").touch()
    done = quantray(
        "data", "restated", "--store", imported_store, "--output", tmp_path / "file" / "x.csv", cwd=tmp_path
    )
    refused(done, 1, "choose another folder")


def test_verify_looks_at_every_byte(bars_file, tmp_path):
    assert quantray("data", "import", bars_file, "--store", "market", cwd=tmp_path).returncode == 0
    done = quantray("data", "verify", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "market: every byte is as it was written; versions: 1, files: 2\n")
    (tmp_path / "market" / "left.parquet").write_bytes(b"")
    assert quantray("data", "verify", cwd=tmp_path).stdout.endswith("if nothing is writing now: left.parquet\n")
    (tmp_path / "market" / "left.parquet").unlink()
    victim = min((tmp_path / "market").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-1])
    done = quantray("data", "verify", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"market: {victim.name} (20")
    assert "is damaged" in done.stdout
    refused(quantray("data", "info", cwd=tmp_path), 1, victim.name, "is damaged", "write it anew")
