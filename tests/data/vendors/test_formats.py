import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS, LONG, cells

from quantray.data.vendors.formats import BAR_FIELDS, COLUMN_NAMES, Format, named_format, plain
from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError, InputError


def test_pence_become_pounds(imported):
    frame = pd.DataFrame({"date": DAYS[:30], "symbol": "VOD", "close": 100.0 + np.arange(30) % 7, "currency": "GBX"})
    assert imported(frame).field("close")[0, 0] == pytest.approx(1.0)
    assert imported(frame.drop(columns="currency"), form=Format(scale=0.01)).field("close")[0, 0] == pytest.approx(1.0)


def test_a_format_of_ones_own_in_yaml_or_as_a_function(imported, tmp_path, monkeypatch):
    (tmp_path / "house.yaml").write_text(
        "columns: {Stichtag: date, Kennung: symbol, Kurs: close}\n"
        "separator: '|'\ndecimal: ','\ndates: DMY\nadjusted: splits\n"
    )
    text = "Stichtag|Kennung|Kurs\n04.01.2021|AA|1.234,5\n05.01.2021|AA|1.240\n"
    panel = imported(text, form=named_format(str(tmp_path / "house.yaml")))
    np.testing.assert_allclose(panel.field("close")[:, 0], [1234.5, 1240])
    (tmp_path / "ours.py").write_text(
        "import pandas as pd\n\ndef read(path):\n"
        "    return pd.DataFrame({'date': ['2021-01-04'], 'symbol': ['AA'], 'close': [7.0]})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert imported("anything", "x.csv", form=Format(function="ours:read")).field("close")[0, 0] == 7
    assert imported("anything", "x.csv", form=named_format("ours:read")).field("close")[0, 0] == 7


OURS = """
import pandas as pd

def priced(path, close=7.0):
    return pd.DataFrame({"date": ["2021-01-04"], "symbol": [path.stem], "close": [close]})

def raises(path):
    raise KeyError("no sheet")

def words(path):
    return "bars"
"""


def test_a_function_takes_parameters_and_what_it_does_wrong_is_said(tmp_path, monkeypatch):
    (tmp_path / "ours_of_mine.py").write_text(OURS)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "AA.csv").write_text("anything")
    form = Format(name="ours", function="ours_of_mine:priced", parameters={"close": 3.0})
    assert read_bars(tmp_path / "AA.csv", form).frame["close"].tolist() == [3.0]
    for name, told in (
        ("raises", "format ours_of_mine:raises: ours_of_mine:raises of AA.csv raised KeyError: .no sheet."),
        ("words", "gave a str; it must give a frame with a row for each bar"),
    ):
        with pytest.raises(DataError, match=told):
            read_bars(tmp_path / "AA.csv", named_format(f"ours_of_mine:{name}"))
    with pytest.raises(InputError, match="parameters are of a function; name it as function: module:name"):
        read_bars(tmp_path / "AA.csv", Format(name="x", parameters={"close": 3.0}))


def test_a_mapping_in_another_case_keeps_zeros(tmp_path):
    (tmp_path / "x.csv").write_text("TAG,KENNUNG,KURS\n2021-01-04,0005,40.5\n")
    form = Format(name="house", columns={"Tag": "date", "Kennung": "symbol", "Kurs": "close"})
    assert read_bars(tmp_path / "x.csv", form).frame["symbol"].tolist() == ["0005"]


@pytest.mark.parametrize("name", ["date", "symbol", *BAR_FIELDS])
def test_every_declared_spelling_is_read(write, name):
    for alias in COLUMN_NAMES[name]:
        row = {"date": "2020-01-02", "symbol": "AA", "close": "2"}
        row[name] = row.get(name, "7")
        header = [f" {alias.upper()} " if column == name else column for column in row]
        frame = read_bars(write(",".join(header) + "\n" + ",".join(row.values()) + "\n")).frame
        assert set(frame.columns) - {"basis", "lists"} == set(row)
        assert str(frame[name].iloc[0]).startswith(row[name])


def test_columns_of_other_names_are_declared(write):
    path = write("when,who,px\n2020-01-02,AA,2\n")
    assert cells(read_bars(path, Format(columns={"when": "date", "who": "symbol", "px": "close"}))) == [
        ("2020-01-02", "AA", 2.0)
    ]


def test_a_declared_column_goes_before_one_of_the_same_name(write):
    path = write("date,symbol,close,mid\n2020-01-02,AA,2,5\n")
    assert cells(read_bars(path, Format(columns={"mid": "close"}))) == [("2020-01-02", "AA", 5.0)]


@pytest.mark.parametrize(
    "header", ["date,symbol,price,close", "date,symbol,last,Close", "timestamp,symbol,price,close,date"]
)
def test_the_first_spelling_of_the_table_wins(write, header):
    row = {
        "date": "2020-01-02",
        "timestamp": "2020-01-02 16:00",
        "symbol": "AA",
        "price": "9",
        "last": "9",
        "close": "2",
    }
    path = write(header + "\n" + ",".join(row[c.lower()] for c in header.split(",")) + "\n")
    assert cells(read_bars(path)) == [("2020-01-02", "AA", 2.0)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"px": "close"}, "column mapping names 'px', which is not in"),
        ({"close": "price"}, "column mapping names 'price'"),
        ({"close": "close", "open": "close"}, "give two columns one name"),
    ],
    ids=["not in the file", "no field", "twice"],
)
def test_bad_column_mapping(write, columns, message):
    with pytest.raises(DataError, match=message):
        read_bars(write(LONG), Format(columns=columns))


def test_unknown_field_of_a_wide_file(write):
    with pytest.raises(DataError, match="field 'bid' is not one of open"):
        read_bars(write("date,AA,B\n2020-01-02,2,3\n"), Format(field="bid"))


def test_a_part_of_names_that_two_share_is_no_name(write):
    form = Format(name="house", symbol_part=r"^(\S+)")
    rows = "".join(f"2020-01-02,{name},2\n" for name in ("VOD LN Equity", "VOD US Equity", "BP LN Equity"))
    symbols = read_bars(write("date,symbol,close\n" + rows), form).frame["symbol"].tolist()
    assert symbols == ["VOD LN Equity", "VOD US Equity", "BP"]


def test_a_format_by_name_decides(write):
    path = write("Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02,1,3,0.5,2,1.9,100\n", "AA.csv")
    assert read_bars(path).readings[0].format == "yahoo"
    assert read_bars(path, Format(adjusted="none")).readings[0].format == "yahoo"
    reading = read_bars(path, plain()).readings[0]
    assert reading.format == "plain"
    assert reading.stated == "which says nothing of what its prices account for"
