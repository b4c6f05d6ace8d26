"""Tables of gains: what they say, and that they go into files as they are."""

import json

import pyarrow.parquet as pq
import pytest
from lot_days import booked, bought, covered, day, shorted, sold

from quantray.errors import InputError
from quantray.institution.lots.events import TaxAccount
from quantray.institution.lots.report import gains, summary, unrealised

UNIT = 10_000
ACCOUNTS = [TaxAccount(id="A", taxpayer="one"), TaxAccount(id="B", taxpayer="one", kind="ira")]


@pytest.fixture
def book():
    return booked(
        bought("a", "2022-01-03", 10, 100),
        bought("b", "2023-11-01", 10, 200),
        bought("i", "2023-11-02", 10, 200, account="B"),
        sold("s", "2023-12-20", 15, 225),
        sold("j", "2023-12-21", 5, 90, account="B"),
        bought("c", "2024-01-05", 2, 30),
        shorted("d", "2024-02-01", 5, 50, symbol="N"),
        covered("e", "2024-02-02", 4, 32, symbol="N"),
        accounts=ACCOUNTS,
    )


def test_lines_have_the_columns_of_the_form(book):
    rows = gains(book, year=2023).to_pylist()
    assert [(r["lot"], r["term"], r["proceeds"] // UNIT, r["basis"] // UNIT, r["code"]) for r in rows] == [
        ("a", "long", 150, 100, ""),
        ("b", "short", 75, 100, "W"),
    ]
    # January's purchase carries the loss on two of five shares.
    assert (rows[1]["adjustment"], rows[1]["gain"], rows[1]["lost"]) == (10 * UNIT, -15 * UNIT, 0)
    assert gains(book, taxpayer="two").num_rows == 0


def test_sums_by_year_and_term(book):
    rows = summary(book).to_pylist()
    assert [(r["account"], r["year"], r["term"], r["lines"], r["gain"] // UNIT) for r in rows] == [
        ("A", 2023, "long", 1, 50),
        ("A", 2023, "short", 1, -15),
        ("A", 2024, "short", 1, 8),
    ]
    assert summary(book, year=2024).to_pylist() == rows[2:]
    assert summary(booked()).num_rows == 0


def test_what_is_open(book):
    rows = unrealised(book, {"M": 30 * UNIT, "N": 9 * UNIT}, day=day("2024-12-31"), account="A").to_pylist()
    assert [(r["symbol"], r["lot"], r["shares"], r["term"], r["gain"] // UNIT) for r in rows] == [
        ("M", "b", 5, "long", 50),
        ("M", "c+s.2", 2, "long", 20),
        ("N", "d", -1, "short", 1),
    ]
    with pytest.raises(InputError, match="N is held and has no price of 2024-12-31"):
        unrealised(book, {"M": 1}, day=day("2024-12-31"))


def test_tables_go_into_files(book, tmp_path):
    table = gains(book)
    pq.write_table(table, tmp_path / "gains.parquet")
    assert pq.read_table(tmp_path / "gains.parquet").equals(table)
    assert json.loads(json.dumps(table.to_pylist(), default=str))[0]["sold"] == "2023-12-20"
