"""Values of users' own come to stand on the dates and names of a panel, or are refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.values import read_values
from quantray.errors import DataError

DATES = np.array(["2024-01-02", "2024-01-03", "2024-01-05"], dtype="datetime64[D]")
CLOSE = np.ones((3, 2))
PANEL = Panel(DATES, np.array(["A", "NA"]), {"close": CLOSE}, CLOSE > 0)
ROWS = pd.DataFrame(
    {
        "date": pd.to_datetime(["2024-01-03", "2024-01-02", "2024-01-04", "2024-01-05", "2024-01-02", "2024-01-05"]),
        "symbol": ["NA", "A", "A", "A", "B", "NA"],
        "value": [1.5, -2.0, 3.0, np.nan, 4.0, 0.0],
    }
)


def written(folder, rows, ending):
    path = folder / f"values.{ending}"
    if ending == "csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_values_stand_where_they_belong(tmp_path, ending):
    for rows in (ROWS, ROWS.assign(more="text")):
        found = read_values(written(tmp_path, rows, ending), PANEL)
        assert_array_equal(found.values, [[-2.0, np.nan], [np.nan, 1.5], [np.nan, 0.0]])
        assert (found.n_used, found.n_given) == (3, 5)


def test_an_index_counts_as_columns(tmp_path):
    path = tmp_path / "values.parquet"
    ROWS.set_index(["date", "symbol"]).to_parquet(path)
    assert read_values(path, PANEL).n_used == 3
    ROWS.set_index("date", drop=False).to_parquet(path)
    assert read_values(path, PANEL).n_used == 3


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            ROWS.rename(columns={"value": "score"}),
            "lacks value, it has date, symbol, score; write a CSV or Parquet file",
        ),
        (pd.concat([ROWS, ROWS.iloc[:1]]), "NA has two values on 2024-01-03; keep one"),
        (
            ROWS.assign(date=["2024-01-02", "20240102", *["2024-01-03"] * 4], symbol=["A", "A", *"CDEF"], value=1.0),
            "A has two values on 2024-01-02; keep one",
        ),
        (ROWS.assign(value=np.inf), "NA has an infinite value; leave unknown values empty"),
        (ROWS.assign(value="high"), "a value is no number"),
        (ROWS.assign(date="soon"), "a date cannot be read .*; write dates as 2024-01-31"),
        (ROWS.assign(date=ROWS["date"] + pd.Timedelta(hours=16)), "dates bear times; write the trading day"),
        (ROWS.assign(date=ROWS["date"].dt.tz_localize("UTC")), "dates bear a time zone; write the trading day"),
        (ROWS.assign(date=pd.NaT), "row 0 has no date"),
        (
            ROWS.assign(symbol="C"),
            r"says nothing of the panel: 5 values, from 2024-01-02 to .*, of symbols such as C, C, C",
        ),
        (ROWS.assign(value=np.nan), "says nothing of the panel: 0 values"),
        (ROWS.iloc[:0], "says nothing of the panel: 0 values, from no day"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_cannot_be_read_is_refused(tmp_path, rows, told, ending):
    with pytest.raises(DataError, match=told):
        read_values(written(tmp_path, rows, ending), PANEL)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="file of values .* does not exist; write a CSV or Parquet"):
        read_values(tmp_path / "none.csv", PANEL)
    (tmp_path / "values.parquet").write_text("date,symbol,value\n")
    with pytest.raises(DataError, match=r"values.parquet cannot be read: .*; write a CSV or Parquet"):
        read_values(tmp_path / "values.parquet", PANEL)
